"""Bringing a real MRI onto the grid of a pseudo-MRI: rigid or similarity registration, or as it lies.

The pose of a pseudo-MRI is nominal, so that no real MRI lies where it does. Registration maximises Mattes' mutual
information, which does not ask for equal contrast, on copies of 2.5 mm voxels. It is deterministic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError, ProcessingError

if TYPE_CHECKING:
    import SimpleITK

ALIGNMENTS = ("rigid", "similarity", "none")
_WORKING_MM = (2.5, 2.5, 3.0)
_ITERATIONS = 60
_FARTHEST_TURN_DEG = 45.0
_SCALE_RANGE = (0.75, 1.33)


@dataclass(frozen=True)
class Alignment:
    """A reference on the pseudo-MRI's grid.

    Attributes
    ----------
    volume
        [S, H, W] float32 in the units of the reference, file order.
    covered
        Same shape, True where the reference has voxels.
    matrix
        [4, 4] in LPS mm: maps points of the reference to points of the pseudo-MRI.
    """

    volume: np.ndarray
    covered: np.ndarray
    matrix: np.ndarray


def align(
    fixed: SimpleITK.Image, moving: SimpleITK.Image, method: str = "rigid", initial: Sequence[float] | None = None
) -> Alignment:
    """The moving image (reference) on the grid of the fixed one (pseudo-MRI).

    ``initial`` is an optional 4 x 4 matrix row by row, LPS mm, from points of the reference to those of the pseudo-MRI:
    where the user put it. With ``method`` "none" it is the whole alignment; otherwise registration starts from it, and
    without it from the overlap of both volumes' centres.

    Raises InputError for an unknown method, a matrix that is none, or volumes that do not overlap.
    """
    import SimpleITK as sitk

    if method not in ALIGNMENTS:
        raise InputError(f"There is no alignment {method!r}.", code="bad-option",
                         hint="Choose rigid, similarity or none.", field="align")  # fmt: skip
    start = _checked(initial)
    fixed, moving = sitk.Cast(fixed, sitk.sitkFloat32), sitk.Cast(moving, sitk.sitkFloat32)
    to_moving = np.linalg.inv(start) if start is not None else np.eye(4)
    if method != "none":
        threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
        # sums over several threads differ in their last digits from run to run
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
        try:
            to_moving = _registered(fixed, moving, method, to_moving if start is not None else None)
        finally:
            sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    return _resampled(fixed, moving, to_moving)


def _checked(initial: Sequence[float] | None) -> np.ndarray | None:
    if initial is None:
        return None
    values = np.asarray(initial, np.float64).ravel()
    matrix = values.reshape(4, 4) if values.size == 16 else None
    if (
        matrix is None
        or not np.isfinite(matrix).all()
        or not np.allclose(matrix[3], (0, 0, 0, 1))
        or abs(np.linalg.det(matrix)) < 1e-6
    ):
        raise InputError("The initial transform is not a 4 x 4 matrix of points in mm.", code="bad-transform",
                         hint="Give 16 numbers row by row, the last four 0 0 0 1.", field="initial")  # fmt: skip
    return matrix


def _registered(fixed: SimpleITK.Image, moving: SimpleITK.Image, method: str, start: np.ndarray | None) -> np.ndarray:
    """[4, 4] from points of the fixed to points of the moving image."""
    import SimpleITK as sitk

    fixed, moving = _coarse(fixed), _coarse(moving)
    kind = sitk.Euler3DTransform if method == "rigid" else sitk.Similarity3DTransform
    before = sitk.Transform(3, sitk.sitkIdentity)
    if start is not None:
        before = sitk.AffineTransform(start[:3, :3].ravel().tolist(), start[:3, 3].tolist())
    centre = _centre(fixed)
    candidates = []
    for offset in _offsets(fixed, moving, start is None):
        candidate = kind()
        candidate.SetCenter(centre)
        candidate.SetTranslation(offset)
        candidates.append(candidate)
    registration = sitk.ImageRegistrationMethod()
    registration.SetMetricAsMattesMutualInformation(32)
    registration.SetMetricSamplingStrategy(registration.REGULAR)
    registration.SetMetricSamplingPercentage(0.4, 1)
    registration.SetInterpolator(sitk.sitkLinear)
    registration.SetOptimizerAsRegularStepGradientDescent(2.0, 0.01, _ITERATIONS, 0.5)
    registration.SetOptimizerScalesFromPhysicalShift()
    registration.SetMovingInitialTransform(before)
    values = []
    for candidate in candidates:
        registration.SetInitialTransform(candidate, inPlace=False)
        try:
            values.append(registration.MetricEvaluate(fixed, moving))
        except RuntimeError:  # no overlap from this start
            values.append(np.inf)
    if not np.isfinite(values).any():
        raise _no_overlap()
    best = candidates[int(np.argmin(values))]
    registration.SetInitialTransform(best, inPlace=True)
    try:
        registration.Execute(fixed, moving)
    except RuntimeError:
        raise ProcessingError("The reference could not be registered to the pseudo-MRI.", code="alignment-failed",
                              hint="Give an initial transform, or choose the alignment none.",
                              field="align") from None  # fmt: skip
    found = _matrix(best)
    _check_plausible(found)
    return (start if start is not None else np.eye(4)) @ found


def _coarse(image: SimpleITK.Image) -> SimpleITK.Image:
    """The image smoothed and resampled to voxels of about 2.5 mm, where it has finer ones."""
    import SimpleITK as sitk

    spacing = [max(given, wanted) for given, wanted in zip(image.GetSpacing(), _WORKING_MM, strict=True)]
    size = [
        max(round(n * given / new), 3)
        for n, given, new in zip(image.GetSize(), image.GetSpacing(), spacing, strict=True)
    ]
    smooth = _smoothed(image, spacing)
    shift = [(new - given) / 2 for given, new in zip(image.GetSpacing(), spacing, strict=True)]
    direction = np.reshape(image.GetDirection(), (3, 3))
    origin = np.asarray(image.GetOrigin()) + direction @ shift
    return sitk.Resample(smooth, size, sitk.Transform(), sitk.sitkLinear, origin.tolist(), spacing,
                         image.GetDirection(), 0.0, sitk.sitkFloat32)  # fmt: skip


def _smoothed(image: SimpleITK.Image, spacing: Sequence[float]) -> SimpleITK.Image:
    """Gaussian smoothing along those axes of the image whose voxels are much finer than ``spacing``."""
    import SimpleITK as sitk

    for axis, (given, wanted) in enumerate(zip(image.GetSpacing(), spacing, strict=True)):
        if wanted > 1.4 * given and image.GetSize()[axis] >= 4:
            image = sitk.RecursiveGaussian(image, sigma=wanted / 2.4, direction=axis)
    return image


def _centre(image: SimpleITK.Image) -> tuple[float, ...]:
    return image.TransformContinuousIndexToPhysicalPoint([(count - 1) / 2 for count in image.GetSize()])


def _centre_of_mass(image: SimpleITK.Image) -> np.ndarray:
    import SimpleITK as sitk

    values = sitk.GetArrayViewFromImage(image)
    bright = np.argwhere(values > 0.25 * np.percentile(values, 99))
    middle = bright.mean(axis=0) if len(bright) else np.array(values.shape) / 2
    return np.asarray(image.TransformContinuousIndexToPhysicalPoint(middle[::-1].tolist()))


def _offsets(fixed: SimpleITK.Image, moving: SimpleITK.Image, free: bool) -> list[list[float]]:
    """Translations to start from: as it lies, centres of the fields or of the bright tissue, and along the leg."""
    offsets = [np.zeros(3)]
    if free:
        fields = np.subtract(_centre(moving), _centre(fixed))
        tissue = _centre_of_mass(moving) - _centre_of_mass(fixed)
        for offset in (fields, tissue):
            offsets += [offset + np.array((0.0, 0.0, along)) for along in (-20.0, 0.0, 20.0)]
    return [offset.tolist() for offset in offsets]


def _matrix(transform: SimpleITK.Transform) -> np.ndarray:
    """[4, 4] of a transform with a centre."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(transform.GetMatrix(), (3, 3))
    centre = np.asarray(transform.GetCenter())
    matrix[:3, 3] = np.asarray(transform.GetTranslation()) + centre - matrix[:3, :3] @ centre
    return matrix


