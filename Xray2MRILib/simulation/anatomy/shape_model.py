"""Bone shapes of 26 people: a statistical shape model of the ends of femur and tibia at the knee.

Derived from LLP26 (Auckland Bioengineering Institute, MPL-2.0), see ``Resources/anatomy/README.md``. The model's bones
are aligned one by one and not assembled into a joint: it gives shape, not pose.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...files.resources import resource_path

MODEL = "anatomy/llp26_shape_model/llp26_knee_shape_model.npz"
MODEL_BONES = ("femur", "tibia", "patella", "fibula")


@dataclass(frozen=True)
class ShapeModel:
    """Means and modes of all bones; one score drives all of them.

    Attributes
    ----------
    means_mm
        {bone: float64 [N, 3]} in the simulator's axes (y to the front, z down, x to the medial side).
    modes_mm
        {bone: float64 [K, N, 3]}, displacement of one standard deviation of the score.
    """

    means_mm: dict[str, np.ndarray]
    modes_mm: dict[str, np.ndarray]

    @property
    def count(self) -> int:
        """Number of modes."""
        return len(next(iter(self.modes_mm.values())))

    def shape(self, scores: np.ndarray) -> dict[str, np.ndarray]:
        """Points of all bones, mm, for ``scores`` [K] in standard deviations."""
        return {b: m + np.tensordot(scores, self.modes_mm[b], axes=1) for b, m in self.means_mm.items()}

    def project(self, points: dict[str, np.ndarray]) -> np.ndarray:
        """Scores [K] of the model's shape nearest to ``points``, least squares over all bones."""
        modes = np.concatenate([self.modes_mm[b].reshape(self.count, -1) for b in self.means_mm], axis=1)
        away = np.concatenate([(points[b] - m).ravel() for b, m in self.means_mm.items()])
        return np.linalg.lstsq(modes.T, away, rcond=None)[0]


def load_shape_model(path: Path | None = None) -> ShapeModel:
    """The model that ships, or that of ``path``."""
    with np.load(path or resource_path(MODEL), allow_pickle=False) as data:
        # as stored: x to the medial side, y backwards, z up
        means = {bone: _turned(data[f"{bone}_mean"]) for bone in MODEL_BONES}
        modes = {bone: _turned(data[f"{bone}_modes_sd"]) for bone in MODEL_BONES}
    return ShapeModel(means, modes)


def without_similarity(points: np.ndarray, displacement: np.ndarray) -> np.ndarray:
    """A displacement [N, 3] of ``points`` [N, 3] without its shift, rotation and growth, to first order."""
    y, z, x = (points - points.mean(axis=0)).T
    zero, one = np.zeros_like(y), np.ones_like(y)
    basis = [
        (one, zero, zero), (zero, one, zero), (zero, zero, one),
        (zero, -x, z), (x, zero, -y), (-z, y, zero), (y, z, x),
    ]  # fmt: skip
    design = np.stack([np.stack(b, axis=-1).ravel() for b in basis], axis=-1)
    fitted = design @ np.linalg.lstsq(design, displacement.ravel(), rcond=None)[0]
    return displacement - fitted.reshape(displacement.shape)


def _turned(values: np.ndarray) -> np.ndarray:
    x, y, z = np.moveaxis(values.astype(np.float64), -1, 0)
    return np.stack((-y, -z, x), axis=-1)
