"""How much of what sex and body mass change in a knee does its radiograph leave to be told?

    xray2mri simulate -o runs/people --count 360
    python Testing/benchmarks/left_to_tell.py --pairs runs/people -o docs/results/left_to_tell.json

For thickness of fat, size of the bones and area of the leg on the slices: by how much they differ between people, once
over all knees, once between people whose radiographs say the same. The latter is the most that a network moves that
sees a radiograph and is told another person. A radiograph is read by a ridge regression of its principal components,
hence only as well as a linear reader can; shares of explained variance are cross-validated over ten parts.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from result_file import write_result

COMPONENTS, PENALTY, PARTS = 40, 10.0, 10
SLICES = 8
AIR = 0.06  # grey below which there is no leg


def main() -> None:
    """Read, fit, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    people, pictures, measures, outlines = read_pairs(options.pairs)
    figures = {
        name: left_to_tell(people, pictures, values, outlines if name == "size" else None)
        for name, values in measures.items()
    }
    settings = {"knees": len(people), "components": COMPONENTS, "penalty": PENALTY}
    command = "python Testing/benchmarks/left_to_tell.py --pairs PAIRS -o docs/results/left_to_tell.json"
    write_result(options.output, command=command, settings=settings, figures=figures)
    print(figures)


def read_pairs(folder: Path) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """Of each knee: [man, overweight, obese], its radiograph in 32 x 32, what is measured on it, its outline."""
    from Xray2MRILib.training.data.training_knee import list_training_pairs, open_knee

    depths = np.linspace(0, 49, SLICES).round().astype(int)
    people, pictures, outlines = [], [], []
    measures: dict[str, list[float]] = {"fat_mm": [], "size": [], "area_cm2": []}
    for path in list_training_pairs(folder):
        knee = open_knee(path)
        _, crop = knee.in_scan_frame(1, np.random.default_rng(0), bend_mm=None)
        pictures.append(crop[0].reshape(32, 8, 32, 8).mean(axis=(1, 3)).ravel())
        people.append([knee.person["sex"] == "man", knee.person["bmi"] == 27.5, knee.person["bmi"] == 34.0])
        parameters = knee.pair.parameters
        measures["fat_mm"].append(parameters.fat_mm)
        measures["size"].append(parameters.scale[2])
        measures["area_cm2"].append(float((knee.volume[depths] > AIR).mean()) * 256.0)
        outlines.append(parameters.template.split("+")[0])
    names = np.array(outlines)
    of_outline = np.stack([names == name for name in np.unique(names)], axis=1).astype(float)
    found = {name: np.array(values) for name, values in measures.items()}
    return np.array(people, float), np.array(pictures, float), found, of_outline


def left_to_tell(
    people: np.ndarray, pictures: np.ndarray, values: np.ndarray, others: np.ndarray | None
) -> dict[str, Any]:
    """Differences between people with and without their radiographs known; ``others`` are known in any case.

    The scale of a knee is that of its outline, which therefore is one of the others.
    """
    seen, _ = np.linalg.svd(pictures - pictures.mean(axis=0), full_matrices=False)[:2]
    seen = seen[:, :COMPONENTS] / seen[:, :COMPONENTS].std(axis=0)
    known = [] if others is None else [(others, 1e-3 * PENALTY)]
    sets = {"person": [(people, 1e-6)], "radiograph": [(seen, PENALTY)], "both": [(seen, PENALTY), (people, 1e-6)]}
    alone, beside = (_weights([*known, *sets[name]], values)[-people.shape[1] :] for name in ("person", "both"))
    return {
        "man": [round(float(w[0]), 3) for w in (alone, beside)],
        "obese": [round(float(w[2]), 3) for w in (alone, beside)],
        "explained": {name: round(_explained([*known, *parts], values), 2) for name, parts in sets.items()},
    }


def _weights(parts: list[tuple[np.ndarray, float]], values: np.ndarray) -> np.ndarray:
    """Of a ridge regression on all columns of the parts, each with its own penalty."""
    columns = np.hstack([part for part, _ in parts])
    penalty = np.concatenate([np.full(part.shape[1], weight) for part, weight in parts])
    centred = columns - columns.mean(axis=0)
    return np.linalg.solve(centred.T @ centred + np.diag(penalty), centred.T @ (values - values.mean()))


def _explained(parts: list[tuple[np.ndarray, float]], values: np.ndarray) -> float:
    """Share of the variance that a regression explains on knees it was not fitted to."""
    part_of = np.random.default_rng(0).permutation(len(values)) % PARTS
    predicted = np.zeros(len(values))
    for part in range(PARTS):
        fitted = part_of != part
        weights = _weights([(columns[fitted], weight) for columns, weight in parts], values[fitted])
        columns = np.hstack([columns for columns, _ in parts])
        predicted[~fitted] = (columns[~fitted] - columns[fitted].mean(axis=0)) @ weights + values[fitted].mean()
    return 1 - float(np.square(values - predicted).mean() / values.var())


if __name__ == "__main__":
    main()
