"""Reading the real MRI: NIfTI, NRRD or MetaImage, a DICOM series, or the volume of a simulated pair.

A file must say how its voxels lie in the patient: a frame that is made up gives figures that mean nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError, check_name
from ..files.nifti_twins import without_twin
from .dicom_reference import read_dicom_reference
from .dicom_slices import is_dicom
from .nifti_frame import is_nifti, nifti_frame, read_head
from .text_header_frame import metaimage_frame, nrrd_frame
from .volume_frame import FrameError, VolumeFrame, several_volumes

if TYPE_CHECKING:
    import numpy as np
    import SimpleITK

_LEAST_SLICES = 3
_LEAST_EXTENT_MM = 20.0
_FARTHEST_FROM_HEADER_MM = 0.05
_HINT = "Give a volume: NRRD, NIfTI, MHA, or a folder of DICOM slices."
# other kinds of volumes and pictures that SimpleITK reads
_WITHOUT_FRAME = (
    ".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".gipl", ".mrc", ".rec", ".vtk", ".hdf5", ".h5",
    ".mnc", ".par", ".lsm", ".nia", ".pic", ".spr", ".raw",
)  # fmt: skip
# what writing.py puts into the description of a NIfTI file
_OUR_DESCRIPTION = "synthetic, not for diagnosis"


@dataclass(frozen=True)
class ReferenceVolume:
    """A grey volume in LPS mm as float32 and what is known of its origin.

    ``warnings`` are sentences on files that were left out and slices that may be missing.
    """

    image: SimpleITK.Image
    simulated: bool = False
    warnings: tuple[str, ...] = ()


def read_reference(path: str | Path) -> ReferenceVolume:
    """The volume at a path: a file, a folder with a DICOM series, one file of such a series, or a simulated pair.

    Raises InputError with one sentence for what is missing, unreadable, synthetic itself, or no grey 3-D volume whose
    place in the patient is certain.
    """
    import SimpleITK as sitk

    path = Path(path)
    check_name(str(path))
    if not path.exists():
        raise InputError(f"There is no reference {path.name}.", code="missing-reference", hint="Check the path.")
    if not path.is_file() and not path.is_dir():  # opening a named pipe would wait for ever
        raise _refusal(path, "is not a regular file", _HINT, "unreadable-reference")
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        if path.suffix.lower() == ".npz":
            return ReferenceVolume(_simulated(path), simulated=True)
        if path.is_dir() or is_dicom(path):
            image, warnings = read_dicom_reference(path)
        else:
            image, warnings = _file(path), []
    except OSError as error:
        raise InputError(f"The reference {path.name} cannot be read: {error.strerror or 'damaged file'}.",
                         code="unreadable-reference", hint="Check its permissions.") from None  # fmt: skip
    _check(image, path)
    return ReferenceVolume(sitk.Cast(image, sitk.sitkFloat32), warnings=tuple(warnings))


def sitk_voxels(image: SimpleITK.Image) -> np.ndarray:
    """The voxels [S, H, W] of an image, in file order, without a copy."""
    import SimpleITK as sitk

    return sitk.GetArrayViewFromImage(image)


def _refusal(path: Path, clause: str, hint: str, code: str = "not-comparable") -> InputError:
    return InputError(f"The reference {path.name} {clause}.", code=code, hint=hint)


def _file(path: Path) -> SimpleITK.Image:
    """A volume file whose header says how it lies."""
    import SimpleITK as sitk

    reader, frame_of = _kind(path)
    try:
        frame = frame_of(path)
    except FrameError as fault:
        if _is_synthetic_file(path):
            raise _synthetic(path) from None
        raise _refusal(path, fault.clause, fault.hint, "bad-geometry") from None
    try:
        with without_twin(path) as alone:
            image = sitk.ReadImage(str(alone), imageIO=reader)
    except RuntimeError:
        raise _refusal(path, "is damaged or not an image", _HINT, "unreadable-reference") from None
    if image.GetDimension() > 3:
        size = image.GetSize()
        if max(size[3:]) > 1:
            several = several_volumes(max(size[3:]))
            raise _refusal(path, several.clause, several.hint)
        image = sitk.Extract(image, (*size[:3], *(0 for _ in size[3:])))
    if image.GetDimension() == 3 and image.GetNumberOfComponentsPerPixel() == 1:
        _set_frame(image, frame, path)
    return image


def _kind(path: Path) -> tuple[str, Callable[[Path], VolumeFrame]]:
    """Reader of SimpleITK and reader of the frame, by content."""
    head = read_head(path)
    if head.startswith(b"NRRD"):
        return "NrrdImageIO", nrrd_frame
    if is_nifti(head):
        return "NiftiImageIO", nifti_frame
    if head.lstrip()[:40].lower().startswith((b"objecttype", b"ndims", b"comment")):
        return "MetaImageIO", metaimage_frame
    if path.suffix.lower() in _WITHOUT_FRAME:
        raise _refusal(path, "is of a file format that does not say how it lies in the patient", _HINT, "bad-geometry")
    raise _refusal(path, "is damaged or not an image", _HINT, "unreadable-reference")


def _set_frame(image: SimpleITK.Image, frame: VolumeFrame, path: Path) -> None:
    """Put the frame that the header states into the image, and refuse a file that two readers place differently."""
    for stated in (frame, frame.other):
        if stated is not None and _turned_mm(image, stated) <= _FARTHEST_FROM_HEADER_MM:
            image.SetSpacing(stated.spacing)
            image.SetDirection(stated.direction.ravel().tolist())
            image.SetOrigin(stated.origin)
            return
    raise _refusal(path, "has a frame that can be read in two ways", "Convert the original series again.",
                   "bad-geometry")  # fmt: skip


def _turned_mm(image: SimpleITK.Image, frame: VolumeFrame) -> float:
    """How far the corners of the image lie from those of a frame with the same first voxel."""
    import numpy as np

    stated = frame.direction * np.array(frame.spacing)
    read = np.reshape(image.GetDirection(), (3, 3)) * np.array(image.GetSpacing())
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)]) * (np.array(image.GetSize()) - 1)
    return float(np.linalg.norm(corners @ (stated - read).T, axis=1).max())


def _check(image: SimpleITK.Image, path: Path) -> None:
    import numpy as np
    import SimpleITK as sitk

    if path.is_file() and (_is_synthetic_file(path) or _has_our_marks(image)):
        raise _synthetic(path)
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise _refusal(path, "contains colours or vectors instead of grey values", "Give the MR volume itself.")
    size, spacing = image.GetSize(), image.GetSpacing()
    if image.GetDimension() != 3 or min(size) < _LEAST_SLICES:
        raise _refusal(path, f"is not a volume of at least {_LEAST_SLICES} slices", "Give the whole series.")
    if min(count * step for count, step in zip(size, spacing, strict=True)) < _LEAST_EXTENT_MM:
        raise _refusal(path, "covers less than 20 mm in one direction", "Give a volume of the whole knee.")
    values = sitk.GetArrayViewFromImage(image)
    if np.iscomplexobj(values):
        raise _refusal(path, "contains complex numbers instead of grey values", "Give the magnitude volume.")
    if not np.isfinite(values).all():
        raise _refusal(path, "contains values that are not numbers", "Repair the file.")
    if values.min() == values.max():
        raise _refusal(path, "is constant", "Give a volume that shows a knee.")


def _synthetic(path: Path) -> InputError:
    return _refusal(path, "is itself a synthetic volume", "Compare with a real MRI.", "reference-synthetic")


def _has_our_marks(image: SimpleITK.Image) -> bool:
    """NRRD and MetaImage carry our record in their header, NIfTI one line."""
    keys = image.GetMetaDataKeys()
    if "Xray2MRI.schema" in keys:
        return True
    return any(name in keys and _OUR_DESCRIPTION in image.GetMetaData(name) for name in ("ITK_FileNotes", "descrip"))


def _is_synthetic_file(path: Path) -> bool:
    """Whether a side-car of ours lies beside the file."""
    from ..volume.writing import VolumeFiles, read_record

    try:
        return read_record(VolumeFiles.to_read(path).record) is not None
    except InputError:  # an ending that our volumes do not have
        return False


def _simulated(path: Path) -> SimpleITK.Image:
    """The MR volume of a simulated pair in the frame of its radiograph, as a right knee."""
    from ..simulation.pairs.crop_frame import nominal_frame, volume_in_frame
    from ..simulation.pairs.pair_store import read_pair
    from ..volume.pseudo_mri import PseudoMRI

    pair = read_pair(path, radiograph=False)
    return PseudoMRI.from_depth_slices(volume_in_frame(pair, nominal_frame(pair)), False, {}).to_sitk()
