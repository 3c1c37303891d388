"""The report of a cohort: what was refused and why, by reason and by grade, without anything that identifies people.

``report.json`` and ``knees.csv`` in the output are free of identifiers; ``knees.csv`` in the private folder has the
same rows with participants, files and the whole sentences.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files.atomic_write import AtomicFiles
from ..files.json_files import write_json
from .knee_preparation import KneeTask, Outcome
from .knee_study import LeftOut
from .participant_key import PARTS

REPORT_FILE, TABLE_FILE = "report.json", "knees.csv"


@dataclass(frozen=True)
class Row:
    """A study and what became of it."""

    task: KneeTask
    outcome: Outcome

    @property
    def part(self) -> str:
        """The part of the data that its participant belongs to."""
        return self.task.pair.parent.name

    @property
    def grade(self) -> str:
        """Its grade in words."""
        grade = self.task.study.kl_grade
        return "unknown" if grade is None else str(grade)


def write_report(output: Path, private: Path, rows: Sequence[Row], left_out: Sequence[LeftOut]) -> Path:
    """Write both tables and the summary; returns the summary's path."""
    grades = sorted({row.grade for row in rows})
    summary: dict[str, Any] = {
        "what": "Pairs of knee radiograph and MR scan of real people.",
        "knees": len(rows) + len(left_out),
        "prepared": sum(row.outcome.prepared for row in rows),
        "by_part": {part: sum(row.outcome.prepared and row.part == part for row in rows) for part in PARTS},
        # a refusal that hits one grade more often than another makes the data unlike the cohort
        "by_grade": {
            grade: {
                "knees": sum(row.grade == grade for row in rows),
                "prepared": sum(row.outcome.prepared and row.grade == grade for row in rows),
                "with_doubts": sum(row.outcome.prepared and bool(row.outcome.doubts) and row.grade == grade
                                   for row in rows),
            }
            for grade in grades
        },
        "refused_by_reason": dict(
            Counter(
                [row.outcome.code for row in rows if not row.outcome.prepared]
                + ["no-pair-in-archive" for _ in left_out]
            ).most_common()
        ),
        "seconds_per_knee": _median([row.outcome.seconds for row in rows if row.outcome.prepared]),
    }  # fmt: skip
    write_json(output / REPORT_FILE, summary)
    public = ("pair", "part", "side", "kl_grade", "outcome", "reason", "doubts")
    own = ("participant", "visit", *public, "radiograph", "series")
    with AtomicFiles() as files:
        files.stage(output / TABLE_FILE).write_text(_table(public, (_public(row) for row in rows)), encoding="utf-8")
        files.stage(private / TABLE_FILE).write_text(
            _table(own, [*(_own(row) for row in rows), *(_left(one) for one in left_out)]), encoding="utf-8"
        )
    return output / REPORT_FILE


def _public(row: Row) -> dict[str, Any]:
    return {
        "pair": row.task.pair.stem,
        "part": row.part,
        "side": row.task.study.side,
        "kl_grade": row.grade,
        "outcome": row.outcome.code,
        "reason": row.outcome.public,
        "doubts": len(row.outcome.doubts),
    }


def _own(row: Row) -> dict[str, Any]:
    study = row.task.study
    return _public(row) | {
        "participant": study.participant,
        "visit": study.visit,
        "reason": row.outcome.reason,
        "doubts": " ".join(row.outcome.doubts),
        "radiograph": study.radiograph,
        "series": study.series,
    }


def _left(one: LeftOut) -> dict[str, Any]:
    return {"participant": one.participant, "visit": one.visit, "side": one.side, "outcome": "no-pair-in-archive",
            "reason": one.reason}  # fmt: skip


def _median(values: Sequence[float]) -> float | None:
    return sorted(values)[len(values) // 2] if values else None


def _table(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
