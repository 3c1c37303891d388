"""Read a DICOM radiograph (CR, DX, DR, secondary capture): one grey picture as the standard says it is displayed.

The chain is PS3.3 C.7.6.3 (stored bits), C.11.1 (modality LUT or rescale), C.11.2 (VOI LUT or window). The photometric
sense is left to `photometric`, which believes MONOCHROME1 and MONOCHROME2.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from .codestream import stream_size
from .decoded_radiograph import DecodedRadiograph, luminance
from .dicom_header import (
    check_is_radiograph,
    header_side,
    header_warnings,
    orientation_steps,
    pixel_spacing_mm,
    view_position,
)
from .display_window import apply_window, first_window
from .orientation import turned
from .refusals import check_size, damaged, unreadable

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
            check_is_radiograph(header, path.name)
            check_size(_whole(header, "Rows"), _whole(header, "Columns"), path.name)
            dataset = pydicom.dcmread(path, force=True)
            return _decoded(dataset, path.name)
    except (InputError, MemoryError):
        raise
    except Exception:  # pydicom and the decoders raise whatever they like
        raise damaged(path.name, "DICOM") from None


def _whole(dataset: FileDataset, keyword: str) -> int:
    return int(dataset.get(keyword) or 0)


def _decoded(dataset: FileDataset, name: str) -> DecodedRadiograph:
    compression = _check_decodable(dataset, name)
    if compression.startswith(("JPEG", "HTJ2K")):
        _check_stream(dataset, name)
    stored = _stored_pixels(dataset)
    if stored.shape[:2] != (_whole(dataset, "Rows"), _whole(dataset, "Columns")):
        raise damaged(name, "DICOM")
    photometric = str(dataset.get("PhotometricInterpretation", "")).upper()
    padding = _padding(stored, dataset)
    pixels, display, display_warnings = (
        _displayed(stored, padding, dataset) if stored.ndim == 2 else (luminance(stored), None, [])
    )
    steps = orientation_steps(dataset)
    spacing = pixel_spacing_mm(dataset)
    if spacing and steps and "transpose" in steps:
        spacing = spacing[::-1]
    side, evidence = header_side(dataset)
    record: dict[str, Any] = {
        "format": "DICOM",
        "compression": compression,
        "bits": _whole(dataset, "BitsStored") or None,
        "colour": stored.ndim > 2,
        "modality": str(dataset.get("Modality", "")).upper()[:4] or None,
        "view_position": view_position(dataset),
        "display": display,
        "turned_upright": steps or [],
    }
    return DecodedRadiograph(
        turned(pixels.astype(np.float32), steps or []),
        photometric if stored.ndim == 2 and photometric in ("MONOCHROME1", "MONOCHROME2") else None,
        spacing,
        side,
        evidence,
        None if padding is None else turned(padding, steps or []),
        record,
        [*header_warnings(dataset), *display_warnings],
    )


def _check_decodable(dataset: FileDataset, name: str) -> str:
    """The compression in words. Raises InputError when there are no pixels or nothing can decode them."""
    from pydicom.pixels import get_decoder
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    if not any(keyword in dataset for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        if "EncryptedAttributesSequence" in dataset:
            raise unreadable(name, "is encrypted", "Export it without encryption.", "protected-radiograph")
        raise unreadable(name, "contains no image", "Choose the image file of the study.", "not-a-radiograph")
    if not getattr(dataset, "file_meta", None) or "TransferSyntaxUID" not in dataset.file_meta:
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


def _check_stream(dataset: FileDataset, name: str) -> None:
    """Refuse a compressed picture of another size than the header's, which was found acceptable."""
    from pydicom.encaps import get_frame

    promised = (_whole(dataset, "Rows"), _whole(dataset, "Columns"), _whole(dataset, "SamplesPerPixel") or 1)
    if stream_size(get_frame(dataset.PixelData, 0, number_of_frames=1)) != promised:
        raise damaged(name, "DICOM")


def _stored_pixels(dataset: FileDataset) -> np.ndarray:
    """[H, W] of stored values (bits beyond BitsStored removed) or [H, W, 3] of colours."""
    from pydicom.pixels import apply_color_lut, pixel_array

    array = pixel_array(dataset)
    photometric = str(dataset.get("PhotometricInterpretation", "")).upper()
    if photometric == "PALETTE COLOR":
        return apply_color_lut(array, dataset)
    if array.ndim == 2 and np.issubdtype(array.dtype, np.integer):
        allocated = 8 * array.dtype.itemsize
        bits = min(_whole(dataset, "BitsStored") or allocated, allocated)
        if bits < allocated:  # old files keep overlays in the spare bits
            spare = allocated - bits
            shifted = array << spare
            array = shifted >> spare  # of a signed type this restores the sign as well
    return array


def _padding(stored: np.ndarray, dataset: FileDataset) -> np.ndarray | None:
    """Mask [H, W] of the values that PixelPaddingValue (and its range limit) declares to be no picture."""
    value = dataset.get("PixelPaddingValue")
    if value is None or stored.ndim != 2:
        return None
    limit = dataset.get("PixelPaddingRangeLimit", value)
    mask = (stored >= min(int(value), int(limit))) & (stored <= max(int(value), int(limit)))
    return mask if 0 < mask.mean() < 0.95 else None


def _displayed(
    stored: np.ndarray, padding: np.ndarray | None, dataset: FileDataset
) -> tuple[np.ndarray, dict[str, Any] | None, list[str]]:
    """Modality LUT or rescale, then VOI LUT or window: pixels, what was applied, warnings."""
    from pydicom.pixels import apply_modality_lut, apply_voi

    values = apply_modality_lut(stored, dataset)
    if dataset.get("VOILUTSequence"):
        shown, applied = apply_voi(np.rint(values).astype(np.int64), dataset), {"kind": "table"}
    elif window := first_window(dataset):
        shown, applied = apply_window(values, window), {"kind": window.function.lower(), "window": list(window[:2])}
    else:
        return values, None, []
    visible = shown if padding is None else shown[~padding]
    within = np.mean((visible > visible.min()) & (visible < visible.max()))
    if within < 0.1 and len(np.unique(values[::7, ::7])) > 8:
        return values, None, ["The display window in the header hides the image; it was not used."]
    return shown, applied, []
