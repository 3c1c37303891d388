"""Read a DICOM radiograph (CR, DX, DR, secondary capture): one grey picture as the standard says it is displayed.

`image_attributes` completes the header, `stored_values` takes the bits that count, `grey_chain` applies the tables. The
photometric sense is left to `photometric`, which believes MONOCHROME1 and MONOCHROME2.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from .codestream import StreamSize, stream_size
from .decoded_radiograph import DecodedRadiograph, luminance
from .dicom_header import (
    check_is_radiograph,
    header_side,
    header_warnings,
    orientation_steps,
    photometric_sense,
    pixel_aspect,
    pixel_spacing_mm,
    view_position,
)
from .grey_chain import GreyLevels, displayed
from .image_attributes import complete_attributes, photometric_term, whole_number
from .orientation import turned
from .refusals import check_size, damaged, lacking, unreadable
from .shutter import shutter_mask
from .stored_values import padding_mask, stored_values

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

_COMPRESSION = {
    "1.2.840.10008.1.2.5": "RLE",
    "1.2.840.10008.1.2.4.50": "JPEG",
    "1.2.840.10008.1.2.4.51": "JPEG",
    "1.2.840.10008.1.2.4.57": "JPEG lossless",
    "1.2.840.10008.1.2.4.70": "JPEG lossless",
    "1.2.840.10008.1.2.4.80": "JPEG-LS",
    "1.2.840.10008.1.2.4.81": "JPEG-LS",
    "1.2.840.10008.1.2.4.90": "JPEG 2000",
    "1.2.840.10008.1.2.4.91": "JPEG 2000",
    "1.2.840.10008.1.2.4.201": "HTJ2K",
    "1.2.840.10008.1.2.4.202": "HTJ2K",
    "1.2.840.10008.1.2.4.203": "HTJ2K",
}
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def read_dicom(path: Path) -> DecodedRadiograph:
    """The picture of one DICOM radiograph and what its header says about it.

    Raises InputError for other objects (CT, MR, reports, several frames), encrypted or damaged files, missing decoders
    and impossible sizes; sizes are checked before any pixel is decoded.
    """
    import pydicom

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
            check_is_radiograph(header, path.name, lambda: _has_pixels(path))
            check_size(_whole(header, "Rows"), _whole(header, "Columns"), path.name)
            dataset = pydicom.dcmread(path, force=True)
            return _decoded(dataset, path.name)
    except (InputError, MemoryError):
        raise
    except Exception:  # pydicom and the decoders raise whatever they like
        raise damaged(path.name, "DICOM") from None


def _has_pixels(path: Path) -> bool:
    import pydicom

    dataset = pydicom.dcmread(path, force=True, defer_size=4096)
    return any(keyword in dataset for keyword in _PIXELS)


def _whole(dataset: FileDataset, keyword: str) -> int:
    return whole_number(dataset, keyword) or 0


def _decoded(dataset: FileDataset, name: str) -> DecodedRadiograph:
    compression = _check_decodable(dataset, name)
    photometric, sense_warnings = photometric_sense(dataset)
    notes = complete_attributes(dataset, name)
    if compression.startswith(("JPEG", "HTJ2K")):
        _check_stream(dataset, name, compression)
    words = _colours(_words(dataset, compression), dataset, name)
    if words.shape[:2] != (_whole(dataset, "Rows"), _whole(dataset, "Columns")):
        raise damaged(name, "DICOM")
    grey = words.ndim == 2
    padding = None
    if grey:
        bits, high_bit = _whole(dataset, "BitsStored"), _whole(dataset, "HighBit")
        stored, bit_warnings = stored_values(words, bits, high_bit)
        padding = padding_mask(words, stored, bits, dataset)
        levels = displayed(stored, padding, dataset)
        notes += [*bit_warnings, *levels.warnings]
    else:
        levels = GreyLevels(luminance(words), None, [])
    padding = _either(padding, shutter_mask(dataset, words.shape[:2]))
    steps = orientation_steps(dataset)
    spacing, aspect = pixel_spacing_mm(dataset), pixel_aspect(dataset)
    if steps and "transpose" in steps:
        spacing, aspect = spacing and spacing[::-1], aspect and 1 / aspect
    side, evidence = header_side(dataset)
    record: dict[str, Any] = {
        "format": "DICOM",
        "compression": compression,
        "bits": _whole(dataset, "BitsStored") or None,
        "colour": not grey,
        "modality": str(dataset.get("Modality", "")).upper()[:4] or None,
        "view_position": view_position(dataset),
        "display": levels.display,
        "turned_upright": steps or [],
    }
    return DecodedRadiograph(
        turned(levels.pixels.astype(np.float32), steps or []),
        photometric if grey else None,
        spacing,
        side,
        evidence,
        None if padding is None else turned(padding, steps or []),
        record,
        [*header_warnings(dataset), *notes, *sense_warnings],
        aspect,
    )


def _either(first: np.ndarray | None, second: np.ndarray | None) -> np.ndarray | None:
    """Both masks in one."""
    if first is None or second is None:
        return second if first is None else first
    return first | second


def _check_decodable(dataset: FileDataset, name: str) -> str:
    """The compression in words. Raises InputError when there are no pixels or nothing can decode them."""
    from pydicom.pixels import get_decoder
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    if not any(keyword in dataset for keyword in _PIXELS):
        if "EncryptedAttributesSequence" in dataset:
            raise unreadable(name, "is encrypted", "Export it without encryption.", "protected-radiograph")
        raise unreadable(name, "contains no image", "Choose the image file of the study.", "not-a-radiograph")
    if not getattr(dataset, "file_meta", None) or "TransferSyntaxUID" not in dataset.file_meta:
        if "PixelData" in dataset and dataset["PixelData"].is_undefined_length:
            raise lacking(name, "TransferSyntaxUID, which names the compression of its pixels")
        dataset.ensure_file_meta()
        implicit, little_endian = dataset.original_encoding
        explicit = ExplicitVRLittleEndian if little_endian else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError:
        available = False
    if not available:
        words = _COMPRESSION.get(str(syntax)) or (syntax.name if syntax.name != str(syntax) else "an unknown method")
        raise unreadable(
            name,
            f"uses a compression that this installation cannot decode ({words})",
            "Export it uncompressed.",
            "no-decoder",
        )
    return _COMPRESSION.get(str(syntax), "none")


def _check_stream(dataset: FileDataset, name: str, compression: str) -> None:
    """Refuse a compressed picture of another size than the header's, which was found acceptable."""
    from pydicom.encaps import get_frame

    promised = StreamSize(_whole(dataset, "Rows"), _whole(dataset, "Columns"), _whole(dataset, "SamplesPerPixel") or 1)
    found = stream_size(get_frame(dataset.PixelData, 0, number_of_frames=1))
    if found is None:
        raise damaged(name, f"DICOM, {compression}")
    if found != promised:
        fault = f"is damaged: its header states {_in_words(promised)}, its {compression} stream {_in_words(found)}"
        raise unreadable(name, fault, "Copy or export it again.", "damaged-radiograph")


