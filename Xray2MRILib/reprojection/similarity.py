"""Turn, one scale and shift of the radiograph plane, and their fit of one outline to another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .knee_outline import KneeOutline
from .outline_distance import matched

_ROUNDS = 15
_ROBUST_MM = 1.5  # beyond it a residual counts linearly
# the fit is held to the frame that radiograph and slices share by so little that it matters only where the outlines
# leave a direction open: shift in mm, turn in rad, logarithm of the scale
_HELD = np.array([6.0, 6.0, np.radians(5.0), 0.08])
_HOLD = 0.1


@dataclass(frozen=True)
class Similarity:
    """x, z in mm -> scale * turned (x, z) + shift; the turn is from x towards z, about the centre of the crop."""

    shift_mm: tuple[float, float] = (0.0, 0.0)
    turn_rad: float = 0.0
    scale: float = 1.0

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """The points [N, 2] moved."""
        cosine, sine = self.scale * np.cos(self.turn_rad), self.scale * np.sin(self.turn_rad)
        return points @ np.array([[cosine, sine], [-sine, cosine]]) + self.shift_mm

    def moved(self, outline: KneeOutline) -> KneeOutline:
        """The outline with every point moved."""
        return KneeOutline({name: self(points) for name, points in outline.curves.items()})


def fitted_similarity(radiograph: KneeOutline, volume: KneeOutline) -> Similarity:
    """The similarity that brings the radiograph's outline onto the volume's.

    Points of the radiograph are matched to the nearest place of the same curve; distances along the normal are
    minimised, every curve weighing alike and large ones less (Huber). Repeated until the match stands. Raises
    ValueError when the two share no curve.
    """
    shift_x = shift_z = turn = log_scale = 0.0
    for _ in range(_ROUNDS):
        now = Similarity((shift_x, shift_z), turn, float(np.exp(log_scale)))
        rows, distances = [], []
        for name in radiograph.curves.keys() & volume.curves.keys():
            points = now(radiograph.curves[name])
            distance, normal, met = matched(points, volume.curves[name], name)
            if not met.any():
                continue
            points, distance, normal = points[met], distance[met], normal[met]
            relative = points - now.shift_mm
            weight = np.sqrt(np.minimum(1.0, _ROBUST_MM / np.maximum(np.abs(distance), 1e-9)) / len(points))
            by_turn = normal[:, 1] * relative[:, 0] - normal[:, 0] * relative[:, 1]
            by_scale = (normal * relative).sum(axis=1)
            rows.append(np.stack((normal[:, 0], normal[:, 1], by_turn, by_scale), axis=1) * weight[:, None])
            distances.append(distance * weight)
        if not rows:
            raise ValueError("The two outlines share no curve.")
        hold = _HOLD / _HELD
        so_far = np.array([shift_x, shift_z, turn, log_scale])
        matrix = np.concatenate((*rows, np.diag(hold)))
        target = np.concatenate((*(-distance for distance in distances), -hold * so_far))
        step = np.linalg.lstsq(matrix, target, rcond=None)[0]
        shift_x, shift_z, turn, log_scale = so_far + step
        if np.abs(step / _HELD).max() < 1e-4:
            break
    return Similarity((float(shift_x), float(shift_z)), float(turn), float(np.exp(log_scale)))
