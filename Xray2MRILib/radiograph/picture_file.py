"""Read PNG, JPEG, TIFF and WebP: grey pixels at full depth, one picture per file."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .decoded_radiograph import DecodedRadiograph, luminance
from .refusals import check_size, damaged, unreadable

if TYPE_CHECKING:
    from PIL.Image import Image

_WHOLE_RANGE_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")


def read_picture(path: Path, format_name: str) -> DecodedRadiograph:
    """The picture in a file of a format that `file_format.detect_format` found.

    Colours become luminance, transparency is dropped, the camera's orientation is applied, and 16 bits stay 16 bits.
    Raises InputError when the file is damaged, contains several images, or is too small or too large.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the size is checked below, before anything is decoded
            with Image.open(path, formats=[format_name.upper()]) as picture:
                return _decoded(picture, path, format_name)
    except InputError:
        raise
    except Image.DecompressionBombError:
        raise unreadable(
            path.name, "has too many pixels for a radiograph", "Scale it down.", "radiograph-too-large"
        ) from None
    except MemoryError:
        raise
    except UnidentifiedImageError:
        if format_name == "TIFF":
            return _deep_colours(path, format_name)
        raise damaged(path.name, format_name) from None
    except Exception:  # decoders raise whatever they like
        raise damaged(path.name, format_name) from None


def _decoded(picture: Image, path: Path, format_name: str) -> DecodedRadiograph:
    from PIL import ImageOps

    columns, rows = picture.size
    check_size(rows, columns, path.name)
    frames = getattr(picture, "n_frames", 1)
    if frames > 1:
        raise unreadable(
            path.name, f"contains {frames} images", "Save the image of the knee as a separate file.", "multi-frame"
        )
    if _is_deep_colour_tiff(picture) if format_name == "TIFF" else _is_deep_colour_png(path):
        return _deep_colours(path, format_name)
    stored_mode = picture.mode
    upright = ImageOps.exif_transpose(picture)
    if upright.mode in _WHOLE_RANGE_MODES:
        pixels = np.asarray(upright).astype(np.float32)
    elif upright.mode in ("L", "LA", "La", "1"):
        pixels = np.asarray(upright.getchannel(0)).astype(np.float32)
    else:
        pixels = luminance(np.asarray(upright.convert("RGB")))
    bits = 1 if stored_mode == "1" else 16 if "16" in stored_mode else 32 if stored_mode in ("I", "F") else 8
    return DecodedRadiograph(
        pixels, record={"format": format_name, "bits": bits, "colour": upright.mode not in _GREY_MODES}
    )


_GREY_MODES = (*_WHOLE_RANGE_MODES, "L", "LA", "La", "1")


def _is_deep_colour_png(path: Path) -> bool:
    with path.open("rb") as stream:
        header = stream.read(26)
    return header[12:16] == b"IHDR" and header[24] == 16 and header[25] in (2, 4, 6)


def _is_deep_colour_tiff(picture: Image) -> bool:
    bits = picture.tag_v2.get(258, (8,))  # BitsPerSample, one number per channel
    return len(bits) > 1 and max(bits) > 8


def _deep_colours(path: Path, format_name: str) -> DecodedRadiograph:
    """Pictures with more than 8 bits in each of several channels, which Pillow would reduce to 8."""
    from .image_file import read_with_itk

    image = read_with_itk(path, ".png" if format_name == "PNG" else ".tif", format_name)
    array = image.array
    if array.ndim == 3 and array.shape[-1] in (2, 3, 4):
        array = luminance(array)
    if array.ndim != 2:
        raise unreadable(
            path.name, "contains several images", "Save the image of the knee as a separate file.", "multi-frame"
        )
    bits = 8 * image.array.dtype.itemsize
    return DecodedRadiograph(array.astype(np.float32), record={"format": format_name, "bits": bits, "colour": True})