def _in_words(size: StreamSize) -> str:
    return f"{size.columns} x {size.rows} pixels" + (f" of {size.samples} values" if size.samples > 1 else "")


def _words(dataset: FileDataset, compression: str) -> np.ndarray:
    """[H, W] or [H, W, 3] as stored, with the bits that pydicom would leave out: they may be the ones that count."""
    from pydicom.pixels import pixel_array

    bits, high_bit = _whole(dataset, "BitsStored"), _whole(dataset, "HighBit")
    whole_words = compression in ("none", "RLE") or high_bit != bits - 1
    if whole_words and dataset.SamplesPerPixel == 1 and photometric_term(dataset) != "PALETTE COLOR":
        dataset.BitsStored = dataset.BitsAllocated
    array = pixel_array(dataset)
    if bits:
        dataset.BitsStored = bits
    return array


def _colours(array: np.ndarray, dataset: FileDataset, name: str) -> np.ndarray:
    """[H, W, 3] through the colour table where the header has one."""
    from pydicom.pixels import apply_color_lut

    if photometric_term(dataset) != "PALETTE COLOR":
        return array
    if not any(f"{kind}PaletteColorLookupTableData" in dataset for kind in ("Red", "SegmentedRed")):
        hint = "Export it again as a greyscale image."
        raise unreadable(name, "lacks the colour table of PALETTE COLOR", hint, "missing-attribute")
    return apply_color_lut(array, dataset)
