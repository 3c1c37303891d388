"""Outlines of femur and tibia in the radiograph plane: named curves of points in mm, without any pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

# curve -> number of examined positions, 0.5 mm apart
SIDES = {"femur medial side": 35, "tibia medial side": 25, "tibia lateral side": 25}
JOINT_LINE = {
    "femur medial joint": 44,
    "femur lateral joint": 44,
    "tibia medial joint": 44,
    "tibia lateral joint": 44,
}
_FEWEST = 8  # points of a curve, 4 mm


@dataclass(frozen=True)
class KneeOutline:
    """The outlines of the bones that were found on one radiograph or volume.

    Attributes
    ----------
    curves
        Name (of SIDES or JOINT_LINE) -> [N, 2] float points (x, z) in mm in the frame of frame_grid, in right-knee
        space. z increases along a side, x along the joint line. Curves that were not found are absent.

    The lateral side of the femur is left out, because ligaments and fascia next to it are as dark as cortex in the
    volume. Even in the true volumes of simulated knees the traced curve misses it by 3 to 8 mm.
    """

    curves: dict[str, np.ndarray]

    def share(self, names: dict[str, int]) -> float:
        """Share in [0, 1] of the examined positions with an edge; ``names`` is SIDES or JOINT_LINE."""
        return min(1.0, sum(len(self.curves.get(name, ())) for name in names) / sum(names.values()))

    def as_lists(self) -> dict[str, list[list[float]]]:
        """Every second point, rounded to 0.1 mm, as plain numbers."""
        return {name: np.round(points[::2], 1).tolist() for name, points in self.curves.items()}

    @classmethod
    def from_lists(cls, curves: dict[str, Any]) -> KneeOutline:
        """The outline from the lists of ``as_lists``, with linearly interpolated points between theirs.

        Raises ValueError for an unknown curve or points that are not pairs.
        """
        unknown = set(curves) - set(SIDES) - set(JOINT_LINE)
        if unknown:
            raise ValueError(f"There is no curve {sorted(unknown)[0]!r} of the knee.")
        return cls.of(
            {name: _insert_midpoints(np.array(points, float).reshape(-1, 2)) for name, points in curves.items()}
        )

    @classmethod
    def of(cls, curves: dict[str, np.ndarray]) -> KneeOutline:
        """The outline without curves that are too short to compare (less than 4 mm)."""
        return cls({name: points for name, points in curves.items() if len(points) >= _FEWEST})


def runs_down(name: str) -> bool:
    """True for a side, whose points are ordered by z; False for the joint line."""
    return name in SIDES


def _insert_midpoints(points: np.ndarray) -> np.ndarray:
    """The points [N, 2] with a midpoint inserted between every two neighbours that are not separated by a gap."""
    apart = np.linalg.norm(np.diff(points, axis=0), axis=1)
    middles = (points[1:] + points[:-1]) / 2
    places = np.flatnonzero(apart < 1.8) + 1
    return np.insert(points, places, middles[places - 1], axis=0)
