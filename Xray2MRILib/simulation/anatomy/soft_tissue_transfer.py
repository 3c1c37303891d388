"""Transfer of muscles, fat, ligaments, vessels and missing bones from an atlas to a label map without them.

Label maps for cartilage research (DESS, OAI-ZIB, SKM-TEA) contain only bones and cartilage. An affine registration of
femur and tibia aligns the atlas with the map; the map's own labels take precedence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .tissue_classes import BONES, EXTENT_MM, SPACING_MM, TISSUE_ID

if TYPE_CHECKING:
    import SimpleITK

_STRIDE = 4  # registration at 2.5 mm
_CLIP_MM = 20.0
_BLEND_MM = 25.0  # over which the shafts change from the map's to the atlas's beyond the map's ends
_CLEARANCE_MM = 8.0  # atlas cartilage this close to the atlas's patella belongs to the patella


def carry_soft_tissue(tissue: np.ndarray, atlas: np.ndarray, ends_mm: tuple[float, float]) -> np.ndarray:
    """``tissue`` [Y, Z, X] completed from ``atlas`` [Y, Z, X], both on the template's grid about the joint centre.

    ``ends_mm`` is where the map itself ends along the leg (z, above and below the joint); the shafts go over into those
    of the atlas there. Kept from the atlas: everything that is neither femur nor tibia nor their cartilage, and of the
    other bones and the menisci only what the map lacks. Atlas bone that the map does not fill becomes fatty connective
    tissue.
    """
    laid = _resampled(atlas, _bone_registration(tissue, atlas))
    tissue = _with_atlas_shafts(tissue, laid, ends_mm)
    dropped = [TISSUE_ID[b] for b in BONES if b in ("femur", "tibia") or (tissue == TISSUE_ID[b]).any()]
    if (tissue == TISSUE_ID["meniscus"]).any():
        dropped.append(TISSUE_ID["meniscus"])
    cartilage = laid == TISSUE_ID["cartilage"]
    if TISSUE_ID["patella"] not in dropped:
        cartilage &= ~_near(laid == TISSUE_ID["patella"], _CLEARANCE_MM)
    laid[cartilage | np.isin(laid, dropped)] = TISSUE_ID["connective"]
    return np.where(tissue > 0, tissue, laid).astype(np.uint8)


def _with_atlas_shafts(tissue: np.ndarray, laid: np.ndarray, ends_mm: tuple[float, float]) -> np.ndarray:
    """Beyond the map's ends, the repeated section of each bone morphs into the atlas's (signed distances, linear)."""
    from scipy import ndimage

    result = tissue.copy()
    z = np.arange(tissue.shape[1]) * SPACING_MM + EXTENT_MM["z"][0]
    for names, rows, beyond in (
        (("femur",), z < ends_mm[0], ends_mm[0] - z),
        (("tibia", "fibula"), z > ends_mm[1], z - ends_mm[1]),
    ):
        if not rows.any():
            continue
        part = result[:, rows]
        part[:] = 0
        share = np.clip(beyond[rows] / _BLEND_MM, 0, 1)[None, :, None]
        for name in names:
            signed = []
            for source in (tissue, laid):
                mask = source[:, rows] == TISSUE_ID[name]
                signed.append(
                    ndimage.distance_transform_edt(~mask, SPACING_MM) - ndimage.distance_transform_edt(mask, SPACING_MM)
                    if mask.any() else None
                )  # fmt: skip
            if signed[0] is not None and signed[1] is not None:
                part[(1 - share) * signed[0] + share * signed[1] < 0] = TISSUE_ID[name]
        result[:, rows] = part
    return result


def bone_overlap(tissue: np.ndarray, atlas: np.ndarray) -> float:
    """Dice of femur and tibia after the registration, 0..1: how well the atlas fits the map."""
    laid = _resampled(atlas, _bone_registration(tissue, atlas))
    both = [np.isin(t, (TISSUE_ID["femur"], TISSUE_ID["tibia"])) for t in (tissue, laid)]
    return float(2 * (both[0] & both[1]).sum() / max(both[0].sum() + both[1].sum(), 1))


def _near(mask: np.ndarray, distance_mm: float) -> np.ndarray:
    from scipy import ndimage

    return ndimage.distance_transform_edt(~mask, SPACING_MM) <= distance_mm


def _bone_registration(tissue: np.ndarray, atlas: np.ndarray) -> SimpleITK.Transform:
    """Affine SimpleITK transform from points of the map to points of the atlas (x, z, y in mm)."""
    import SimpleITK as sitk

    fixed, moving = _distance_image(tissue), _distance_image(atlas)
    transform = sitk.AffineTransform(3)
    transform.SetCenter([n * s / 2 for n, s in zip(fixed.GetSize(), fixed.GetSpacing(), strict=True)])
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMeanSquares()
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-3, 120)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(transform, inPlace=True)
    method.SetMetricFixedMask(fixed < _CLIP_MM / 2)
    method.SetNumberOfThreads(1)  # sums over threads are not reproducible to the last bit
    method.Execute(fixed, moving)
    return transform


def _distance_image(tissue: np.ndarray) -> SimpleITK.Image:
    """Signed distance to femur and tibia, mm, clipped, on a coarse grid."""
    import SimpleITK as sitk
    from scipy import ndimage

    coarse = tissue[::_STRIDE, ::_STRIDE, ::_STRIDE]
    bone = np.isin(coarse, (TISSUE_ID["femur"], TISSUE_ID["tibia"]))
    step = _STRIDE * SPACING_MM
    distance = ndimage.distance_transform_edt(~bone, step) - ndimage.distance_transform_edt(bone, step)
    image = sitk.GetImageFromArray(np.clip(distance, -_CLIP_MM, _CLIP_MM).astype(np.float32))
    image.SetSpacing([step] * 3)
    return image


def _resampled(atlas: np.ndarray, transform: object) -> np.ndarray:
    import SimpleITK as sitk

    # Beyond the atlas's ends along the leg its last section is repeated.
    margin = 40
    image = sitk.GetImageFromArray(np.pad(atlas, ((0, 0), (margin, margin), (0, 0)), mode="edge"))
    image.SetSpacing([SPACING_MM] * 3)
    image.SetOrigin([0.0, -margin * SPACING_MM, 0.0])
    grid = sitk.GetImageFromArray(atlas)
    grid.SetSpacing([SPACING_MM] * 3)
    return sitk.GetArrayFromImage(sitk.Resample(image, grid, transform, sitk.sitkNearestNeighbor, 0))
