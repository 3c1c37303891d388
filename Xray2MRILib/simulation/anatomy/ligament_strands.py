"""Cruciate and collateral ligaments drawn from the strands of a published model, laid between the template's bones.

Thick sagittal slices lose sheets that lie sagittally, so a scan of that kind shows the medial collateral ligament as a
blur. Strands: Lenhart et al. 2015, a healthy woman's knee; they are scaled by the tibial cartilages, their ends go to
the nearest bone, and between the ends they wrap around what lies in their way.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...files.resources import resource_path
from .anatomical_structures import STRUCTURE
from .drawn_shapes import Canvas, Material, along, pushed_out, sheet, smoothed, tube
from .tissue_classes import EXTENT_MM, SPACING_MM
from .tissue_codes import BONE_CODES, CODE

_LOW = np.array([lo for lo, _ in EXTENT_MM.values()])
ANTERIOR_CRUCIATE = Material("ligament", 144.0, 6.0, 16.0)
POSTERIOR_CRUCIATE = Material("ligament", 144.0, 4.0, 11.0)
COLLATERAL = Material("ligament", 140.0, 6.0, 7.0)
CAPSULE = Material("ligament", 120.0, 20.0, 12.0)
_LOWEST_MM = 56.0  # below the joint ends the superficial medial collateral ligament
_SIDEWAYS = (1.0, 1.0, 0.35)
_STRAND_MM = {"anterior cruciate ligament": 1.5, "posterior cruciate ligament": 2.1}  # radius of one strand
_MEDIAL_MM, _DEEP_MM, _LATERAL_MM, _CAPSULE_MM = 2.4, 1.6, 1.9, 0.9  # thickness; of the lateral one the radius


@lru_cache(maxsize=1)
def load_strands() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Corners [2, 3] of the tibial cartilages and {ligament: [N, 2, 3] ends at femur and tibia}, mm (y, z, x)."""
    found = json.loads(resource_path("anatomy/lenhart2015_ligaments/strands.json").read_text(encoding="utf-8"))
    return np.array(found["tibial_cartilage_mm"]), {k: np.array(v) for k, v in found["strands"].items()}


def placed_strands(cartilage_mm: np.ndarray, axis_mm: tuple[float, float] | None = None) -> dict[str, np.ndarray]:
    """Strands in the template's axes, scaled and moved so that the tibial cartilages' boxes [2, 3] agree in width.

    The model's femoral frame lies on the axis of flexion; with ``axis_mm`` (y, z) the femoral ends follow that axis.
    """
    own, strands = load_strands()
    scale = float(cartilage_mm[1, 2] - cartilage_mm[0, 2]) / float(own[1, 2] - own[0, 2])
    middle = own.mean(axis=0)
    placed = {name: (ends - middle) * scale + cartilage_mm.mean(axis=0) for name, ends in strands.items()}
    if axis_mm is not None:
        shift = np.array(axis_mm) - (cartilage_mm.mean(axis=0) - middle * scale)[:2]
        for ends in placed.values():
            ends[:, 0, :2] += shift
    return placed


@dataclass
class BoneSurface:
    """Where strands may end and what they wrap around.

    Attributes
    ----------
    points_mm
        {bone: surface voxels [N, 3]}.
    outside_mm
        float32 [Y, Z, X], distance outside bone, cartilage and meniscus; negative inside.
    """

    points_mm: dict[str, np.ndarray]
    outside_mm: np.ndarray

    @classmethod
    def of(cls, code: np.ndarray) -> BoneSurface:
        """The surfaces of the bones in ``code`` [Y, Z, X]."""
        from scipy import ndimage

        points = {}
        for bone in ("femur", "tibia", "fibula", "patella"):
            mask = code == CODE[bone]
            index = np.argwhere(mask & ~ndimage.binary_erosion(mask))
            points[bone] = index * SPACING_MM + _LOW
        solid = np.isin(code, [*BONE_CODES, CODE["cartilage"], CODE["meniscus"]])
        distance = ndimage.distance_transform_edt(~solid, SPACING_MM) - ndimage.distance_transform_edt(
            solid, SPACING_MM
        )
        return cls(points, ndimage.gaussian_filter(distance.astype(np.float32), 1.0))

    def nearest(self, point: np.ndarray, bone: str, *, weights: tuple[float, float, float] = (1, 1, 1)) -> np.ndarray:
        """The surface point of ``bone`` nearest to ``point``; ``weights`` of the differences along y, z, x."""
        points = self.points_mm[bone]
        return points[int(np.argmin((((points - point) * weights) ** 2).sum(axis=1)))]