def _check_plausible(found: np.ndarray) -> None:
    scale = np.cbrt(np.linalg.det(found[:3, :3]))
    turn = np.degrees(np.arccos(np.clip((np.trace(found[:3, :3] / scale) - 1) / 2, -1, 1)))
    if turn > _FARTHEST_TURN_DEG or not _SCALE_RANGE[0] < scale < _SCALE_RANGE[1]:
        raise ProcessingError(
            f"Registration failed: implausible rotation ({turn:.0f} degrees) or scale ({scale:.2f}).",
            code="alignment-failed",
            hint="Give an initial transform, or choose the alignment none.",
            field="align",
        )


def _resampled(fixed: SimpleITK.Image, moving: SimpleITK.Image, to_moving: np.ndarray) -> Alignment:
    import SimpleITK as sitk

    transform = sitk.AffineTransform(to_moving[:3, :3].ravel().tolist(), to_moving[:3, 3].tolist())
    # smooth along each axis of the moving image by the fixed spacing that it will be read with
    axes = np.abs(
        np.reshape(moving.GetDirection(), (3, 3)).T @ to_moving[:3, :3] @ np.reshape(fixed.GetDirection(), (3, 3))
    )
    wanted = [float(fixed.GetSpacing()[int(np.argmax(row))]) for row in axes]
    volume = sitk.GetArrayFromImage(sitk.Resample(_smoothed(moving, wanted), fixed, transform, sitk.sitkLinear, 0.0))
    ones = sitk.Image(moving.GetSize(), sitk.sitkUInt8) + 1
    ones.CopyInformation(moving)
    covered = sitk.GetArrayFromImage(sitk.Resample(ones, fixed, transform, sitk.sitkNearestNeighbor, 0)) > 0
    if covered.mean() < 0.02:
        raise _no_overlap()
    return Alignment(volume, covered, np.linalg.inv(to_moving))


def _no_overlap() -> InputError:
    return InputError("The reference and the pseudo-MRI do not overlap.", code="not-comparable",
                      hint="Choose the alignment rigid, or give an initial transform.", field="align")  # fmt: skip
