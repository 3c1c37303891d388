"""Read TIFF: one picture of any depth, number type and orientation, with bright values where the file says so."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import InputError
from .decoded_radiograph import DecodedRadiograph, luminance
from .exif_orientation import upright
from .refusals import check_size, damaged, unreadable
from .tiff_segments import COMPRESSIONS, Layout, read_segments

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

_WHITE_IS_ZERO, _PALETTE = 0, 3
_PLAIN = (0, 1, 2)  # grey of either sense, red-green-blue; the others are left to libtiff
_REDUCED_OR_MASK = 0b101  # kinds of pages beside the picture itself
_KINDS = {1: "u", 2: "i", 3: "f", 4: "u"}  # by SampleFormat
_WORDS = {"u": "unsigned", "i": "signed", "f": "floating-point"}
_SEVERAL_HINT = "Save the image of the knee as a separate file."


class _Tags(NamedTuple):
    """What the tags say about one picture; ``kind`` is u, i, f or empty for complex numbers."""

    rows: int
    columns: int
    channels: int
    bits: int
    kind: str
    photometric: int
    compression: int
    orientation: int
    aspect: float | None


def read_tiff(path: Path) -> DecodedRadiograph:
    """The picture in a TIFF file; reduced copies and masks beside it do not count.

    Raises InputError when the file is damaged, contains several images, has a number type or compression that nothing
    here decodes, or is too small or too large; sizes are checked before any pixel is decoded.
    """
    import tifffile

    try:
        with warnings.catch_warnings(), _quiet(), tifffile.TiffFile(path) as file:
            warnings.simplefilter("ignore")
            page = _only_page(file, path.name)
            tags = _tags(page, path.name)
            array = _pixels(path, page, tags, file.byteorder)
    except (InputError, MemoryError):
        raise
    except Exception:  # parsers raise whatever they like
        raise damaged(path.name, "TIFF") from None
    grey = upright(luminance(array) if array.ndim == 3 else array.astype(np.float32), tags.orientation)
    aspect = tags.aspect if tags.aspect is None or tags.orientation < 5 else 1 / tags.aspect
    record = {"format": "TIFF", "bits": tags.bits, "colour": tags.channels > 2 or tags.photometric not in (0, 1)}
    return DecodedRadiograph(grey, record=record, pixel_aspect=aspect)


@contextmanager
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("tifffile")
    former, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = former


def _only_page(file: TiffFile, name: str) -> TiffPage:
    pages: list[Any] = list(file.pages)
    pictures = [page for page in pages if not int(_value(page, 254, 0)) & _REDUCED_OR_MASK] or pages[:1]
    count = len(pictures)
    if count == 1:
        page = pictures[0]
        count = int(_value(page, 32997, 1))  # ImageDepth
        if page.is_imagej:
            count = max(count, int((file.imagej_metadata or {}).get("images", 1)))
    if count != 1:
        raise unreadable(name, f"contains {count} images", _SEVERAL_HINT, "multi-frame")
    return pictures[0]


def _value(page: TiffPage, code: int, default: Any) -> Any:
    tag = page.tags.get(code)
    return default if tag is None else tag.value


def _first(value: Any) -> int:
    return int(value[0]) if isinstance(value, tuple) else int(value)


def _tags(page: TiffPage, name: str) -> _Tags:
    rows, columns = _first(_value(page, 257, 0)), _first(_value(page, 256, 0))
    check_size(rows, columns, name)
    channels = _first(_value(page, 277, 1))
    bits, formats = _value(page, 258, 1), _value(page, 339, 1)
    if not 1 <= channels <= 5:
        raise unreadable(name, f"has {channels} values per pixel", "Export it as a greyscale image.")
    if isinstance(bits, tuple) and len(set(bits[:3])) > 1:
        raise unreadable(name, "has channels of different depths", "Export it as a greyscale image.")
    orientation = _first(_value(page, 274, 1))
    return _Tags(
        rows, columns, channels, _first(bits), _KINDS.get(_first(formats), ""), _first(_value(page, 262, 1)),
        _first(_value(page, 259, 1)), orientation if 1 <= orientation <= 8 else 1, _aspect(page),
    )  # fmt: skip


def _aspect(page: TiffPage) -> float | None:
    """Height of a pixel divided by its width, from the numbers of pixels per unit across and down."""
    across, down = (_value(page, code, None) for code in (282, 283))
    try:
        return (across[0] / across[1]) / (down[0] / down[1])
    except (TypeError, ZeroDivisionError, IndexError):
        return None


def _pixels(path: Path, page: TiffPage, tags: _Tags, byteorder: str) -> np.ndarray:
    """[H, W] or [H, W, C] as stored, large values bright by the file's own word."""
    kind = _number_type(tags, byteorder)
    if kind is not None and tags.photometric in _PLAIN and tags.compression in COMPRESSIONS:
        with path.open("rb") as stream:
            array = read_segments(stream, _layout(page, tags, kind))
        array = array[..., 0] if tags.channels < 3 else array[..., :3]
        return _brightened(array, tags) if tags.photometric == _WHITE_IS_ZERO else array
    if tags.channels > 2 and tags.bits == 16 and tags.kind == "u" and tags.photometric in _PLAIN:
        return _by_itk(path, page, tags)
    return _by_pillow(path, page, tags)


