"""Read a knee radiograph from a file or an array: grey pixels with bright bone, and what is known about the
radiograph."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, ProcessingError
from .decoded_radiograph import DecodedRadiograph, luminance
from .file_format import detect_format
from .laterality import side_from_words
from .photometric import with_bright_bone
from .picture_extent import picture_extent
from .pixel_aspect import accepted_aspect
from .quiet_decoding import quiet_decoding
from .refusals import check_size, unreadable

_ARRAY = "array"


@dataclass
class Radiograph:
    """One radiograph.

    Attributes
    ----------
    pixels
        [H, W] float32, bright bone (MONOCHROME2 sense), finite, arbitrary units. Upright where the file says how the
        radiograph lies: image left is the patient's right.
    pixel_spacing_mm
        (row, column) as recorded, in the detector plane; None when unknown.
    side
        "left" or "right" from header or file name; None when unknown or when the radiograph shows both knees.
    side_source
        "header", "file name", "given" or "none".
    record
        JSON-able facts about the radiograph: ``format``, ``rows``, ``columns``, ``bits``, ``inverted``, ``warnings``
        and so on. No name, date, identifier or path.
    pixel_aspect
        Height of a pixel divided by its width, 1 for square pixels. ``pixels`` and all boxes are those of the file; the
        knee is found and cut out in true proportions.
    """

    pixels: np.ndarray
    pixel_spacing_mm: tuple[float, float] | None = None
    side: str | None = None
    side_source: str = "none"
    record: dict[str, Any] = field(default_factory=dict)
    pixel_aspect: float = 1.0


def read_radiograph(path: str | Path, *, photometric: str = "auto") -> Radiograph:
    """The radiograph in a DICOM, PNG, JPEG, TIFF, WebP, NRRD, NIfTI or MetaImage file.

    The format is told from the content. ``photometric`` "normal" or "inverted" overrides header and picture.
    Raises InputError, in one sentence that names the file, the fault and the remedy, for anything that is not one
    readable radiograph; ProcessingError when memory runs out.
    """
    path = Path(path)
    format_name = detect_format(path)
    try:
        # what does not fit into float32 becomes infinite and is refused below
        with quiet_decoding(), np.errstate(over="ignore", invalid="ignore"):
            decoded = _decoded(path, format_name)
        radiograph = _finished(decoded, path.name, photometric)
    except MemoryError:
        raise ProcessingError(
            f"There is not enough memory to read the radiograph {path.name}.",
            code="out-of-memory",
            hint="Close other programs, or scale the radiograph down.",
        ) from None
    if radiograph.side is None and decoded.side is None and (side := side_from_words(path.stem)):
        radiograph.side, radiograph.side_source = side, "file name"
    return radiograph


def radiograph_from_array(
    array: np.ndarray,
    *,
    photometric: str = "auto",
    pixel_spacing_mm: tuple[float, float] | None = None,
    side: str | None = None,
) -> Radiograph:
    """A radiograph from an array [H, W], [1, H, W], [H, W, 1], [H, W, 3] or [H, W, 4] of any real type.

    ``photometric`` is "auto", "normal" or "inverted"; ``pixel_spacing_mm`` (row, column); ``side`` "left" or "right".
    Raises InputError for other shapes, values that are not finite, constant pictures and impossible sizes.
    """
    array = np.asarray(array)
    if side not in (None, "left", "right"):
        raise InputError(f"The side cannot be {side!r}.", code="bad-option", hint="Give left, right or nothing.")
    if not (np.issubdtype(array.dtype, np.number) or array.dtype == bool) or np.iscomplexobj(array):
        raise unreadable(_ARRAY, f"contains {array.dtype} values", "Give an array of real numbers.")
    if array.ndim == 3 and array.shape[0] == 1:
        array = array[0]
    grey = array.ndim == 2
    if not grey and not (array.ndim == 3 and array.shape[-1] in (1, 3, 4)):
        raise unreadable(
            _ARRAY,
            f"has the shape {list(array.shape)}",
            "Give one grey image [H, W] or one colour image [H, W, 3].",
            "volume-not-radiograph",
        )
    check_size(array.shape[0], array.shape[1], _ARRAY)
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit becomes infinite and is refused below
        pixels = array.astype(np.float32) if grey else luminance(array)
    record = {"format": "array", "bits": 8 * array.dtype.itemsize, "colour": not grey}
    aspect = None if pixel_spacing_mm is None or not pixel_spacing_mm[1] else pixel_spacing_mm[0] / pixel_spacing_mm[1]
    decoded = DecodedRadiograph(pixels, pixel_spacing_mm=pixel_spacing_mm, record=record, pixel_aspect=aspect)
    radiograph = _finished(decoded, _ARRAY, photometric)
    if side is not None:
        radiograph.side, radiograph.side_source = side, "given"
    return radiograph


def _decoded(path: Path, format_name: str) -> DecodedRadiograph:
    if format_name == "DICOM":
        from .dicom import read_dicom

        return read_dicom(path)
    if format_name in ("NRRD", "NIfTI", "MetaImage"):
        from .image_file import read_image_file

        return read_image_file(path, format_name)
    if format_name == "TIFF":
        from .tiff_file import read_tiff

        return read_tiff(path)
    from .picture_file import read_picture

    return read_picture(path, format_name)


def _finished(radiograph: DecodedRadiograph, name: str, photometric: str) -> Radiograph:
    """Check the pixels, make bone bright, and collect the record."""
    rows, columns = radiograph.pixels.shape
    check_size(rows, columns, name)
    _check_values(radiograph, name)
    extent = picture_extent(radiograph.pixels, radiograph.padding)
    pixels, sense, sense_warnings = with_bright_bone(extent.pixels, radiograph.photometric, photometric)
    if extent.hidden is not None:
        pixels[extent.hidden] = pixels[~extent.hidden].min()
    aspect, aspect_warnings = accepted_aspect(radiograph.pixel_aspect)
    spacing = radiograph.pixel_spacing_mm
    warnings = [*radiograph.warnings, *aspect_warnings, *sense_warnings]
    if photometric != "auto":  # the user has answered what was unclear
        warnings = [warning for warning in warnings if getattr(warning, "field", "") != "photometric"]
    record = {
        **radiograph.record,
        "rows": rows,
        "columns": columns,
        "photometric": radiograph.photometric,
        **sense,
        **extent.record,
        "pixel_spacing_mm": None if spacing is None else list(spacing),
        "pixel_aspect": aspect,
        "side_evidence": radiograph.side_evidence,
        "warnings": warnings,
    }
    side = radiograph.side if radiograph.side in ("left", "right") else None
    source = "header" if side else "none"
    return Radiograph(np.ascontiguousarray(pixels, np.float32), spacing, side, source, record, aspect)


def _check_values(radiograph: DecodedRadiograph, name: str) -> None:
    """Refuse pictures with values that are not finite, and blank ones; padding does not count."""
    shown = radiograph.pixels if radiograph.padding is None else radiograph.pixels[~radiograph.padding]
    if not np.isfinite(shown).all():
        raise unreadable(
            name, "contains values that are not finite (NaN or infinity)", "Export it again.", "not-finite-radiograph"
        )
    if not shown.max() > shown.min():
        raise unreadable(
            name, "is blank: all pixels have the same value", "Choose a radiograph of the knee.", "blank-radiograph"
        )
