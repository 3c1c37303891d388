"""Where a scan lies on its radiograph: the similarity that lays the scan's bones over those of the radiograph.

The outline of the bones on the radiograph (``reprojection``) is moved over the edges of the scan's bones in projection
until it lies on the strongest ones: on a coarse grid of places first, with blurred edges, then finely. A pair is
refused where these edges are weak, or where the joint line that is traced in the scan at that place lies apart from
that of the radiograph. The sides of the bones are traced too, but only recorded: in true volumes of simulated knees the
tracing loses them more often than the search. A similarity has one scale, so depths are scaled alike.

Sixteen simulated knees, whose place is known: fifteen were found within 8 % of the scale (1.2 % in the median), 1.3 mm
along (0.5) and 3 mm across the leg (1.4), and 3 degrees; one of 0.8 times the usual size was refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..reprojection.bone_projection import volume_edges, volume_outline
from ..reprojection.consistency import LEAST_SHARE
from ..reprojection.frame_grid import COUNT, GRID_MM
from ..reprojection.knee_outline import JOINT_LINE, SIDES, KneeOutline
from ..reprojection.outline_distance import curve_distances
from ..reprojection.outline_tracing import EdgeMaps
from ..reprojection.radiograph_outline import radiograph_outline
from ..reprojection.similarity import Similarity
from ..simulation.pairs.crop_frame import CropPlacement, placed_volume
from ..volume.geometry import CROP_FRAME, OAI_FIELD

if TYPE_CHECKING:
    from torch import Tensor

FARTHEST_JOINT_MM = 1.4  # median at the place found; true simulated volumes have 0.7
LEAST_STRENGTH = 0.37  # of the edges under the outline; right places of simulated knees have 0.40 to 0.58, noise 0.2
# usual place with its spread: shift x and z in mm, turn in rad, logarithm of the scale. The crop is 1 / 0.82 times as
# wide as the tibial plateau, and plateaus are 67 to 76 mm wide in the mean of women and men, so scales lie below 1
_USUAL = np.array([0.0, 0.0, 0.0, np.log(0.93)])
_SPREAD = np.array([9.0, 9.0, np.radians(4.0), 0.09])
_PRIOR = 0.03  # weight of the squared deviation from it, against strengths from 0 to 1
_WIDER = 1.3  # the edges are taken from so large a part of the scan
_BLUR_MM = (2.5, 1.0)  # of the edges, while places are searched coarsely and finely
_STEPS = (np.arange(-21, 22, 3.0), np.arange(-21, 22, 3.0), np.radians([-6.0, -3.0, 0.0, 3.0, 6.0]),
          np.log(np.arange(0.78, 1.15, 0.06)))  # fmt: skip
_REFINED = 4  # places of the coarse search that are refined
# rows between the centre of the crop and the joint centre of crop_frame; half a pixel, because rows count from a centre
_CENTRE_Z_MM = (CROP_FRAME.centre[0] - 0.5 - OAI_FIELD.joint_row) * OAI_FIELD.pixel_mm
_CENTRE_X_MM = (CROP_FRAME.centre[1] - OAI_FIELD.pixels / 2) * OAI_FIELD.pixel_mm


@dataclass(frozen=True)
class ScanPlacement:
    """The place of a scan on its radiograph.

    Attributes
    ----------
    similarity
        From the crop's frame (x, z in nominal mm from its centre) to the scan (mm from the same place of its field).
    strength
        Of the scan's edges under the radiograph's outline, 0 to 1.
    joint_line_mm, outline_mm
        Median distances of the traced joint line and of the sides, in mm of the crop's frame; sides may be None.
    """

    similarity: Similarity
    strength: float
    joint_line_mm: float
    outline_mm: float | None

    def frame(self) -> CropPlacement:
        """The same place for ``placed_volume`` and ``crop_in_frame``."""
        return frame_of(self.similarity)

    def record(self) -> dict[str, Any]:
        """JSON-able, read by ``from_record``."""
        return {
            "shift_mm": [round(value, 4) for value in self.similarity.shift_mm],
            "turn_rad": round(self.similarity.turn_rad, 6),
            "scale": round(self.similarity.scale, 6),
            "strength": round(self.strength, 3),
            "joint_line_mm": round(self.joint_line_mm, 3),
            "outline_mm": None if self.outline_mm is None else round(self.outline_mm, 3),
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> ScanPlacement:
        """The placement of a record. Raises KeyError, TypeError or ValueError for another one."""
        x, z = (float(value) for value in record["shift_mm"])
        return cls(
            Similarity((x, z), float(record["turn_rad"]), float(record["scale"])),
            float(record["strength"]),
            float(record["joint_line_mm"]),
            None if record["outline_mm"] is None else float(record["outline_mm"]),
        )


def frame_of(similarity: Similarity) -> CropPlacement:
    """The crop's place on the knee for a similarity from the crop's frame to the scan."""
    x, z = similarity.shift_mm
    # a crop tilts from z to x, a similarity turns from x to z
    return CropPlacement(
        similarity.scale * CROP_FRAME.span_mm, (z + _CENTRE_Z_MM, x + _CENTRE_X_MM), -similarity.turn_rad
    )


def from_knee(similarity: Similarity, z: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Places (x, z) in mm of the crop's frame of places (z, x) in mm on the knee, the inverse of ``frame_of``."""
    away_x = x - _CENTRE_X_MM - similarity.shift_mm[0]
    away_z = z - _CENTRE_Z_MM - similarity.shift_mm[1]
    cosine, sine = np.cos(similarity.turn_rad) / similarity.scale, np.sin(similarity.turn_rad) / similarity.scale
    return cosine * away_x + sine * away_z, cosine * away_z - sine * away_x


