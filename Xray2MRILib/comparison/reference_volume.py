"""Reading the real MRI: any volume that SimpleITK reads, a DICOM series, or the volume of a simulated pair."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    import SimpleITK

_LEAST_SLICES = 3
_LEAST_EXTENT_MM = 20.0


@dataclass(frozen=True)
class ReferenceVolume:
    """A grey volume in LPS mm as float32 and what is known of its origin."""

    image: SimpleITK.Image
    simulated: bool = False


def read_reference(path: str | Path) -> ReferenceVolume:
    """The volume at a path: a file, a folder with one DICOM series, one file of such a series, or a simulated pair.

    Raises InputError with one sentence for what is missing, unreadable, synthetic itself, or no grey 3-D volume.
    """
    import SimpleITK as sitk

    path = Path(path)
    if not path.exists():
        raise InputError(f"There is no reference {path.name}.", code="missing-reference", hint="Check the path.")
    if path.suffix.lower() == ".npz":
        return ReferenceVolume(_simulated(path), simulated=True)
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        image = _dicom_series(path) if path.is_dir() or _is_dicom(path) else sitk.ReadImage(str(path))
    except RuntimeError:
        raise InputError(f"The reference {path.name} is damaged or not an image.", code="unreadable-reference",
                         hint="Give a volume: NRRD, NIfTI, MHA, or a folder of DICOM slices.") from None  # fmt: skip
    _check(image, path)
    return ReferenceVolume(sitk.Cast(image, sitk.sitkFloat32))


def _check(image: SimpleITK.Image, path: Path) -> None:
    import numpy as np
    import SimpleITK as sitk

    def refusal(sentence: str, hint: str, code: str = "not-comparable") -> InputError:
        return InputError(f"The reference {path.name} {sentence}.", code=code, hint=hint)

    if _is_synthetic(image, path):
        raise refusal("is itself a synthetic volume", "Compare with a real MRI.", "reference-synthetic")
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise refusal("contains colours or vectors instead of grey values", "Give the MR volume itself.")
    size, spacing = image.GetSize(), image.GetSpacing()
    if image.GetDimension() != 3 or min(size) < _LEAST_SLICES:
        raise refusal(f"is not a volume of at least {_LEAST_SLICES} slices", "Give the whole series.")
    if min(count * step for count, step in zip(size, spacing, strict=True)) < _LEAST_EXTENT_MM:
        raise refusal("covers less than 20 mm in one direction", "Give a volume of the whole knee.")
    values = sitk.GetArrayViewFromImage(image)
    if not np.isfinite(values).all():
        raise refusal("contains values that are not numbers", "Repair the file.")
    if values.min() == values.max():
        raise refusal("is constant", "Give a volume that shows a knee.")


def _is_synthetic(image: SimpleITK.Image, path: Path) -> bool:
    from ..volume.writing import VolumeFiles, read_record

    if "Xray2MRI.schema" in image.GetMetaDataKeys():
        return True
    try:
        return path.is_file() and read_record(VolumeFiles.of(path).record) is not None
    except InputError:  # an ending that our volumes do not have
        return False


def _is_dicom(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:  # what cannot be opened is refused by the reader
        return False


def _dicom_series(path: Path) -> SimpleITK.Image:
    """The one series of a folder, or the series of one of its files."""
    import SimpleITK as sitk

    reader = sitk.ImageSeriesReader()
    folder = str(path if path.is_dir() else path.parent)
    series = reader.GetGDCMSeriesIDs(folder)
    groups = [reader.GetGDCMSeriesFileNames(folder, name) for name in series]
    if path.is_file():
        groups = [names for names in groups if str(path) in names or path.name in {Path(n).name for n in names}]
    if len(groups) != 1:
        found = "no DICOM series" if not groups else f"{len(groups)} DICOM series"
        hint = "Choose one file of the series." if groups else "Choose the folder with the slices of one series."
        raise InputError(f"The reference {path.name} contains {found}.", code="not-comparable", hint=hint)
    reader.SetFileNames(groups[0])
    return reader.Execute()


def _simulated(path: Path) -> SimpleITK.Image:
    """The MR volume of a simulated pair in the frame of its radiograph, as a right knee."""
    from ..simulation.pairs.crop_frame import nominal_frame, volume_in_frame
    from ..simulation.pairs.pair_store import read_pair
    from ..volume.pseudo_mri import PseudoMRI

    pair = read_pair(path, radiograph=False)
    return PseudoMRI.from_depth_slices(volume_in_frame(pair, nominal_frame(pair)), False, {}).to_sitk()
