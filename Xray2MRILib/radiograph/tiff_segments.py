"""Strips and tiles of a TIFF file as one array: no compression, Deflate or PackBits, any depth and number type.

Nothing is allocated or inflated beyond the size that the header states, which the caller has found acceptable.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np

UNCOMPRESSED, DEFLATE, PACKBITS = (1,), (8, 32946), (32773,)
COMPRESSIONS = (*UNCOMPRESSED, *DEFLATE, *PACKBITS)
_HORIZONTAL, _FLOATING_POINT = 2, 3
_LARGEST_SEGMENT = 400_000_000  # bytes; a tile may be larger than the picture
_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(1 << 8))


class Layout(NamedTuple):
    """Where the pixels of one picture lie; the names are those of the TIFF tags.

    ``segment`` is (rows, columns) of a strip or tile, ``kind`` the number type in the byte order of the file; pixels of
    one bit have the kind bool. ``separate``: every channel lies in segments of its own.
    """

    rows: int
    columns: int
    channels: int
    kind: np.dtype
    segment: tuple[int, int]
    tiled: bool
    separate: bool
    compression: int
    predictor: int
    reversed_bits: bool
    offsets: tuple[int, ...]
    lengths: tuple[int, ...]


def read_segments(stream: BinaryIO, layout: Layout) -> np.ndarray:
    """The picture [H, W, C] in the machine's byte order.

    Raises ValueError for segments that are missing, cut or hold another number of bytes.
    """
    kind = layout.kind.newbyteorder("=")
    picture = np.zeros((layout.rows, layout.columns, layout.channels), kind)
    places = list(_places(layout))
    if min(len(layout.offsets), len(layout.lengths)) < len(places) or min(layout.segment) < 1:
        raise ValueError("segments are missing")
    for (channel, row, column), offset, length in zip(places, layout.offsets, layout.lengths, strict=False):
        rows = layout.segment[0] if layout.tiled else min(layout.segment[0], layout.rows - row)
        block = _block(stream, offset, length, rows, layout)
        part = picture[row : row + rows, column : column + layout.segment[1]]
        block = block[: part.shape[0], : part.shape[1]]
        if layout.separate:
            part[..., channel] = block[..., 0]
        else:
            part[...] = block
    return picture


def _places(layout: Layout) -> Iterator[tuple[int, int, int]]:
    for channel in range(layout.channels if layout.separate else 1):
        for row in range(0, layout.rows, layout.segment[0]):
            for column in range(0, layout.columns, layout.segment[1]):
                yield channel, row, column


def _block(stream: BinaryIO, offset: int, length: int, rows: int, layout: Layout) -> np.ndarray:
    channels = 1 if layout.separate else layout.channels
    values = layout.segment[1] * channels
    one_bit = layout.kind.kind == "b"
    width = -(-values // 8) if one_bit else values * layout.kind.itemsize
    if rows * width > _LARGEST_SEGMENT:
        raise ValueError("a segment is larger than the picture")
    stream.seek(offset)
    content = stream.read(min(length, 2 * rows * width + 4096))
    if layout.reversed_bits:
        content = content.translate(_REVERSED_BITS)
    content = _decompressed(content, rows * width, layout.compression)
    shape = (rows, layout.segment[1], channels)
    if one_bit:
        bits = np.unpackbits(np.frombuffer(content, np.uint8).reshape(rows, width), axis=1)
        return bits[:, :values].reshape(shape).astype(bool)
    if layout.predictor == _FLOATING_POINT:
        return _floats_from_differences(content, shape, layout.kind)
    block = np.frombuffer(content, layout.kind).astype(layout.kind.newbyteorder("=")).reshape(shape)
    if layout.predictor == _HORIZONTAL:
        whole = block.view(f"u{block.dtype.itemsize}")
        block = np.cumsum(whole, axis=1, dtype=whole.dtype).view(block.dtype)
    return block


def _floats_from_differences(content: bytes, shape: tuple[int, int, int], kind: np.dtype) -> np.ndarray:
    """Adobe's third predictor: the bytes of a row, most significant first, as differences."""
    rows, columns, channels = shape
    differences = np.frombuffer(content, np.uint8).reshape(rows, -1, channels)
    planes = np.cumsum(differences, axis=1, dtype=np.uint8).reshape(rows, kind.itemsize, columns * channels)
    ordered = np.ascontiguousarray(planes.transpose(0, 2, 1))
    return ordered.view(kind.newbyteorder(">"))[..., 0].astype(kind.newbyteorder("=")).reshape(shape)


def _decompressed(content: bytes, wanted: int, compression: int) -> bytes:
    if compression in DEFLATE:
        try:
            content = zlib.decompressobj().decompress(content, wanted)
        except zlib.error as error:
            raise ValueError(str(error)) from None
    elif compression in PACKBITS:
        content = _unpacked(content, wanted)
    if len(content) < wanted:
        raise ValueError("a segment is cut")
    return content[:wanted]


def _unpacked(content: bytes, wanted: int) -> bytes:
    """PackBits: a byte n below 128 precedes n + 1 bytes, one above 128 a byte that is repeated 257 - n times."""
    parts: list[bytes] = []
    place = done = 0
    while done < wanted and place < len(content):
        count = content[place]
        if count < 128:
            part, place = content[place + 1 : place + 2 + count], place + 2 + count
        elif count > 128:
            part, place = content[place + 1 : place + 2] * (257 - count), place + 2
        else:
            part, place = b"", place + 1
        parts.append(part)
        done += len(part)
    return b"".join(parts)
