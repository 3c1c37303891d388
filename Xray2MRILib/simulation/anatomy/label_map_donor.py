"""A label map that names muscles, as a knee that lends its soft tissue: class densities in place of measured ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .image_template import ImageTemplate
from .label_map import LabelMap, read_label_map
from .lent_soft_tissue import Donor
from .outline import OWN, own_codes, shaft_ends
from .painted_densities import paint_densities
from .placed_labels import PlacedLabels, placed
from .signed_distance import signed_distance
from .soft_tissue_ends import blended, continue_with
from .template_building import _distance_coarse, _envelope
from .template_geometry import template_geometry
from .tissue_classes import EXTENT_MM, SPACING_MM
from .tissue_codes import BYTE_VALUES, CODE, CODES

# Stored proton densities of water and fat (200 is pure) and T2 in ms; muscle, fat and synovium as the multi-echo knee
# has them in the median, the others from the literature that ``property_tables`` names.
DENSITIES = {
    "connective": (30.0, 140.0, 33.0), "muscle": (158.0, 3.0, 33.0), "fat": (14.0, 172.0, 33.0),
    "tendon": (24.0, 8.0, 15.0), "nerve": (95.0, 52.0, 33.0), "artery": (180.0, 0.0, 120.0),
    "vein": (180.0, 0.0, 120.0), "fluid": (200.0, 0.0, 255.0), "ligament": (100.0, 14.0, 30.0),
    "synovium": (106.0, 23.0, 33.0),
}  # fmt: skip
SEPTUM = (84.0, 55.0, 33.0)  # where two muscles touch
_MUSCLE_SPREAD = 0.04  # between muscles, relative
_SYNOVIUM_MM = 1.4  # along cartilage
_SOFT_VOXELS = 0.6


def build_label_map_donor(folder: Path, around: ImageTemplate) -> Donor:
    """Soft tissue of the label map in ``folder``, whose outline with another knee's soft tissue is ``around``.

    Beyond the map's ends the leg is that of ``around``. Raises InputError as ``read_label_map`` does.
    """
    found = read_label_map(folder)
    laid = placed(found)
    ends = shaft_ends(own_codes(found, laid))
    rows = (round((ends[0] - EXTENT_MM["z"][0]) / SPACING_MM), round((ends[1] - EXTENT_MM["z"][0]) / SPACING_MM))
    own = np.where(np.isin(around.code, [CODE[kind] for kind in OWN]), around.code, 0).astype(np.uint8)
    code, outside = _whole_leg(_codes(found, laid), own, around, rows)
    _line_with_synovium(code)
    table = np.zeros((3, len(CODES)), np.float32)
    for kind, levels in DENSITIES.items():
        table[:, CODE[kind]] = levels
    maps = [values[code] for values in table]
    maps[0] *= np.where(code == CODE["muscle"], _levels(found, laid), 1)
    between = _septa(found, laid) & (code == CODE["muscle"])
    for values, septum in zip(maps, SEPTUM, strict=True):
        values[between] = septum
    stored = [
        np.clip(np.round(blended(own_values, other, rows)), 0, 255).astype(np.uint8)
        for own_values, other in zip(_softened(maps, code), (around.water, around.fat, around.t2_ms), strict=True)
    ]
    paint_densities(code, own, *stored)
    anatomy = template_geometry(around.name, code, outside, around.anatomy.compartment_mm, around.anatomy.slope_deg)
    return Donor(ImageTemplate(anatomy, code, *stored), bare_cortex=False)


def _whole_leg(
    code: np.ndarray, own: np.ndarray, around: ImageTemplate, rows: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Codes of the leg with its fat between the structures, and the distance outside its fascia."""
    other_outside = around.anatomy.outside_mm.astype(np.float32)
    inside = _envelope(code > 0)
    code = np.where(inside & (code == 0), CODE["fat"], code).astype(np.uint8)
    other = np.where(other_outside > 0, 0, around.code)
    bones = np.isin(code, [CODE[kind] for kind in OWN])
    # what lies in place of a bone is filled, else its shell would be neither bone nor leg where the two outlines differ
    code = continue_with(np.where(bones, CODE["fat"], code), np.where(own > 0, CODE["fat"], other), rows)
    body = (code > 0) | (own > 0)
    outside = blended(_distance_coarse(~body), other_outside, rows)
    outside = np.where(body, 0, np.maximum(outside, 0.01))
    code = np.where(own > 0, own, np.where(body & (code == 0), CODE["fat"], code)).astype(np.uint8)
    return code, outside


def _codes(found: LabelMap, laid: PlacedLabels) -> np.ndarray:
    table = np.zeros(BYTE_VALUES, np.uint8)
    for label, structure in found.structures.items():
        kind = found.tissues[label]
        if kind == "bone":
            kind = structure
        elif "cruciate" in structure or "collateral" in structure:
            kind = "ligament"
        table[label] = CODE[kind]
    return table[laid.labels]


def _septa(found: LabelMap, laid: PlacedLabels) -> np.ndarray:
    """Voxels of a muscle that touch another muscle."""
    of_muscle = np.zeros(BYTE_VALUES, np.uint8)
    for label, kind in found.tissues.items():
        if kind == "muscle":
            of_muscle[label] = label
    muscle = of_muscle[laid.labels]
    touching = np.zeros(muscle.shape, bool)
    for axis in range(3):
        one, other = np.moveaxis(muscle, axis, 0)[:-1], np.moveaxis(muscle, axis, 0)[1:]
        differ = (one > 0) & (other > 0) & (one != other)
        marked = np.moveaxis(touching, axis, 0)
        marked[:-1] |= differ
        marked[1:] |= differ
    return touching


def _levels(found: LabelMap, laid: PlacedLabels) -> np.ndarray:
    """Water of each muscle relative to the mean, float32 [Y, Z, X]."""
    rng = np.random.default_rng(len(found.tissues))
    return (1 + _MUSCLE_SPREAD * rng.standard_normal(BYTE_VALUES).clip(-2, 2)).astype(np.float32)[laid.labels]


def _line_with_synovium(code: np.ndarray) -> None:
    """Synovium in place of fat along the cartilage, in place."""
    box = tuple(slice(int(s.min()) - 6, int(s.max()) + 7) for s in np.nonzero(code == CODE["cartilage"]))
    part = code[box]
    near = signed_distance(part == CODE["cartilage"], SPACING_MM) < _SYNOVIUM_MM
    part[near & np.isin(part, [CODE["fat"], CODE["connective"]])] = CODE["synovium"]


def _softened(maps: list[np.ndarray], code: np.ndarray) -> list[np.ndarray]:
    """The maps as bytes, their edges inside the fascia as soft as a scan's."""
    from scipy import ndimage

    body = code > 0
    weight = np.maximum(ndimage.gaussian_filter(body.astype(np.float32), _SOFT_VOXELS), 0.2)
    soft = [ndimage.gaussian_filter(values, _SOFT_VOXELS) / weight for values in maps]
    return [np.where(body, np.clip(np.round(v), 0, 255), 0).astype(np.uint8) for v in soft]
