"""Similarity transforms of the radiograph plane (rotation, scale, shift), and their fit of one outline to another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .knee_outline import KneeOutline
from .outline_distance import curve_normals, match_points

_ROUNDS = 15
_ROBUST_MM = 1.5  # larger residuals count linearly (Huber)
# weak regularisation towards the identity, which matters only for parameters that the outlines do not determine:
# shift in mm, rotation in rad, logarithm of the scale
_HELD = np.array([6.0, 6.0, np.radians(5.0), 0.08])
_HOLD = 0.1


@dataclass(frozen=True)
class Similarity:
    """(x, z) in mm -> scale * rotated (x, z) + shift; the rotation is from x to z about the centre of the crop."""

    shift_mm: tuple[float, float] = (0.0, 0.0)
    turn_rad: float = 0.0
    scale: float = 1.0

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """The transformed points [N, 2]."""
        cosine, sine = self.scale * np.cos(self.turn_rad), self.scale * np.sin(self.turn_rad)
        return points @ np.array([[cosine, sine], [-sine, cosine]]) + self.shift_mm

    def transform(self, outline: KneeOutline) -> KneeOutline:
        """The outline with every point transformed."""
        return KneeOutline({name: self(points) for name, points in outline.curves.items()})


def fit_similarity(radiograph: KneeOutline, volume: KneeOutline) -> Similarity:
    """Fit the similarity from the radiograph's outline to the volume's.

    Each point of the radiograph is matched with the nearest point of the same curve, and the distances along the
    normals are minimised. All curves have equal weight; large distances have less (Huber). Matching and fit are
    repeated until they converge. Raises ValueError when the outlines have no curve in common.
    """
    shift_x = shift_z = turn = log_scale = 0.0
    common = radiograph.curves.keys() & volume.curves.keys()
    normals = {name: curve_normals(volume.curves[name], name) for name in common}
    for _ in range(_ROUNDS):
        now = Similarity((shift_x, shift_z), turn, float(np.exp(log_scale)))
        rows, distances = [], []
        for name in common:
            points = now(radiograph.curves[name])
            distance, normal, met = match_points(points, volume.curves[name], name, normals[name])
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
            raise ValueError("The two outlines have no curve in common.")
        hold = _HOLD / _HELD
        so_far = np.array([shift_x, shift_z, turn, log_scale])
        matrix = np.concatenate((*rows, np.diag(hold)))
        target = np.concatenate((*(-distance for distance in distances), -hold * so_far))
        step = np.linalg.lstsq(matrix, target, rcond=None)[0]
        shift_x, shift_z, turn, log_scale = so_far + step
        if np.abs(step / _HELD).max() < 1e-4:
            break
    return Similarity((float(shift_x), float(shift_z)), float(turn), float(np.exp(log_scale)))