def draw_ligaments(canvas: Canvas, surface: BoneSurface, strands: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Draw cruciate and collateral ligaments and the posterior capsule in place.

    Returns the ends [N, 2, 3] of their strands in mm as they were laid on the bones.
    """
    shape = canvas.code.shape
    soft = ~np.isin(canvas.code, [*BONE_CODES, CODE["cartilage"], CODE["meniscus"]])
    ends = {}
    for name, material in (
        ("posterior cruciate ligament", POSTERIOR_CRUCIATE),
        ("anterior cruciate ligament", ANTERIOR_CRUCIATE),
    ):
        ends[name] = _laid(strands[name], surface, "tibia", weights=(1.0, 2.5, 1.0))
        for first, last in ends[name]:
            line = along(np.array([first, last]))
            canvas.paint(tube(line, _STRAND_MM[name], shape), material, STRUCTURE[name], over=soft)
    loose = soft & ~np.isin(canvas.code, [CODE[n] for n in ("artery", "vein", "nerve", "muscle")])
    capsule = _laid(strands["posterior capsule"], surface, "tibia")
    for side in (capsule[capsule[:, 0, 2] < 0], capsule[capsule[:, 0, 2] > 0]):
        lines = [_wrapped(pair, surface, 1.0) for pair in side[np.argsort(side[:, 0, 2])]]
        canvas.paint(sheet(lines, _CAPSULE_MM, shape), CAPSULE, over=loose)
    for name, thickness, away in (
        ("posterior oblique ligament", _DEEP_MM, 1.0),
        ("deep medial collateral ligament", _DEEP_MM, 0.9),
        ("medial collateral ligament", _MEDIAL_MM, 2.6),
    ):
        lowest = strands[name].copy()
        lowest[:, 1, 1] = np.minimum(lowest[:, 1, 1], _LOWEST_MM)
        laid = _laid(lowest, surface, "tibia", weights=_SIDEWAYS)
        ends[name] = laid
        lines = [_wrapped(pair, surface, away) for pair in laid[np.argsort(laid[:, 1, 0])]]
        number = STRUCTURE["medial collateral ligament"] if name.startswith("medial") else 0
        canvas.paint(sheet(lines, thickness, shape), COLLATERAL, number, over=soft)
    name = "lateral collateral ligament"
    ends[name] = _laid(strands[name], surface, "fibula", weights=_SIDEWAYS)
    middle = ends[name].mean(axis=0)
    middle = np.array([surface.nearest(p, b) for p, b in zip(middle, ("femur", "fibula"), strict=True)])
    canvas.paint(tube(_wrapped(middle, surface, 2.2), _LATERAL_MM, shape), COLLATERAL, STRUCTURE[name], over=soft)
    return ends


def _laid(
    ends: np.ndarray, surface: BoneSurface, lower: str, *, weights: tuple[float, float, float] = (1.0, 1.0, 1.0)
) -> np.ndarray:
    """Ends [N, 2, 3] moved onto the femur and the ``lower`` bone; a large weight keeps what it belongs to (y, z, x)."""
    return np.array(
        [
            (surface.nearest(first, "femur", weights=weights), surface.nearest(last, lower, weights=weights))
            for first, last in ends
        ]
    )


def _wrapped(ends: np.ndarray, surface: BoneSurface, away_mm: float) -> np.ndarray:
    """A strand [M, 3] between two points of bone that keeps ``away_mm`` from what it passes, less at its ends."""
    line = along(np.asarray(ends))
    line = smoothed(pushed_out(line, surface.outside_mm, away_mm), 4.0)
    line = pushed_out(line, surface.outside_mm, 0.7 * away_mm)
    # the ends reach the bone
    fade = np.clip(np.minimum(np.arange(len(line)), np.arange(len(line))[::-1]) * 0.4 / 5.0, 0, 1)[:, None]
    return fade * line + (1 - fade) * along(np.asarray(ends))[: len(line)]