def _number_type(tags: _Tags, byteorder: str) -> np.dtype | None:
    if tags.bits == 1 and tags.kind == "u":
        return np.dtype(bool)
    sizes = {"u": (8, 16, 32, 64), "i": (8, 16, 32, 64), "f": (16, 32, 64)}
    if tags.bits not in sizes.get(tags.kind, ()):
        return None
    return np.dtype(f"{byteorder}{tags.kind}{tags.bits // 8}")


def _layout(page: TiffPage, tags: _Tags, kind: np.dtype) -> Layout:
    tiled = 322 in page.tags
    segment = (_first(_value(page, 323, 0)), _first(_value(page, 322, 0))) if tiled else (
        min(_first(_value(page, 278, tags.rows)), tags.rows), tags.columns)  # fmt: skip
    separate = _first(_value(page, 284, 1)) == 2
    return Layout(
        tags.rows, tags.columns, tags.channels, kind, segment, tiled, separate, tags.compression,
        _first(_value(page, 317, 1)), _first(_value(page, 266, 1)) == 2,
        tuple(page.dataoffsets), tuple(page.databytecounts),
    )  # fmt: skip


def _brightened(array: np.ndarray, tags: _Tags) -> np.ndarray:
    """Values for which zero was white."""
    if array.dtype == bool:
        return ~array
    if array.dtype.kind == "f":
        return array.max() + array.min() - array
    return np.invert(array) if array.dtype.itemsize * 8 == tags.bits else ((1 << tags.bits) - 1) - array


def _unreadable_type(tags: _Tags, name: str) -> InputError:
    number = f"{tags.bits}-bit {_WORDS.get(tags.kind, 'complex')} numbers"
    colour = " through a colour table" if tags.photometric == _PALETTE else ""
    fault = f"holds {number}{colour} in TIFF compression {tags.compression}, which nothing here decodes"
    return unreadable(name, fault, "Save it uncompressed, with 8 or 16 bits.", "no-decoder")


def _unturned(path: Path, page: TiffPage, tags: _Tags) -> io.BytesIO:
    """The file with its orientation set to upright: libraries differ in what they do with the others."""
    content = bytearray(path.read_bytes())
    if tags.orientation != 1:
        place = page.tags[274].valueoffset
        content[place : place + 2] = (1).to_bytes(2, "little" if page.parent.byteorder == "<" else "big")
    return io.BytesIO(bytes(content))


def _by_pillow(path: Path, page: TiffPage, tags: _Tags) -> np.ndarray:
    """What libtiff decodes for Pillow: palettes, 12 bits, and LZW, JPEG, CCITT and other compressions."""
    from PIL import Image, UnidentifiedImageError

    depths = {"u": (1, 2, 4, 8, 12, 16, 32), "i": (8, 16, 32), "f": (32,)}[tags.kind] if tags.kind else ()
    if tags.bits not in depths or (tags.channels > 1 and tags.bits > 8):
        raise _unreadable_type(tags, path.name)
    try:
        with Image.open(_unturned(path, page, tags), formats=["TIFF"]) as picture:
            if picture.size != (tags.columns, tags.rows):
                raise damaged(path.name, "TIFF")
            if picture.mode in ("RGB", "RGBA", "RGBX", "P", "PA", "CMYK", "YCbCr", "LAB"):
                return np.asarray(picture.convert("RGB"))
            array = np.asarray(picture)
    except UnidentifiedImageError:
        raise _unreadable_type(tags, path.name) from None
    array = array if array.ndim == 2 else array[..., 0]
    if array.dtype.itemsize * 8 == tags.bits and array.dtype.kind in "ui":
        array = array.view(f"{tags.kind}{array.dtype.itemsize}")  # Pillow knows one sign of each length
    inverted_by_pillow = tags.bits <= 8
    return _brightened(array, tags) if tags.photometric == _WHITE_IS_ZERO and not inverted_by_pillow else array


def _by_itk(path: Path, page: TiffPage, tags: _Tags) -> np.ndarray:
    """Colours of 16 bits in a compression of libtiff, which Pillow would reduce to 8."""
    import tempfile

    from .image_file import read_with_itk

    if tags.orientation == 1:
        array = read_with_itk(path, ".tif", "TIFF").array
    else:
        with tempfile.TemporaryDirectory(prefix="xray2mri-") as folder:
            copy = Path(folder) / "film.tif"
            copy.write_bytes(_unturned(path, page, tags).getbuffer())
            array = read_with_itk(copy, ".tif", "TIFF", name=path.name).array
    if array.ndim != 3 or array.shape[-1] < 3:
        raise damaged(path.name, "TIFF")
    return array[..., :3]
