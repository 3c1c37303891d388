"""The volume to enhance: a pseudo-MRI with its side-car, a volume file, or a DICOM series."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError

if TYPE_CHECKING:
    import SimpleITK

_ALONG_THE_BODY = 0.7  # direction cosine from which on an axis is the body's


@dataclass(frozen=True)
class SourceVolume:
    """A grey volume in LPS mm.

    Attributes
    ----------
    image
        float32.
    provenance
        Of a pseudo-MRI, None for a scan.
    thickness_mm
        Of its slices, None if the file does not say.
    warnings
        Sentences on files that were left out.
    """

    image: SimpleITK.Image
    provenance: dict[str, Any] | None = None
    thickness_mm: float | None = None
    warnings: tuple[str, ...] = ()

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """In the order of an array [S, H, W]."""
        x, y, z = self.image.GetSpacing()
        return z, y, x

    @property
    def leg_axis(self) -> int | None:
        """The axis of the array that lies along the body; None when the volume is oblique."""
        direction = self.image.GetDirection()
        along = [abs(direction[6 + column]) for column in range(3)]
        column = along.index(max(along))
        return 2 - column if along[column] >= _ALONG_THE_BODY else None


def read_source(path: str | Path) -> SourceVolume:
    """The volume at ``path``. Raises InputError in one sentence for what is missing, unreadable or without spacing."""
    from ..volume.geometry import OAI_FIELD
    from ..volume.writing import VolumeFiles, read_record

    path = Path(path)
    try:
        record = read_record(VolumeFiles.to_read(path).record) if not path.is_dir() else None
    except InputError:  # an ending that our volumes do not have
        record = None
    if record is not None and "enhancement" in record:
        raise InputError(
            f"The volume {path.name} is enhanced already.",
            code="enhanced-already",
            hint="Enhance the measured volume to another spacing instead.",
        )
    if record is not None:
        from ..volume.reading import read_volume

        volume = read_volume(path)
        return SourceVolume(volume.to_sitk(), volume.provenance, OAI_FIELD.slice_thickness_mm)
    from ..comparison.reference_volume import read_reference

    try:
        found = read_reference(path)
    except InputError as error:
        hint = "Keep its side-car .json beside it." if error.code == "reference-synthetic" else error.hint
        raise InputError(
            error.message.replace("The reference", "The volume", 1).replace("no reference", "no volume", 1),
            code=error.code.replace("reference", "volume"),
            hint=hint,
            field=error.field,
        ) from error
    warnings = tuple(words.replace("reference", "volume") for words in found.warnings)
    return SourceVolume(found.image, None, _thickness(path), warnings)


def _thickness(path: Path) -> float | None:
    """SliceThickness of a DICOM series, None for other files and where it is missing."""
    from ..comparison.dicom_slices import is_dicom

    files = sorted(one for one in path.iterdir() if one.is_file()) if path.is_dir() else [path]
    import pydicom

    for file in files[:200]:
        if is_dicom(file):
            value = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=["SliceThickness"])
            thickness = value.get("SliceThickness")
            return float(thickness) if thickness else None
    return None
