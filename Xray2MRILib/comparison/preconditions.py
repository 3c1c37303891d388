"""What a reader must know before trusting a comparison: contrast, coverage, slice direction, pitch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..volume.geometry import OAI_FIELD

if TYPE_CHECKING:
    import SimpleITK

    from .evaluation import Evaluation

_LEAST_CORRELATION = 0.25  # of grey values in the leg; own pairs of one contrast lie well above
_LEAST_COVERED = 0.1
_WELL_COVERED = 0.7
_SMOOTHING_PX = 3.0


def check_comparable(reference: np.ndarray, covered: np.ndarray) -> None:
    """Refuse a reference [S, H, W] on the pseudo-MRI's grid that leaves nothing to measure. Raises InputError."""
    share = float(covered.mean())
    if share < _LEAST_COVERED:
        raise InputError(
            f"The reference covers only {share:.0%} of the pseudo-MRI, too little for a comparison.",
            code="not-comparable",
            hint="Give a volume of the whole knee, or align it first.",
        )
    inside = reference[covered]
    low, high = np.percentile(inside, (1, 99))
    if not high > low:
        raise InputError(
            "The reference is empty inside the field of view of the pseudo-MRI.",
            code="not-comparable",
            hint="Choose the alignment rigid, or give an initial transform.",
            field="align",
        )


def warnings_about(
    evaluation: Evaluation, native: SimpleITK.Image, matrix: np.ndarray, pitch_mm: float, simulated: bool
) -> list[str]:
    """Sentences on what makes the figures less comparable; empty when nothing does.

    ``native`` is the reference as it was read, ``matrix`` its alignment and ``pitch_mm`` the distance between the
    pseudo-MRI's slices.
    """
    target, found = evaluation.target, []
    if simulated:
        found.append("The reference is a simulated knee, not a real MRI.")
    if _other_contrast(evaluation):
        found.append(
            "The contrast of the reference seems to differ from the OAI's water-excited T1 FLASH: PSNR, SSIM and "
            "difference maps mean little, edge distance and F1 less than usual."
        )
    share = 1.0 if target.covered is None else float(target.covered.mean())
    if share < _WELL_COVERED:
        found.append(f"The reference covers {share:.0%} of the pseudo-MRI's field of view; the rest is excluded.")
    found += _sampling(native, matrix, pitch_mm)
    if not target.region.valid.any():
        found.append(
            "No joint line was found in the reference: RSSIM is undefined, and edges are measured in a nominal box."
        )
    if len(evaluation.image) != OAI_FIELD.num_slices:
        found.append(
            f"The pseudo-MRI has {len(evaluation.image)} slices. The correlation of neighbouring slices depends on "
            f"their spacing ({pitch_mm:.2f} mm): compare it only with volumes of the same number of slices."
        )
    return found


def _other_contrast(evaluation: Evaluation) -> bool:
    """True when bone is bright in the reference, or its smoothed grey values do not go with the pseudo-MRI's at all."""
    from scipy.ndimage import gaussian_filter

    target = evaluation.target
    inside = np.logical_and(*evaluation.leg.values())
    if target.covered is not None:
        inside &= target.covered
    if inside.sum() < 1000:
        return True
    sigma = (1.0, _SMOOTHING_PX, _SMOOTHING_PX)
    volumes = (np.asarray(volume, np.float32) for volume in (target.volume, evaluation.image))
    pair = [gaussian_filter(volume, sigma)[inside].astype(np.float64) for volume in volumes]
    if min(values.std() for values in pair) < 1e-6:
        return True
    return target.region.bright_bone or float(np.corrcoef(*pair)[0, 1]) < _LEAST_CORRELATION


def _sampling(native: SimpleITK.Image, matrix: np.ndarray, pitch_mm: float) -> list[str]:
    """Remarks on slice direction and distance of the reference."""
    axes = matrix[:3, :3] @ np.reshape(native.GetDirection(), (3, 3)) * np.asarray(native.GetSpacing())
    lengths = np.linalg.norm(axes, axis=0)
    thick = int(np.argmax(lengths))
    across = int(np.argmax(np.abs(axes[:, thick])))
    remarks = []
    if across != 1 and lengths[thick] > 1.5 * np.median(lengths):
        name = ("sagittal", "coronal", "axial")[across]
        remarks.append(
            f"The reference has {name} slices {lengths[thick]:.1f} mm apart: its coronal images are interpolated and "
            "its outlines stepped."
        )
    coronal = float(np.max(np.abs(axes[1])))
    if coronal > 1.4 * pitch_mm:
        remarks.append(
            f"The voxels of the reference measure {coronal:.1f} mm from front to back, those of the pseudo-MRI "
            f"{pitch_mm:.2f} mm: "
            "interpolation raises the reference's correlation of neighbouring slices."
        )
    return remarks
