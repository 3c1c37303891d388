"""Read PNG, JPEG and WebP: grey pixels at full depth, one picture per file."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .codestream import jpeg_coding
from .decoded_radiograph import DecodedRadiograph, luminance
from .exif_orientation import upright
from .refusals import check_size, damaged, unreadable

if TYPE_CHECKING:
    from PIL.Image import Image

_WHOLE_RANGE_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
_ORIENTATION = 274
_RESOLUTION = (282, 283)  # pixels per unit across and down
_GREY_AND_ALPHA, _RED_GREEN_BLUE, _WITH_ALPHA = 4, 2, 6


def read_picture(path: Path, format_name: str) -> DecodedRadiograph:
    """The picture in a file of a format that `file_format.detect_format` found.

    Colours become luminance, transparency is dropped, the camera's orientation is applied, and 16 bits stay 16 bits.
    Raises InputError when the file is damaged, contains several images, or is too small or too large.
    """
    from PIL import Image

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
    except Exception:  # decoders raise whatever they like
        raise _fault(path, format_name) from None


def _fault(path: Path, format_name: str) -> InputError:
    """The error for a file that Pillow cannot decode: kinds of JPEG that it does not know, or damage."""
    if format_name == "JPEG":
        with path.open("rb") as stream:
            coding = jpeg_coding(stream.read(1_000_000))
        if coding is not None:
            return unreadable(
                path.name, f"is a JPEG of a rare kind ({coding})", "Save it as PNG or TIFF.", "no-decoder"
            )
    return damaged(path.name, format_name)


def _decoded(picture: Image, path: Path, format_name: str) -> DecodedRadiograph:
    columns, rows = picture.size
    check_size(rows, columns, path.name)
    frames = getattr(picture, "n_frames", 1)
    if frames > 1 and format_name != "JPEG":  # phones put small companions behind a photograph
        raise unreadable(
            path.name, f"contains {frames} images", "Save the image of the knee as a separate file.", "multi-frame"
        )
    exif = picture.getexif()
    orientation, aspect = exif.get(_ORIENTATION, 1), _aspect(picture)
    orientation = orientation if orientation in range(1, 9) else 1
    bits, colours = _deep_png(path) if format_name == "PNG" else (8, 0)
    if bits == 16 and colours == _GREY_AND_ALPHA:
        pixels = _grey_of_16_bits_with_alpha(path)
    elif bits == 16 and colours in (_RED_GREEN_BLUE, _WITH_ALPHA):
        pixels = _colours_of_16_bits(path)
    elif picture.mode in _WHOLE_RANGE_MODES:
        pixels, bits = np.asarray(picture).astype(np.float32), 16 if "16" in picture.mode else 32
    elif picture.mode in ("L", "LA", "La", "1"):
        pixels, bits = np.asarray(picture.getchannel(0)).astype(np.float32), 1 if picture.mode == "1" else 8
    else:
        pixels, bits = luminance(np.asarray(picture.convert("RGB"))), 8
    if pixels.shape != (rows, columns):
        raise damaged(path.name, format_name)
    colour = colours in (_RED_GREEN_BLUE, _WITH_ALPHA) if bits == 16 else picture.mode in _COLOUR_MODES
    return DecodedRadiograph(
        upright(pixels, orientation),
        record={"format": format_name, "bits": bits, "colour": colour},
        pixel_aspect=aspect if aspect is None or orientation < 5 else 1 / aspect,
    )


_COLOUR_MODES = ("RGB", "RGBA", "RGBX", "P", "PA", "CMYK", "YCbCr", "LAB", "HSV")


def _aspect(picture: Image) -> float | None:
    """Height of a pixel divided by its width, from the numbers of pixels per unit across and down."""
    exif = picture.getexif()
    candidates = (picture.info.get("aspect"), picture.info.get("jfif_density"),
                  None if picture.format in ("JPEG", "MPO") else picture.info.get("dpi"),
                  tuple(exif.get(tag) for tag in _RESOLUTION))  # fmt: skip
    for pair in candidates:
        try:
            across, down = (float(number) for number in pair or ())
            return across / down
        except (TypeError, ValueError, ZeroDivisionError):
            continue
    return None


def _deep_png(path: Path) -> tuple[int, int]:
    """Depth and kind of colours in the header of a PNG file."""
    with path.open("rb") as stream:
        header = stream.read(26)
    return (header[24], header[25]) if header[12:16] == b"IHDR" and len(header) == 26 else (8, 0)


def _grey_of_16_bits_with_alpha(path: Path) -> np.ndarray:
    """Grey and alpha of two bytes each, read as four colours of one byte: PNG stores both alike, Pillow knows these."""
    from PIL import Image

    content = bytearray(path.read_bytes())
    content[24], content[25] = 8, _WITH_ALPHA
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    with Image.open(io.BytesIO(bytes(content)), formats=["PNG"]) as picture:
        array = np.asarray(picture)
    return array[..., 0] * np.float32(1 << 8) + array[..., 1]


def _colours_of_16_bits(path: Path) -> np.ndarray:
    """Colours that Pillow would reduce to 8 bits."""
    from .image_file import read_with_itk

    array = read_with_itk(path, ".png", "PNG").array
    if array.ndim != 3:
        raise damaged(path.name, "PNG")
    return luminance(array)
