"""Join the trainings of one system with several seeds in the table of a benchmark.

    xray2mri benchmark -o runs/table --pairs runs/held-out --method Xray2MRI=runs/xray2mri-0/model \\
        --method "Xray2MRI, seed 1=runs/xray2mri-1/model" --method LDM=runs/ldm-0/model ...
    python Testing/benchmarks/compare_seeds.py runs/table

A column named "TITLE, seed N" is another training of TITLE. The value of a system for a knee is the mean over its
trainings. Its interval and its test are over knees; how far two trainings lie apart is told beside them, because a test
over knees does not see it. Writes seeds.csv and seeds.md into the benchmark's folder.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
from collections import defaultdict
from pathlib import Path

import numpy as np

from Xray2MRILib.benchmark.statistics import interval, paired_tests
from Xray2MRILib.comparison.evaluation import MEASURES
from Xray2MRILib.metrics.specificity import specificity

SHOWN = ("edge_mm", "f1", "ssim_joint", "psnr_joint_db", "psnr_db", "rssim")
SEED = re.compile(r", seed \d+$")
HEADING = ("measure", "system", "trainings", "knees", "median", "ci_low", "ci_high", "apart", "first_less_this",
           "difference_ci_low", "difference_ci_high", "first_closer_share", "p_wilcoxon", "p_holm")  # fmt: skip


def read_per_knee(file: Path) -> dict[str, dict[str, np.ndarray]]:
    """Column -> measure -> [knees], from the benchmark's per_knee.csv."""
    rows: dict[str, list[dict[str, str]]] = defaultdict(list)
    with file.open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            rows[row["column"]].append(row)
    if len({tuple(row["knee"] for row in found) for found in rows.values()}) > 1:
        raise SystemExit(f"The columns of {file.name} have not the same knees in the same order: measure them again.")
    return {
        column: {measure: np.array([float(row[measure]) for row in found]) for measure in MEASURES}
        for column, found in rows.items()
    }


def systems_of(columns: list[str]) -> dict[str, list[str]]:
    """System -> its columns, in the order of the table."""
    found: dict[str, list[str]] = {}
    for column in columns:
        found.setdefault(SEED.sub("", column), []).append(column)
    return found


def joined_rows(columns: dict[str, dict[str, np.ndarray]]) -> list[dict[str, object]]:
    """A row per measure and system: median over knees of the mean over trainings, and the test of the first system."""
    systems = systems_of(list(columns))
    first = next(iter(systems))
    rows: list[dict[str, object]] = []
    for measure, higher in MEASURES.items():
        means = {s: np.mean([columns[c][measure] for c in own], axis=0) for s, own in systems.items()}
        others = {name: values for name, values in means.items() if name != first}
        tests = paired_tests(means[first], others, higher_is_closer=higher)
        for name, own in systems.items():
            spread, test = interval(means[name]), tests.get(name)
            medians = [interval(columns[column][measure]).median for column in own]
            values = [spread.median, spread.low, spread.high, max(medians) - min(medians) if len(own) > 1 else None]
            if test is not None:
                values += [test.difference, test.low, test.high, test.closer_share, test.p_value, test.p_holm]
            else:
                values += [None] * 6
            rows.append(dict(zip(HEADING, (measure, name, len(own), spread.knees, *values), strict=True)))
    return rows


def joined_specificity(folder: Path, titles: list[str]) -> dict[str, str]:
    """System -> area under the ROC curve, own reference against others', of the mean distances over its trainings."""
    found = {}
    for system, own in systems_of(titles).items():
        matrices = []
        for title in own:
            name = "".join(letter if letter.isalnum() else "-" for letter in title.lower())
            files = sorted((folder / "specificity").glob(f"{name}-[0-9]*.json"))
            matrices += [np.array(json.loads(files[-1].read_text(encoding="utf-8")))] if files else []
        if matrices and len({matrix.shape for matrix in matrices}) == 1:
            result = specificity(np.mean(matrices, axis=0), higher_is_closer=False)
            low, high = result.auc_interval
            found[system] = f"{result.auc:.2f} ({low:.2f}-{high:.2f})"
    return found


def markdown(rows: list[dict[str, object]], areas: dict[str, str]) -> str:
    """The table of the page on methods: median (95 % interval), and half of how far the trainings are apart."""
    by_system: dict[object, dict[object, dict[str, object]]] = defaultdict(dict)
    for row in rows:
        by_system[row["system"]][row["measure"]] = row
    lines = [f"| | {' | '.join(SHOWN)} | own against others |", "|---" * (len(SHOWN) + 2) + "|"]
    for system, measures in by_system.items():
        cells = []
        for measure in SHOWN:
            row = measures[measure]
            apart = "" if row["apart"] is None else f" ±{float(str(row['apart'])) / 2:.2f}"
            cells.append(f"{row['median']:.2f} ({row['ci_low']:.2f}-{row['ci_high']:.2f}){apart}")
        lines.append(f"| {system} | {' | '.join(cells)} | {areas.get(str(system), '')} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="output folder of xray2mri benchmark")
    folder = parser.parse_args().folder
    rows = joined_rows(read_per_knee(folder / "per_knee.csv"))
    titles = list(json.loads((folder / "summary.json").read_text(encoding="utf-8"))["training"])
    with (folder / "seeds.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, HEADING)
        writer.writeheader()
        writer.writerows({k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)
    text = markdown(rows, joined_specificity(folder, titles))
    (folder / "seeds.md").write_text(text, encoding="utf-8")
    print(f"The table is in {folder / 'seeds.md'}, the numbers are in seeds.csv.")


if __name__ == "__main__":
    main()
