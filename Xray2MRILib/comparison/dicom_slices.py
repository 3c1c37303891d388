"""What the DICOM files of a folder say about their slices: place, orientation, contrast, and which files are cut.

Only headers are read here. Each frame of a multi-frame file (Enhanced MR) is a slice of its own.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_DICOM_ENDINGS = (".dcm", ".dicom", ".ima")
DAMAGED = "damaged or cut"
_UNDEFINED_LENGTH = 0xFFFFFFFF
# attribute -> (words for the user, unit); slices that differ in one of them do not belong to one volume
CONTRASTS = {
    "EchoTime": ("echo time", " ms"),
    "EchoNumbers": ("echo", ""),
    "RepetitionTime": ("repetition time", " ms"),
    "InversionTime": ("inversion time", " ms"),
    "FlipAngle": ("flip angle", " degrees"),
    "ImageType": ("image type", ""),
    "TemporalPositionIdentifier": ("time point", ""),
    "DiffusionBValue": ("b-value", ""),
    "ComplexImageComponent": ("component", ""),
    "ContrastBolusAgent": ("contrast agent", ""),
}


@dataclass(frozen=True)
class DicomSlice:
    """One slice: where it lies by its header, and what else it must have in common with its neighbours.

    Attributes
    ----------
    path, frame
        The file, and the frame in it.
    position
        Centre of the first voxel, LPS mm; None when the header does not say.
    orientation
        Direction cosines along a row and along a column; None when the header does not say.
    pixel_mm
        Distance of rows and of columns; None when the header does not say.
    number, location
        InstanceNumber (InStackPositionNumber of a frame) and SliceLocation; None where absent.
    belongs
        Patient, study, series, frame of reference.
    contrast
        Value of each of CONTRASTS, as text.
    header
        The file's header without pixels.
    """

    path: Path
    frame: int
    shape: tuple[int, int]
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    pixel_mm: tuple[float, ...] | None
    number: int | None
    location: float | None
    belongs: tuple[str, ...]
    contrast: tuple[str, ...]
    rescale: tuple[float, ...]
    header: Dataset = field(compare=False, repr=False)


@dataclass(frozen=True)
class DicomFolder:
    """The slices of a folder, and the DICOM files that cannot be read: name -> "damaged or cut", or what is missing."""

    slices: list[DicomSlice]
    unreadable: dict[str, str]


def read_slices(paths: Sequence[Path]) -> DicomFolder:
    """The slices of all DICOM images among some files. Other files, such as DICOMDIR and reports, are passed over."""
    slices: list[DicomSlice] = []
    unreadable: dict[str, str] = {}
    for path in sorted(paths):
        header = _header(path)
        fault = header if isinstance(header, str) else None if header is None else _fault(header, path)
        if fault is not None:
            unreadable[path.name] = fault
        elif header is not None and not isinstance(header, str):
            slices += [_slice(header, path, number, groups) for number, groups in enumerate(_frames(header))]
    return DicomFolder(slices, unreadable)


def is_dicom(path: Path) -> bool:
    """Whether a file begins as a DICOM file with preamble does."""
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:  # what cannot be opened is refused by the reader
        return False


def _header(path: Path) -> Dataset | str | None:
    """The header of a DICOM image; None for other files, a text for a DICOM file that cannot be read."""
    import pydicom

    marked = is_dicom(path)
    expected = marked or path.suffix.lower() in _DICOM_ENDINGS
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # pixels stay on the disk, but their length is read
            header = pydicom.dcmread(path, force=not marked, defer_size=4096)
            if "DirectoryRecordSequence" in header:
                return None
            if "PixelData" in header or "Rows" in header or str(header.get("Modality", "")) == "MR":
                return header
            # another DICOM object, or no DICOM at all
            return None if not expected or header.get("SOPClassUID") else DAMAGED
    except Exception:  # pydicom raises many kinds for a damaged header
        return DAMAGED if expected else None


def _fault(header: Dataset, path: Path) -> str | None:
    """What keeps the pixels of an image from being read: the attribute that is missing, or that bytes are missing."""
    for keyword in ("Rows", "Columns", "BitsAllocated"):
        if not _numbers([header], keyword, 1):
            return f"without {keyword}"
    return None if _is_whole(header, path) else DAMAGED


def _is_whole(header: Dataset, path: Path) -> bool:
    """Whether all bytes of the pixels are in the file."""
    try:
        element: Any = header.get_item("PixelData")
        if element is None:
            return False
        frames = int(header.get("NumberOfFrames") or 1)
        samples = int(header.Rows) * int(header.Columns) * int(header.get("SamplesPerPixel") or 1) * frames
        expected = samples * int(header.BitsAllocated) // 8
        syntax = header.file_meta.get("TransferSyntaxUID") if hasattr(header, "file_meta") else None
        if syntax is not None and syntax.is_encapsulated:
            return _has_all_fragments(header, frames)
        if syntax is not None and syntax.is_deflated:
            return len(header.PixelData) >= expected
        length = getattr(element, "length", None)
        if length is None or length == _UNDEFINED_LENGTH:
            return len(header.PixelData) >= expected
        start = getattr(element, "value_tell", None) or getattr(element, "file_tell", 0)
        return 0 < expected <= length and start + length <= path.stat().st_size
    except Exception:  # as above
        return False


def _has_all_fragments(header: Dataset, frames: int) -> bool:
    """Whether compressed pixels end as they should: one fragment or more for each frame."""
    from pydicom.encaps import generate_frames

    return sum(1 for _ in generate_frames(header.PixelData, number_of_frames=frames)) == frames


def _frames(header: Dataset) -> list[list[Dataset]]:
    """For every frame the places where its attributes may be, the nearest first."""
    count = int(header.get("NumberOfFrames") or 1)
    each = list(header.get("PerFrameFunctionalGroupsSequence") or [])
    if not each and count == 1:
        return [[header]]
    shared = list(header.get("SharedFunctionalGroupsSequence") or [])[:1]
    return [[*(each[index : index + 1]), *shared, header] for index in range(count)]


# attribute -> functional group that holds it in a multi-frame file, and its name there
_GROUPS = {
    "ImagePositionPatient": ("PlanePositionSequence", "ImagePositionPatient"),
    "ImageOrientationPatient": ("PlaneOrientationSequence", "ImageOrientationPatient"),
    "PixelSpacing": ("PixelMeasuresSequence", "PixelSpacing"),
    "InstanceNumber": ("FrameContentSequence", "InStackPositionNumber"),
    "EchoTime": ("MREchoSequence", "EffectiveEchoTime"),
    "RepetitionTime": ("MRTimingAndRelatedParametersSequence", "RepetitionTime"),
    "FlipAngle": ("MRTimingAndRelatedParametersSequence", "FlipAngle"),
    "InversionTime": ("MRModifierSequence", "InversionTimes"),
    "ImageType": ("MRImageFrameTypeSequence", "FrameType"),
    "TemporalPositionIdentifier": ("FrameContentSequence", "TemporalPositionIndex"),
    "DiffusionBValue": ("MRDiffusionSequence", "DiffusionBValue"),
    "RescaleSlope": ("PixelValueTransformationSequence", "RescaleSlope"),
    "RescaleIntercept": ("PixelValueTransformationSequence", "RescaleIntercept"),
}


def _value(groups: list[Dataset], keyword: str) -> Any:
    """The value of an attribute for one frame, None where it is absent or cannot be read."""
    sequence, name = _GROUPS.get(keyword, ("", keyword))
    for place in groups:
        try:
            items = place.get(sequence) if sequence else None
            found = items[0].get(name) if items else place.get(keyword)
        except Exception:  # a damaged element
            continue
        if found not in (None, ""):
            return found
    return None


def _numbers(groups: list[Dataset], keyword: str, count: int) -> tuple[float, ...] | None:
    value = _value(groups, keyword)
    try:
        numbers = tuple(float(one) for one in ([value] if count == 1 else value))
    except (TypeError, ValueError):
        return None
    return numbers if len(numbers) == count and np.isfinite(numbers).all() else None


def _text(value: Any) -> str:
    """A value as text; numbers with four digits, so that the same value in two spellings is one."""
    if value in (None, ""):
        return ""
    if not isinstance(value, str) and hasattr(value, "__iter__"):
        return "/".join(_text(one) for one in value)
    try:
        return f"{float(value):.4g}"
    except (TypeError, ValueError):
        return str(value)


def _slice(header: Dataset, path: Path, frame: int, groups: list[Dataset]) -> DicomSlice:
    number = _numbers(groups, "InstanceNumber", 1)
    location = _numbers(groups, "SliceLocation", 1) if len(groups) == 1 else None
    keys = ("PatientID", "PatientName", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
    return DicomSlice(
        path=path,
        frame=frame,
        shape=(int(header.Rows), int(header.Columns)),
        position=_numbers(groups, "ImagePositionPatient", 3),
        orientation=_numbers(groups, "ImageOrientationPatient", 6),
        pixel_mm=_numbers(groups, "PixelSpacing", 2),
        number=None if number is None else int(number[0]),
        location=None if location is None else location[0],
        belongs=tuple(str(_value([header], keyword) or "") for keyword in keys),
        contrast=tuple(_text(_value(groups, keyword)) for keyword in CONTRASTS),
        rescale=tuple((_numbers(groups, name, 1) or (default,))[0]
                      for name, default in (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0))),
        header=header,
    )  # fmt: skip
