"""Correlation of neighbouring slices as a function of the number of slices, as in the paper's Fig. 6.

Volumes with different numbers of slices have only the depths of their ends in common (29, 49, 99, 199, ... steps have
no common divisor), so each volume is sampled separately.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ..files.json_files import write_json
from ..metrics.adjacent_correlation import adjacent_correlation
from ..metrics.leg_mask import leg_mask
from ..volume.geometry import OAI_FIELD
from .held_out import load_held_out_knee
from .plan import BenchmarkPlan, correlation_file

REFERENCE, INTERPOLATED = "reference", "linear interpolation of 50"
NATIVE = OAI_FIELD.num_slices  # slices of every reference

Curves = dict[str, dict[int, np.ndarray]]


def measure_correlation(file: Path, pipeline: Any, path: Path, plan: BenchmarkPlan, density: int) -> None:
    """Sample a knee's volume with ``density`` slices and write its correlations to ``file``, unless it exists."""
    if file.exists():
        return
    knee = load_held_out_knee(path)
    volume = pipeline(
        knee.crop, num_slices=density, num_inference_steps=plan.steps, koa=knee.probabilities(plan.grades),
        seed=plan.seed,
    ).depth_slices()  # fmt: skip
    _write_correlation(file, volume)


def load_correlations(plan: BenchmarkPlan, files: list[Path]) -> tuple[Curves, Curves]:
    """Column -> density -> [knees] mean correlation of neighbouring slices, over whole slices and within the leg.

    The values of the methods come from the files of ``measure_correlation``. The reference is measured with its own
    50 slices, and its linear interpolation at every density.
    """
    kept = {title: {d: [correlation_file(plan, title, path.stem, d) for path in files] for d in plan.densities}
            for title in plan.models}  # fmt: skip
    own = plan.output / "correlation" / "_controls"  # a title cannot result in this name
    kept[REFERENCE] = {NATIVE: [own / f"{path.stem}-reference.json" for path in files]}
    kept[INTERPOLATED] = {d: [own / f"{path.stem}-{d}.json" for path in files] for d in plan.densities}
    for place, path in enumerate(files):
        wanted = {d: kept[INTERPOLATED][d][place] for d in plan.densities} | {0: kept[REFERENCE][NATIVE][place]}
        missing = {density: file for density, file in wanted.items() if not file.exists()}
        if missing:
            volume = load_held_out_knee(path).volume
            for density, file in missing.items():
                _write_correlation(file, interpolate_slices(volume, density) if density else volume)
    whole: Curves = {}
    in_leg: Curves = {}
    for name, densities in kept.items():
        read = {d: [json.loads(f.read_text(encoding="utf-8")) for f in found] for d, found in densities.items()}
        whole[name] = {d: np.array([row["whole"] for row in rows], float) for d, rows in read.items()}
        in_leg[name] = {d: np.array([row["leg"] for row in rows], float) for d, rows in read.items()}
    return whole, in_leg


def interpolate_slices(volume: np.ndarray, slices: int) -> np.ndarray:
    """Interpolate a volume [S, H, W] linearly to ``slices`` evenly spaced depths over the same extent."""
    places = np.linspace(0, len(volume) - 1, slices)
    below = np.minimum(places.astype(int), len(volume) - 2)
    share = (places - below)[:, None, None].astype(np.float32)
    return volume[below] * (1 - share) + volume[below + 1] * share


def _write_correlation(file: Path, volume: np.ndarray) -> None:
    """Write the mean correlation of neighbouring slices; null if it is undefined for all of them."""
    found = {"whole": adjacent_correlation(volume), "leg": adjacent_correlation(volume, leg_mask(volume))}
    means = {name: float(np.nanmean(v)) if np.isfinite(v).any() else None for name, v in found.items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, means)
