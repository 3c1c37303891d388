"""The trainings of one system with several seeds, joined in the table of a benchmark."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from Xray2MRILib.comparison.evaluation import MEASURES

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "Testing" / "benchmarks" / "compare_seeds.py"


def write_benchmark(folder: Path, columns: dict[str, list[float]], models: list[str]) -> None:
    """The files of a benchmark whose measures all have the same values per knee."""
    (folder / "specificity").mkdir(parents=True)
    with (folder / "per_knee.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(("knee", "kl_grade", "column", *MEASURES))
        for name, values in columns.items():
            writer.writerows((f"knee-{k}", 0, name, *([value] * len(MEASURES))) for k, value in enumerate(values))
    (folder / "summary.json").write_text(json.dumps({"training": dict.fromkeys(models)}), encoding="utf-8")
    for model in models:
        name = "".join(letter if letter.isalnum() else "-" for letter in model.lower())
        matrix = np.ones((3, 3)) - 0.5 * np.eye(3)  # each volume is closest to its own reference
        (folder / "specificity" / f"{name}-3.json").write_text(json.dumps(matrix.tolist()), encoding="utf-8")


def test_seeds_of_a_system_are_averaged_per_knee(tmp_path: Path) -> None:
    columns = {
        "Ours": [1.0, 2.0, 3.0, 4.0, 5.0],
        "LDM": [5.0, 5.0, 5.0, 5.0, 5.0],
        "Ours, seed 1": [3.0, 4.0, 1.0, 8.0, 7.0],
        "blank": [9.0, 9.0, 9.0, 9.0, 9.0],
    }
    write_benchmark(tmp_path, columns, ["Ours", "LDM", "Ours, seed 1"])
    subprocess.run([sys.executable, SCRIPT, tmp_path], check=True, cwd=ROOT, capture_output=True)
    with (tmp_path / "seeds.csv").open(newline="", encoding="utf-8") as stream:
        rows = {row["system"]: row for row in csv.DictReader(stream) if row["measure"] == "edge_mm"}
    assert list(rows) == ["Ours", "LDM", "blank"]
    assert float(rows["Ours"]["median"]) == 3.0  # of the means 2, 3, 2, 6, 6
    assert rows["Ours"]["trainings"] == "2"
    assert rows["LDM"]["trainings"] == "1"
    assert float(rows["Ours"]["apart"]) == 1.0  # the medians are 3 and 4
    assert rows["LDM"]["apart"] == ""
    assert float(rows["LDM"]["first_less_this"]) == -2.0  # of -3, -2, -3, 1, 1
    assert float(rows["LDM"]["first_closer_share"]) == 0.6
    table = (tmp_path / "seeds.md").read_text(encoding="utf-8")
    assert "| Ours | 3.00 (2.00-6.00) ±0.50 |" in table
    assert "| 1.00 (1.00-1.00) |" in table  # own reference against others
