"""An MR series as the paper's volume: 50 coronal slices of 256 x 256, posterior first, one grey scale, a right knee.

Slices 0-based 13 to 62 of 80, counted from the posterior end (A15); 512 x 512 averaged to 256 x 256; percentiles 0.5
and 99.5 of the whole volume (A16); left knees mirrored (A22). Voxels are only turned and averaged, never moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..comparison.dicom_reference import read_dicom_series
from ..errors import InputError
from ..radiograph.resampling import resample
from ..volume.geometry import OAI_FIELD
from .sequence import is_coronal_flash, parameter_fault, scan_parameters, series_side

if TYPE_CHECKING:
    import SimpleITK

SCAN_SLICES = 80
FIRST_SLICE = 13
PERCENTILES = (0.5, 99.5)
_OBLIQUE = 0.82  # cosine: coronal slices of a knee are turned by up to some 35 degrees
_PITCH_TOLERANCE_MM, _FIELD_TOLERANCE_MM = 0.05, 2.0
_HINT = "Give the series of the coronal 3-D FLASH, 80 slices of 1.5 mm over 160 mm."


@dataclass(frozen=True)
class CoronalScan:
    """A prepared scan.

    Attributes
    ----------
    volume
        [50, 256, 256] float32 in [0, 1], posterior slice first, in right-knee space.
    record
        JSON-able facts without identifiers: ``matrix``, ``pixel_mm``, ``pitch_mm``, ``slices``, ``first_slice``,
        ``grey_limits``, ``parameters``.
    remarks
        Sentences on what was left out when the series was read.
    """

    volume: np.ndarray
    record: dict[str, Any]
    remarks: list[str]


def read_coronal_scan(series: Path, side: str, first_slice: int = FIRST_SLICE) -> CoronalScan:
    """The scan in a folder of DICOM files, or in the one folder below it that holds the sequence.

    Raises InputError when the series is not whole, another sequence, of the other side, or of other geometry.
    """
    folder = folder_of_sequence(series)
    read = read_dicom_series(folder, is_coronal_flash)
    if not is_coronal_flash(read.header):
        fault = parameter_fault(read.header) or "is not described as a coronal 3-D FLASH"
        raise refusal(folder, fault, _HINT)
    stated = series_side(read.header)
    if stated is not None and stated != side:
        raise refusal(folder, f"shows the {stated} knee, not the {side} one", "Correct the side or the folder.")
    volume = posterior_first(read.image, folder)
    _check_geometry(read.image, volume, folder)
    if not 0 <= first_slice <= len(volume) - OAI_FIELD.num_slices:
        raise refusal(folder, f"has no {OAI_FIELD.num_slices} slices from slice {first_slice} on", "Begin earlier.")
    chosen = volume[first_slice : first_slice + OAI_FIELD.num_slices]
    if side == "left":
        chosen = chosen[:, :, ::-1]
    slices = np.stack([resample(one, (0.0, 0.0), one.shape, OAI_FIELD.slice_shape) for one in chosen])
    low, high = (float(value) for value in np.percentile(slices, PERCENTILES))
    if not high > low:
        raise refusal(folder, "is empty", "Export it again.")
    spacing = read.image.GetSpacing()
    record = {
        "matrix": list(volume.shape[1:]),
        "pixel_mm": round(float(spacing[0]), 5),
        "pitch_mm": round(float(spacing[2]), 4),
        "slices": len(volume),
        "first_slice": first_slice,
        "grey_limits": [low, high],
        "parameters": scan_parameters(read.header),
    }
    return CoronalScan(np.clip((slices - low) / (high - low), 0, 1).astype(np.float32), record, read.remarks)


def folder_of_sequence(series: Path) -> Path:
    """``series``, or the one folder below it with a coronal 3-D FLASH. Raises InputError for none or several."""
    from .archive_header import first_header

    if not series.is_dir():
        raise InputError(f"There is no folder {series.name}.", code="missing-series", hint="Check the table.")
    if any(path.is_file() for path in series.iterdir()):
        return series
    below = [path for path in sorted(series.iterdir()) if path.is_dir()]
    fitting = [path for path in below if (header := first_header(path)) is not None and is_coronal_flash(header)]
    if len(fitting) == 1:
        return fitting[0]
    found = f"{len(fitting)} coronal 3-D FLASH series" if fitting else "no coronal 3-D FLASH series"
    raise refusal(series, f"contains {found}", "Name the folder of the one series.")


def posterior_first(image: SimpleITK.Image, path: Path) -> np.ndarray:
    """The voxels [S, H, W] turned so that slices run to anterior, rows to inferior, columns to the patient's left.

    Raises InputError for slices that are not coronal.
    """
    import SimpleITK as sitk

    direction = np.reshape(image.GetDirection(), (3, 3))
    along = {"columns": direction[0, 0], "rows": direction[2, 1], "slices": direction[1, 2]}
    if min(abs(value) for value in along.values()) < _OBLIQUE:
        raise refusal(path, "is not coronal", _HINT)
    volume = sitk.GetArrayFromImage(image)
    steps = (-1 if along["slices"] > 0 else 1, 1 if along["rows"] < 0 else -1, 1 if along["columns"] > 0 else -1)
    return volume[:: steps[0], :: steps[1], :: steps[2]]


def _check_geometry(image: SimpleITK.Image, volume: np.ndarray, path: Path) -> None:
    columns_mm, rows_mm, pitch_mm = image.GetSpacing()
    if len(volume) != SCAN_SLICES:
        raise refusal(path, f"has {len(volume)} slices instead of {SCAN_SLICES}", _HINT)
    if abs(pitch_mm - OAI_FIELD.slice_thickness_mm) > _PITCH_TOLERANCE_MM:
        raise refusal(path, f"has slices {pitch_mm:.2f} mm apart instead of {OAI_FIELD.slice_thickness_mm} mm", _HINT)
    width, height = volume.shape[2] * columns_mm, volume.shape[1] * rows_mm
    if max(abs(width - OAI_FIELD.width_mm), abs(height - OAI_FIELD.width_mm)) > _FIELD_TOLERANCE_MM:
        raise refusal(
            path, f"covers {width:.0f} x {height:.0f} mm instead of {OAI_FIELD.width_mm:.0f} mm squared", _HINT
        )


def refusal(path: Path, clause: str, hint: str) -> InputError:
    """The refusal of an MR series."""
    return InputError(f"The MR series {path.name} {clause}.", code="unsuitable-series", hint=hint)