def find_placement(volume: np.ndarray, crop: np.ndarray) -> ScanPlacement:
    """The place of a scan [50, 256, 256] in [0, 1] on its prepared crop [256, 256] in [-1, 1], both right knees.

    Raises InputError (code ``not-registered``) when too little of the bones is found, or when they do not match.
    """
    film = radiograph_outline(crop)
    if any(film.share(names) < LEAST_SHARE for names in (SIDES, JOINT_LINE)):
        raise _failure("too little of the bones' outlines is found on the radiograph")
    place, strength = _strongest_place(film, volume_edges(placed_volume(volume, frame_of(Similarity(scale=_WIDER)))))
    if strength < LEAST_STRENGTH:
        raise _failure(f"no place of the scan has clear edges there (strength {strength:.2f})")
    traced = volume_outline(placed_volume(volume, frame_of(place)))
    joint, sides = (_median(curve_distances(film, traced, names)) for names in (JOINT_LINE, SIDES))
    if joint is None or joint > FARTHEST_JOINT_MM:
        raise _failure("no joint line lies there" if joint is None else f"the joint lines stay {joint:.1f} mm apart")
    return ScanPlacement(place, strength, joint, sides)


def _median(distances: np.ndarray) -> float | None:
    return float(np.median(distances)) if len(distances) else None


def _strongest_place(film: KneeOutline, edges: EdgeMaps) -> tuple[Similarity, float]:
    """The place at which the radiograph's outline lies on the strongest edges of the scan, and their strength."""
    from scipy.optimize import minimize

    coarse, fine = (_Fit(film, edges, blur) for blur in _BLUR_MM)
    grid = np.stack(np.meshgrid(*_STEPS, indexing="ij"), axis=-1).reshape(-1, 4)
    best = grid[np.argsort(-coarse.strength(grid))[:_REFINED]]
    found = []
    for start in best:
        for fit in (coarse, fine):
            start = minimize(lambda place, fit=fit: -fit.strength(place[None])[0], start, method="Nelder-Mead",
                             options={"initial_simplex": start + np.vstack((np.zeros(4), np.diag(_SPREAD / 6))),
                                      "xatol": 1e-3, "fatol": 1e-4, "maxiter": 200}).x  # fmt: skip
        found.append((float(fine.strength(start[None])[0]), start))
    strength, (x, z, turn, log_scale) = max(found, key=lambda one: one[0])
    return Similarity((float(x), float(z)), float(turn), float(np.exp(log_scale))), strength


class _Fit:
    """Mean edge strength under the radiograph's outline at places [N, 4]: shift x, z, turn, logarithm of scale."""

    def __init__(self, film: KneeOutline, edges: EdgeMaps, blur_mm: float) -> None:
        from scipy.ndimage import gaussian_filter

        def blurred(image: np.ndarray) -> np.ndarray:
            soft = gaussian_filter(image.astype(np.float32), blur_mm / _WIDER / GRID_MM)
            soft -= float(soft.mean())  # grain, which is everywhere, is no edge
            return soft / max(float(soft.max()), 1e-6)

        maps = {name: blurred(getattr(edges, name)) for name in ("femur", "tibia", "lateral", "medial")}
        self._curves = [(points, maps[_edge_of(name)]) for name, points in film.curves.items()]

    def strength(self, places: np.ndarray) -> np.ndarray:
        """[N]: the mean over the curves, less the deviation from the usual place."""
        scale = np.exp(places[:, 3])
        cosine, sine = scale * np.cos(places[:, 2]), scale * np.sin(places[:, 2])
        total = np.zeros(len(places))
        for points, image in self._curves:
            x, z = points[:, 0], points[:, 1]
            across = cosine[:, None] * x - sine[:, None] * z + places[:, :1]
            down = sine[:, None] * x + cosine[:, None] * z + places[:, 1:2]
            total += _sampled(image, down, across).mean(axis=1)
        deviation = ((places - _USUAL) / _SPREAD) ** 2
        return total / len(self._curves) - _PRIOR * deviation.sum(axis=1)


def _sampled(image: np.ndarray, down_mm: np.ndarray, across_mm: np.ndarray) -> np.ndarray:
    """The map at places of the scan in mm; 0 beyond it."""
    from scipy.ndimage import map_coordinates

    rows, columns = ((mm / _WIDER / GRID_MM + (COUNT - 1) / 2).astype(np.float32) for mm in (down_mm, across_mm))
    return map_coordinates(image, [rows, columns], order=1, mode="constant")


def _edge_of(curve: str) -> str:
    """The map of edges that a curve of the outline lies on."""
    bone, side, part = curve.split()
    return bone if part == "joint" else side


def _failure(clause: str) -> InputError:
    return InputError(
        f"The bones of scan and radiograph cannot be laid over each other: {clause}.",
        code="not-registered",
        hint="Look at both, or prepare in the frame of the scan.",
    )
