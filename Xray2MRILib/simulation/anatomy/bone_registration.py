"""One bone of a label map laid over the same bone of another knee: affine, then demons on signed distances.

Each bone is registered by itself, because two knees lie in two poses. What is attached to a bone (cartilage, menisci)
goes with that bone's transform.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

STEP_MM = 1.25
_CLIP_MM = 12.0


@dataclass(frozen=True)
class Grid:
    """A regular grid in mm: ``low_mm`` (y, z, x) of voxel (0, 0, 0), ``shape`` (Y, Z, X), one ``step_mm``."""

    low_mm: tuple[float, ...]
    shape: tuple[int, ...]
    step_mm: float = STEP_MM

    def axes(self) -> tuple[np.ndarray, ...]:
        """Places of the voxel centres along y, z and x in mm."""
        return tuple(lo + self.step_mm * np.arange(n) for lo, n in zip(self.low_mm, self.shape, strict=True))


def image_of(values: np.ndarray, grid: Grid) -> object:
    """SimpleITK image of ``values`` [Y, Z, X] at its place in mm."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(np.ascontiguousarray(values, dtype=np.float32))
    image.SetSpacing([grid.step_mm] * 3)
    image.SetOrigin([float(v) for v in grid.low_mm[::-1]])
    return image


def register_bone(
    fixed: np.ndarray,
    moving: np.ndarray,
    fixed_grid: Grid,
    moving_grid: Grid,
    rows_mm: tuple[float, float],
    *,
    demons_rounds: int = 80,
) -> object:
    """Transform from points of the fixed knee to points of the moving one.

    ``fixed`` and ``moving`` are signed distances [Y, Z, X] of one bone in mm. Only rows between ``rows_mm`` (z of the
    fixed grid) count: beyond them one of the two is cut off.
    """
    import SimpleITK as sitk

    target = image_of(np.clip(fixed, -_CLIP_MM, _CLIP_MM), fixed_grid)
    source = image_of(np.clip(moving, -_CLIP_MM, _CLIP_MM), moving_grid)
    z = fixed_grid.axes()[1]
    counted = (np.abs(fixed) < _CLIP_MM * 0.9) & ((z > rows_mm[0]) & (z < rows_mm[1]))[None, :, None]
    mask = sitk.Cast(image_of(counted, fixed_grid), sitk.sitkUInt8)
    centres = []
    for distance, grid in ((fixed, fixed_grid), (moving, moving_grid)):
        places = [a[i] for a, i in zip(grid.axes(), np.nonzero(_near_joint(distance, grid, rows_mm)), strict=True)]
        centres.append([float(p.mean()) for p in places][::-1])
    affine = sitk.AffineTransform(3)
    affine.SetCenter(centres[0])
    affine.SetTranslation([b - a for a, b in zip(*centres, strict=True)])
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMeanSquares()
    method.SetMetricFixedMask(mask)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-3, 150)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(affine, inPlace=True)
    method.SetNumberOfThreads(1)
    method.Execute(target, source)
    if not demons_rounds:
        return affine
    laid = sitk.Resample(source, target, affine, sitk.sitkLinear, _CLIP_MM)
    # outside the counted region nothing pulls
    laid = sitk.Mask(laid, mask) + sitk.Mask(target, mask, 0, 1)
    demons = sitk.DiffeomorphicDemonsRegistrationFilter()
    demons.SetNumberOfIterations(demons_rounds)
    demons.SetStandardDeviations(3.0)
    demons.SetNumberOfThreads(1)
    field = sitk.DisplacementFieldTransform(sitk.Cast(demons.Execute(target, laid), sitk.sitkVectorFloat64))
    return sitk.CompositeTransform([affine, field])


def _near_joint(distance: np.ndarray, grid: Grid, rows_mm: tuple[float, float]) -> np.ndarray:
    z = grid.axes()[1]
    return (distance < 0) & ((z > rows_mm[0]) & (z < rows_mm[1]))[None, :, None]


def carried(values: np.ndarray, values_grid: Grid, target: Grid, transform: object, beyond: float) -> np.ndarray:
    """``values`` of the moving knee on the ``target`` grid of the fixed one, float32 [Y, Z, X]; ``beyond`` outside."""
    import SimpleITK as sitk

    image = image_of(values, values_grid)
    reference = image_of(np.zeros(target.shape, np.float32), target)
    return sitk.GetArrayFromImage(sitk.Resample(image, reference, transform, sitk.sitkLinear, beyond))


def mended(draft: np.ndarray, prior: np.ndarray, known: np.ndarray, tolerance_mm: float = 2.5) -> np.ndarray:
    """Signed distance of a bone whose ``draft`` leaks: held to within ``tolerance_mm`` of the registered ``prior``.

    ``known`` is where the prior says anything; elsewhere the draft stays.
    """
    held = np.clip(draft, prior - tolerance_mm, prior + tolerance_mm)
    return np.where(known, held, draft).astype(np.float32)
