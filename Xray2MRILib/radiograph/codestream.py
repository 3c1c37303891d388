"""Picture size as a JPEG, JPEG-LS or JPEG 2000 stream inside a DICOM file states it.

Decoders believe the stream and not the DICOM header: a damaged stream can make them fill the memory of the machine. So
both must agree before anything is decoded.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

# start-of-frame markers of JPEG (C4, C8 and CC mean other things) and of JPEG-LS
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
_START_OF_SCAN = 0xDA
_JPEG_LS_PARAMETERS = 0xF8
_OVERSIZE = 4  # the JPEG-LS parameter that replaces the size in the frame header
_JPEG_2000 = b"\xff\x4f\xff\x51"


class StreamSize(NamedTuple):
    """Rows, columns and values per pixel."""

    rows: int
    columns: int
    samples: int


def stream_size(stream: bytes) -> StreamSize | None:
    """The size that a compressed picture states; None when it states none, or two."""
    try:
        if stream.startswith(b"\xff\xd8"):
            return _jpeg_size(stream)
        start = stream.find(_JPEG_2000, 0, 4096)  # the stream may be wrapped in JP2 boxes
        return _jpeg_2000_size(stream, start) if start >= 0 else None
    except (struct.error, IndexError):
        return None


def _jpeg_size(stream: bytes) -> StreamSize | None:
    size, place = None, 2
    while True:
        marker, length = struct.unpack_from(">xBH", stream, place)
        if stream[place] != 0xFF:
            return None
        if marker == 0xFF:  # padding before a marker
            place += 1
            continue
        if marker == _START_OF_SCAN:
            return size
        if marker == _JPEG_LS_PARAMETERS and stream[place + 4] == _OVERSIZE:
            return None
        if marker in _FRAME_MARKERS:
            if size is not None:
                return None
            rows, columns, samples = struct.unpack_from(">HHB", stream, place + 5)
            size = StreamSize(rows, columns, samples)
        place += 2 + length


_CODINGS = {
    **dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), "hierarchical"),
    **dict.fromkeys((0xC9, 0xCA), "arithmetic coding"),
    **dict.fromkeys((0xC3, 0xCB), "lossless"),
    0xF7: "JPEG-LS",
}


def jpeg_coding(stream: bytes) -> str | None:
    """What is rare about a JPEG stream: its coding or its depth; None for a common or unreadable one."""
    place = 2
    try:
        while stream[place] == 0xFF:
            marker, length = struct.unpack_from(">xBH", stream, place)
            if marker == 0xFF:
                place += 1
                continue
            if marker in _FRAME_MARKERS:
                depth = stream[place + 4]
                return _CODINGS.get(marker) or (None if depth == 8 else f"{depth} bits")
            place += 2 + length
    except (struct.error, IndexError):
        pass
    return None


def _jpeg_2000_size(stream: bytes, start: int) -> StreamSize | None:
    right, bottom, left, top, *tile, samples = struct.unpack_from(">8IH", stream, start + 8)
    if min(tile[:2]) == 0:
        return None
    return StreamSize(bottom - top, right - left, samples)
