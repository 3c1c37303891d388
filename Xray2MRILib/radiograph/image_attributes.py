"""The DICOM attributes without which pixels cannot be read (PS3.3 C.7.6.3.1), and what a missing one can only mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .refusals import lacking, unreadable

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

_DEPTHS = (1, 8, 16, 32, 64)
_PHOTOMETRIC = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420",
                "YBR_PARTIAL_422", "YBR_ICT", "YBR_RCT")  # fmt: skip
_FLOATS = {"FloatPixelData": 32, "DoubleFloatPixelData": 64}


def photometric_term(dataset: Any) -> str:
    """PhotometricInterpretation as a defined term; empty when it is missing or none of them."""
    words = "".join(str(dataset.get("PhotometricInterpretation") or "").upper().split())
    return next((term for term in _PHOTOMETRIC if term.replace(" ", "") == words), "")


def whole_number(dataset: Any, keyword: str) -> int | None:
    """An attribute as a whole number; None when it is missing or no single number."""
    try:
        return int(dataset.get(keyword))
    except (TypeError, ValueError, OverflowError):
        return None


def complete_attributes(dataset: FileDataset, name: str) -> list[str]:
    """Fill in the missing attributes of an image whose size is known; returns sentences that name them.

    Raises InputError that names the attribute when it is missing and could mean several things, or has a value that no
    radiograph can have, and when the pixels are fewer or many more than the attributes say.
    """
    compressed = dataset.file_meta.TransferSyntaxUID.is_compressed
    taken: list[str] = []

    def take(keyword: str, value: Any, words: str = "") -> None:
        setattr(dataset, keyword, value)
        taken.append(f"{keyword} (taken as {value})" if not words else f"{keyword} ({words})")

    _colour(dataset, name, compressed, take)
    _depth(dataset, name, compressed, take)
    if dataset.SamplesPerPixel > 1 and whole_number(dataset, "PlanarConfiguration") not in (0, 1):
        take("PlanarConfiguration", 0 if compressed else _planar_configuration(dataset))
    if not compressed:
        _check_length(dataset, name)
    if not taken:
        return []
    listed = ", ".join(taken[:-1]) + (" and " if len(taken) > 1 else "") + taken[-1]
    return [f"The header lacks a usable {listed}."]


def _odd(keyword: str, value: Any, name: str) -> InputError:
    fault = f"states {keyword} {value}, which no radiograph has"
    return unreadable(name, fault, "Export it again, or as PNG or TIFF.", "missing-attribute")


def _colour(dataset: FileDataset, name: str, compressed: bool, take: Any) -> None:
    """SamplesPerPixel and PhotometricInterpretation, each from the other or from the number of bytes."""
    term, samples = photometric_term(dataset), whole_number(dataset, "SamplesPerPixel")
    if samples is None:
        if term:
            samples = 1 if term.startswith(("MONO", "PALETTE")) else 3
        else:
            samples = None if compressed else _samples_by_length(dataset)
        if samples is None:
            raise lacking(name, "SamplesPerPixel")
        take("SamplesPerPixel", samples)
    if samples not in (1, 3):
        raise _odd("SamplesPerPixel", samples, name)
    grey = samples == 1
    if term and grey == term.startswith(("MONO", "PALETTE")):
        dataset.PhotometricInterpretation = term
    elif grey:
        take("PhotometricInterpretation", "MONOCHROME2", "the picture decides whether bone is bright")
    elif compressed:
        raise lacking(name, "PhotometricInterpretation")
    else:
        take("PhotometricInterpretation", "RGB")


def _samples_by_length(dataset: FileDataset) -> int | None:
    depth = whole_number(dataset, "BitsAllocated")
    one = dataset.Rows * dataset.Columns * depth // 8 if depth else 0
    return {1: 1, 3: 3}.get(round(len(dataset.get("PixelData") or b"") / one)) if one else None


def _depth(dataset: FileDataset, name: str, compressed: bool, take: Any) -> None:
    """BitsAllocated, BitsStored, HighBit and PixelRepresentation."""
    allocated = whole_number(dataset, "BitsAllocated")
    for keyword, depth in _FLOATS.items():
        if keyword in dataset:
            dataset.BitsAllocated = depth
            return
    stored, high = whole_number(dataset, "BitsStored"), whole_number(dataset, "HighBit")
    if allocated is None:
        if compressed:
            allocated = None if stored is None else 8 if stored <= 8 else 16
        else:
            values = dataset.Rows * dataset.Columns * dataset.SamplesPerPixel
            allocated = {1: 8, 2: 16, 4: 32}.get(len(dataset.get("PixelData") or b"") // values)
        if allocated is None:
            raise lacking(name, "BitsAllocated")
        take("BitsAllocated", allocated)
    if allocated not in _DEPTHS:
        raise _odd("BitsAllocated", allocated, name)
    if stored is None or not 1 <= stored <= allocated:
        stored = high + 1 if high is not None and 0 <= high < allocated else allocated
        take("BitsStored", stored)
    if high is None or not stored - 1 <= high < allocated:
        take("HighBit", stored - 1)
    if whole_number(dataset, "PixelRepresentation") not in (0, 1):
        take("PixelRepresentation", 0)


def _planar_configuration(dataset: FileDataset) -> int:
    """Whether colours lie pixel by pixel (0) or plane by plane (1): the smoother picture is the right one."""
    import numpy as np

    kind = {8: "u1", 16: "<u2"}.get(dataset.BitsAllocated)
    rows, columns = dataset.Rows, dataset.Columns
    content = dataset.get("PixelData") or b""
    if kind is None or len(content) < 3 * rows * columns * np.dtype(kind).itemsize:
        return 0
    values = np.frombuffer(content, kind, 3 * rows * columns).astype(np.float32)
    by_pixel, by_plane = values.reshape(rows, columns, 3)[..., 0], values.reshape(3, rows, columns)[0]
    roughness = [
        sum(float(np.abs(np.diff(plane, axis=axis)).mean()) for axis in (0, 1)) for plane in (by_pixel, by_plane)
    ]
    return int(roughness[1] < roughness[0])


def _check_length(dataset: FileDataset, name: str) -> None:
    """Refuse pixels that stop early, and more than twice the pixels, whose depth or number of frames is wrong."""
    samples: float = dataset.SamplesPerPixel
    if dataset.PhotometricInterpretation == "YBR_FULL_422":
        samples = 2
    expected = -(-int(dataset.Rows * dataset.Columns * samples * dataset.BitsAllocated) // 8)
    keyword = next(keyword for keyword in ("PixelData", *_FLOATS) if keyword in dataset)
    present = len(dataset[keyword].value or b"")
    if present < expected:
        fault = f"is incomplete: {keyword} has {present} of {expected} bytes"
        raise unreadable(name, fault, "Copy or export it again.", "damaged-radiograph")
    if present >= 2 * expected:
        fault = f"has {present} bytes in {keyword} where Rows, Columns and BitsAllocated make {expected}"
        raise unreadable(name, fault, "Export one frame with complete image attributes.", "missing-attribute")
