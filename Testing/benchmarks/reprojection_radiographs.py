"""Which real radiographs the reprojection measurement uses, and which ones ship as other people's radiographs."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Radiograph:
    """One single-knee radiograph with its grade; ``person`` is a participant where the set names them, else the
    radiograph."""

    path: Path
    grade: int
    person: str


def measured_radiographs(folder: Path, per_grade: int) -> list[Radiograph]:
    """``per_grade`` radiographs of each grade, spread over the set, grades in turn.

    ``folder`` holds index.csv either with file, participant, kl_grade and split (of which test is taken) or with file,
    kind, kl_expert_1 and kl_expert_2 (of which single knees with agreeing experts are taken).
    """
    return _spread(folder, per_grade, 0.0)


def other_people(folder: Path, per_grade: int) -> list[Radiograph]:
    """As measured_radiographs, from the places between those, for six radiographs a grade."""
    return _spread(folder, per_grade, 0.5)


def _spread(folder: Path, per_grade: int, offset: float) -> list[Radiograph]:
    grades: list[list[Radiograph]] = [[] for _ in range(5)]
    with open(folder / "index.csv", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if "participant" in row:
                if row["split"] == "test":
                    grade = int(row["kl_grade"])
                    grades[grade].append(Radiograph(folder / row["file"], grade, row["participant"]))
            elif row["kind"] == "single" and row["kl_expert_1"] == row["kl_expert_2"] and row["kl_expert_1"].isdigit():
                grade = int(row["kl_expert_1"])
                grades[grade].append(Radiograph(folder / row["file"], grade, row["file"]))
    return [radiographs[int((k + offset) * len(radiographs) / 6)] for k in range(per_grade) for radiographs in grades]
