"""The header of a NIfTI file, as far as its pixels' number of bytes and the angle between its axes need it."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

_NIFTI_2 = 540
_SFORM_USED = range(1, 10)


class NiftiHeader(NamedTuple):
    """``size`` along each axis, ``datatype`` and ``bits`` of one stored voxel, ``start`` of the pixels in bytes.

    ``sform`` and ``qform`` say whether each frame is in use, ``columns`` are the three axes of the sform.
    """

    size: tuple[int, ...]
    datatype: int
    bits: int
    start: int
    sform: bool
    qform: bool
    columns: tuple[tuple[float, ...], ...]

    def promised_bytes(self) -> int:
        """Length of the file, uncompressed, with all pixels."""
        return self.start + math.prod(self.size) * self.bits // 8

    def angle(self) -> float | None:
        """Degrees between two axes of the sform, those farthest from 90; None when an axis has no length."""
        lengths = [math.hypot(*column) for column in self.columns]
        if not all(math.isfinite(length) and length > 0 for length in lengths):
            return None
        worst = 90.0
        for first, second in ((0, 1), (0, 2), (1, 2)):
            product = sum(a * b for a, b in zip(self.columns[first], self.columns[second], strict=True))
            angle = math.degrees(math.acos(max(-1.0, min(1.0, product / lengths[first] / lengths[second]))))
            worst = max(worst, angle, key=lambda degrees: abs(degrees - 90))
        return worst


def read_nifti_header(path: Path) -> NiftiHeader:
    """The header of a NIfTI-1 or NIfTI-2 file, compressed or not. Raises ValueError for another or a cut one."""
    head = _start(path)
    try:
        order = "<" if struct.unpack_from("<i", head)[0] in (348, _NIFTI_2) else ">"
        second = struct.unpack_from(f"{order}i", head)[0] == _NIFTI_2
        if second:
            axes, *lengths = struct.unpack_from(f"{order}8q", head, 16)
            (datatype, bits), (start,) = (
                struct.unpack_from(f"{order}2h", head, 12),
                struct.unpack_from(f"{order}q", head, 168),
            )
            qform, sform = struct.unpack_from(f"{order}2i", head, 344)
            rows = [struct.unpack_from(f"{order}4d", head, 400 + 32 * row) for row in range(3)]
        else:
            axes, *lengths = struct.unpack_from(f"{order}8h", head, 40)
            (datatype, bits), (start,) = (
                struct.unpack_from(f"{order}2h", head, 70),
                struct.unpack_from(f"{order}f", head, 108),
            )
            qform, sform = struct.unpack_from(f"{order}2h", head, 252)
            rows = [struct.unpack_from(f"{order}4f", head, 280 + 16 * row) for row in range(3)]
    except (struct.error, OverflowError, ValueError) as error:
        raise ValueError(str(error)) from None
    if not 1 <= axes <= 7 or bits < 1:
        raise ValueError("no NIfTI header")
    size = tuple(max(1, length) for length in lengths[:axes])
    columns = tuple(tuple(row[axis] for row in rows) for axis in range(3))
    return NiftiHeader(size, datatype, bits, int(start), sform in _SFORM_USED, qform in _SFORM_USED, columns)


def _start(path: Path) -> bytes:
    with path.open("rb") as stream:
        head = stream.read(_NIFTI_2)
    if head.startswith(b"\x1f\x8b"):
        try:
            with gzip.open(path) as packed:
                return packed.read(_NIFTI_2)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(str(error)) from None
    return head
