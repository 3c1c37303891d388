"""Reading a saved pseudo-MRI volume, e.g. to compute more depths or to evaluate it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, check_name
from ..files.nifti_twins import without_twin
from .file_name import VOLUME_ENDINGS, volume_ending
from .intensity_mapping import IntensityMapping
from .pseudo_mri import PseudoMRI
from .writing import VolumeFiles, read_record, voxels_sha256

_TOLERANCE_MM = 1e-3  # NIfTI stores single precision
# set explicitly, because SimpleITK's own choice depends on upper and lower case of the extension
_FORMATS = {".nrrd": "NrrdImageIO", ".nii.gz": "NiftiImageIO", ".mha": "MetaImageIO"}


def read_volume(path: str | Path) -> PseudoMRI:
    """Read a volume with its provenance and, if the side-car lists them, its standard deviation and noise-free voxels.

    Without the file of the noise-free voxels the volume ``contains_noise``, and measurements say so.

    Raises InputError when the file cannot be read, was not written by this program, or does not match the voxels or the
    geometry in the side-car.
    """
    check_name(str(path))
    files = _names_to_read(Path(path))
    if not files.volume.is_file():
        raise InputError(f"There is no volume {files.volume.name}.", code="missing-volume", hint="Check the path.")
    record = read_record(files.record)
    if record is None:
        raise InputError(
            f"The volume {files.volume.name} has no side-car {files.record.name} written by Xray2MRI.",
            code="missing-side-car",
            hint="Keep the two files together.",
        )
    about = record["volume"]
    stored, spacing, direction, origin = _read_image(files.volume)
    try:
        mapping = IntensityMapping(float(about["intensity_slope"]), float(about["intensity_intercept"]))
        expected, mirrored, has_deviation = (about[key] for key in ("voxels_sha256", "mirrored", "has_deviation"))
    except (KeyError, TypeError, ValueError):
        raise InputError(
            f"The side-car {files.record.name} does not describe the volume.",
            code="bad-side-car",
            hint="Generate the volume again.",
        ) from None
    if voxels_sha256(stored) != expected:
        raise _mismatch_error(files)
    noise_free = _noise_free(files, about, mapping)
    deviation = None
    if has_deviation:
        if not files.deviation.is_file():
            raise InputError(
                f"The standard deviation {files.deviation.name} of {files.volume.name} is missing.",
                code="missing-volume",
                hint="Keep the files together.",
            )
        deviation = mapping.to_grey(_read_image(files.deviation)[0])
    try:
        shown = mapping.to_grey(stored)
        volume = PseudoMRI(
            shown if noise_free is None else noise_free, _drop_volume_section(record), bool(mirrored), deviation,
            acquired=None if noise_free is None else shown,
            contains_noise=noise_free is None and bool((record.get("acquisition") or {}).get("scanner_noise")),
        )  # fmt: skip
    except ValueError:
        raise _mismatch_error(files) from None
    for found, nominal in ((spacing, volume.spacing), (direction, volume.direction), (origin, volume.origin)):
        if not np.allclose(found, nominal, rtol=0, atol=_TOLERANCE_MM):
            raise _mismatch_error(files)
    return volume


def _noise_free(files: VolumeFiles, about: dict[str, Any], mapping: IntensityMapping) -> np.ndarray | None:
    """The noise-free voxels as the side-car lists them; None where there are none. Raises InputError for others."""
    if not about.get("has_noise_free") or not files.noise_free.is_file():
        return None
    stored = _read_image(files.noise_free)[0]
    if voxels_sha256(stored) != about.get("noise_free_sha256"):
        raise InputError(
            f"The file {files.noise_free.name} does not hold the noise-free voxels of {files.volume.name}.",
            code="side-car-mismatch",
            hint="Restore the files as they were written, or remove this one: the volume alone is read too.",
        )
    return mapping.to_grey(stored)


def _names_to_read(path: Path) -> VolumeFiles:
    """The names that belong to a volume. Raises InputError for a file that is not a volume."""
    if not path.name.lower().endswith(VOLUME_ENDINGS):
        kind = "is a folder" if path.is_dir() else "is not a volume that Xray2MRI wrote"
        raise InputError(
            f"The input {path.name} {kind}.",
            code="bad-volume",
            hint=f"Give a volume ({', '.join(VOLUME_ENDINGS)}) with its side-car; it is generated from a radiograph.",
        )
    return VolumeFiles.to_read(path)


def _drop_volume_section(record: dict[str, Any]) -> dict[str, Any]:
    """The record without the section ``volume``, which is written again with every file."""
    return {key: value for key, value in record.items() if key != "volume"}


def _read_image(path: Path) -> tuple[np.ndarray, tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    import SimpleITK as sitk

    try:
        with without_twin(path) as alone:
            image = sitk.ReadImage(str(alone), imageIO=_FORMATS[volume_ending(path)])
    except RuntimeError:
        raise InputError(
            f"The volume {path.name} is damaged or not an image.", code="unreadable-volume", hint="Generate it again."
        ) from None
    if image.GetDimension() != 3 or image.GetPixelID() != sitk.sitkInt16:
        raise InputError(
            f"The volume {path.name} is not a 16-bit volume written by Xray2MRI.",
            code="unreadable-volume",
            hint="Choose a volume that Xray2MRI wrote.",
        )
    return sitk.GetArrayFromImage(image), image.GetSpacing(), image.GetDirection(), image.GetOrigin()


def _mismatch_error(files: VolumeFiles) -> InputError:
    return InputError(
        f"The volume {files.volume.name} does not match its side-car {files.record.name}: it was changed or replaced.",
        code="side-car-mismatch",
        hint="Restore the files as they were written.",
    )
