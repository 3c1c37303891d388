"""TIFF files with any tag, number type, orientation, predictor and compression, as other programs write them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np

_SHORT, _LONG, _RATIONAL = 3, 4, 5
_UNCOMPRESSED, _LZW, _DEFLATE, _PACKBITS = 1, 5, 8, 32773
COMPRESSIONS = {"none": _UNCOMPRESSED, "lzw": _LZW, "deflate": _DEFLATE, "packbits": _PACKBITS}


def tiff_bytes(
    pixels: np.ndarray,
    *,
    compression: str = "none",
    orientation: int = 1,
    photometric: int | None = None,
    predictor: int = 1,
    rows_per_strip: int | None = None,
    tile: int | None = None,
    planar: bool = False,
    big_endian: bool = False,
    resolution: tuple[float, float] | None = None,
    changed: dict[int, tuple[int, Sequence[int]] | None] | None = None,
) -> bytes:
    """One page [H, W] or [H, W, C] of uint, int, float or bool values; ``changed`` replaces or removes tags."""
    order = ">" if big_endian else "<"
    rows, columns = pixels.shape[:2]
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    stack = pixels.reshape(rows, columns, channels)
    planes = [stack[..., channel : channel + 1] for channel in range(channels)] if planar else [stack]
    height, width = (tile, tile) if tile else (rows_per_strip or rows, columns)
    segments = []
    for plane in planes:
        for top in range(0, rows, height):
            for left in range(0, columns, width):
                part = plane[top : top + height, left : left + width]
                if tile:
                    missing = ((0, tile - part.shape[0]), (0, tile - part.shape[1]), (0, 0))
                    part = np.pad(part, missing)
                segments.append(_encoded(part, order, COMPRESSIONS[compression], predictor))
    offsets = np.cumsum([8, *(len(segment) for segment in segments)])[:-1]
    bits = 1 if pixels.dtype == bool else 8 * pixels.dtype.itemsize
    lengths = [len(segment) for segment in segments]
    tags: dict[int, tuple[int, Sequence[int]]] = {
        256: (_LONG, [columns]),
        257: (_LONG, [rows]),
        258: (_SHORT, [bits] * channels),
        259: (_SHORT, [COMPRESSIONS[compression]]),
        262: (_SHORT, [(2 if channels > 2 else 1) if photometric is None else photometric]),
        274: (_SHORT, [orientation]),
        277: (_SHORT, [channels]),
        284: (_SHORT, [2 if planar else 1]),
        317: (_SHORT, [predictor]),
        339: (_SHORT, [{"u": 1, "b": 1, "i": 2, "f": 3}[pixels.dtype.kind]] * channels),
    }
    tags |= {322: (_LONG, [tile]), 323: (_LONG, [tile]), 324: (_LONG, offsets), 325: (_LONG, lengths)} if tile else {
        273: (_LONG, offsets), 278: (_LONG, [height]), 279: (_LONG, lengths)}  # fmt: skip
    if resolution is not None:
        for code, value in zip((282, 283), resolution, strict=True):
            tags[code] = (_RATIONAL, [round(value * 1000), 1000])
    tags |= {code: tag for code, tag in (changed or {}).items() if tag is not None}
    for code in [code for code, tag in (changed or {}).items() if tag is None]:
        tags.pop(code, None)
    return _file(b"".join(segments), tags, order)


def _file(content: bytes, tags: dict[int, tuple[int, Sequence[int]]], order: str) -> bytes:
    content += b"\0" * (len(content) % 2)
    directory = 8 + len(content)
    beyond = directory + 2 + 12 * len(tags) + 4
    entries, values = struct.pack(f"{order}H", len(tags)), b""
    for code, (kind, numbers) in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(numbers)}{'H' if kind == _SHORT else 'I'}", *(int(n) for n in numbers))
        count = len(numbers) // 2 if kind == _RATIONAL else len(numbers)
        if len(packed) <= 4:
            place = packed.ljust(4, b"\0")
        else:
            place = struct.pack(f"{order}I", beyond + len(values))
            values += packed + b"\0" * (len(packed) % 2)
        entries += struct.pack(f"{order}HHI", code, kind, count) + place
    head = (b"MM\0*" if order == ">" else b"II*\0") + struct.pack(f"{order}I", directory)
    return head + content + entries + struct.pack(f"{order}I", 0) + values


def _encoded(part: np.ndarray, order: str, compression: int, predictor: int) -> bytes:
    if part.dtype == bool:
        content = np.packbits(part.reshape(part.shape[0], -1), axis=1).tobytes()
    elif predictor == 2:
        whole = part.view(f"u{part.dtype.itemsize}").copy()
        whole[:, 1:] -= part.view(whole.dtype)[:, :-1]
        content = whole.astype(whole.dtype.newbyteorder(order)).tobytes()
    elif predictor == 3:
        ordered = np.ascontiguousarray(part.astype(part.dtype.newbyteorder(">"))).view(np.uint8)
        size = part.dtype.itemsize
        planes = ordered.reshape(part.shape[0], -1, size).transpose(0, 2, 1).reshape(part.shape[0], -1)
        differences = planes.copy()
        channels = part.shape[2]
        differences[:, channels:] -= planes[:, :-channels]
        content = differences.tobytes()
    else:
        content = np.ascontiguousarray(part.astype(part.dtype.newbyteorder(order))).tobytes()
    if compression == _DEFLATE:
        return zlib.compress(content)
    if compression == _PACKBITS:
        return b"".join(bytes([len(piece) - 1]) + piece for piece in _pieces(content, 128))
    return _lzw(content) if compression == _LZW else content


def _pieces(content: bytes, length: int) -> list[bytes]:
    return [content[start : start + length] for start in range(0, len(content), length)]


def _lzw(content: bytes) -> bytes:
    """Codes of 9 bits alone: the table is cleared before it needs longer ones."""
    codes: list[int] = []
    for piece in _pieces(content, 250):
        codes += [256, *piece]
    bits = "".join(f"{code:09b}" for code in [*codes, 257])
    return int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
