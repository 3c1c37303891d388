"""Which tissue each voxel of the multi-echo knee is, from its maps and its joint parts."""

from __future__ import annotations

import numpy as np

from .multi_echo_joint import JointParts
from .multi_echo_maps import MultiEchoMaps
from .signed_distance import signed_distance
from .tissue_codes import CODE

SKIN_MM = 1.6
_BODY = 12.0  # water and fat together, on the maps' scale; noise stays below half of it
_WATER, _FAT = 48.0, 62.0  # more than this of either makes muscle or fat
_FLUID = 50.0
_FASCIA_MM = 7.0  # gaps between muscles up to twice this lie inside the fascia


def classified(maps: MultiEchoMaps, parts: JointParts) -> np.ndarray:
    """Codes [Y, Z, X] uint8 of the maps' grid; 0 is air."""
    from scipy import ndimage

    water = ndimage.gaussian_filter(maps.water, (0.7, 0.7, 0.5))
    fat = ndimage.gaussian_filter(maps.fat, (0.7, 0.7, 0.5))
    body = body_mask(water + fat)
    code = np.where(body, CODE["tendon"], 0).astype(np.uint8)  # what shows neither water nor fat
    code[body & (fat > 30)] = CODE["connective"]
    code[body & (fat > _FAT)] = CODE["fat"]
    flesh = body & (water > _WATER) & (fat < _FAT)
    code[flesh] = CODE["muscle"]
    thin = flesh & ~ndimage.binary_opening(flesh, np.ones((3, 3, 1)), iterations=2)
    code[thin] = CODE["synovium"]
    code[body & (maps.fluid > _FLUID)] = CODE["fluid"]
    # the notch and the rims of the joint hold ligaments where they are grey
    bones = np.min(list(parts.bones_mm.values()), axis=0)
    near = np.minimum(np.abs(parts.bones_mm["femur"]), np.abs(parts.bones_mm["tibia"])) < 9
    code[near & (code == CODE["tendon"]) & (water > 12)] = CODE["ligament"]
    outer = outside_fascia(code, bones, maps.spacing_mm)
    depth = np.stack(
        [-signed_distance(body[:, row], (maps.spacing_mm[0], maps.spacing_mm[2])) for row in range(body.shape[1])],
        axis=1,
    )
    code[outer & body & np.isin(code, [CODE["fat"], CODE["connective"], CODE["tendon"], CODE["synovium"]])] = CODE[
        "subcutaneous"
    ]
    code[body & (depth < SKIN_MM) & outer] = CODE["skin"]
    gap = np.isin(code, [CODE[n] for n in ("muscle", "synovium", "tendon", "connective", "ligament", "fluid", "fat")])
    for part, distance in parts.soft_mm.items():
        kind = CODE["meniscus"] if "meniscus" in part else CODE["cartilage"]
        code[(distance < 0) & gap] = kind
    for bone, distance in parts.bones_mm.items():
        code[(distance < 0) & body] = CODE[bone]
    return code


def body_mask(signal: np.ndarray) -> np.ndarray:
    """The leg [Y, Z, X]: largest part of each sagittal section above the noise, closed and filled."""
    from scipy import ndimage

    mask = np.zeros(signal.shape, bool)
    for section in range(signal.shape[2]):
        plane = np.pad(signal[:, :, section] > _BODY, ((12, 12), (12, 12)), mode="edge")
        plane = ndimage.binary_closing(plane, iterations=8)[12:-12, 12:-12]
        # along the leg nothing is open: holes that touch the picture's ends count as holes
        filled = ndimage.binary_fill_holes(np.pad(plane, ((0, 0), (1, 1)), constant_values=True))[:, 1:-1]
        labels, count = ndimage.label(ndimage.binary_opening(filled, iterations=3))
        if count:
            sizes = np.bincount(labels.ravel())
            sizes[0] = 0
            mask[:, :, section] = labels == sizes.argmax()
    return ndimage.gaussian_filter(mask.astype(np.float32), (1.0, 1.0, 1.0)) > 0.5


def outside_fascia(code: np.ndarray, bones_mm: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """What lies outside muscles and bones closed over ``_FASCIA_MM``, per axial section, bool [Y, Z, X]."""
    from scipy import ndimage

    core = (code == CODE["muscle"]) | (bones_mm < 2.0)
    core = ndimage.binary_opening(core, iterations=2)
    result = np.empty(code.shape, bool)
    plane_mm = (spacing_mm[0], spacing_mm[2])
    for row in range(code.shape[1]):
        section = np.pad(core[:, row], 20, mode="edge")
        if not section.any():
            result[:, row] = True
            continue
        wide = ndimage.distance_transform_edt(~section, plane_mm) < _FASCIA_MM
        wide = ndimage.binary_fill_holes(wide)
        closed = ndimage.distance_transform_edt(wide, plane_mm) > _FASCIA_MM - 1.0
        result[:, row] = ~closed[20:-20, 20:-20]
    return result
