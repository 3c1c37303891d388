"""What the header of a NIfTI-1 file says about its frame and length, read without ITK.

ITK takes 1 mm for a spacing of 0, axial slices for a file without frame, zeros for voxels that are cut off, and one of
two frames that contradict each other, all without a word. Fields and their places: nifti1.h of the NIfTI-1 standard.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from .volume_frame import FrameError, VolumeFrame, frame_from, no_frame, several_volumes

_HEADER_BYTES = 348
_MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
# share by which two statements of the same length may differ
_ROUNDING = 0.01


def is_nifti(head: bytes) -> bool:
    """Whether the first 348 bytes (unpacked) are a NIfTI-1 or Analyze header."""
    return len(head) >= _HEADER_BYTES and 348 in (struct.unpack_from("<i", head)[0], struct.unpack_from(">i", head)[0])


def read_head(path: Path, count: int = _HEADER_BYTES) -> bytes:
    """The first bytes of a file, unpacked where it is gzip."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    try:
        if packed:
            with gzip.open(path) as stream:
                return stream.read(count)
        with path.open("rb") as file:
            return file.read(count)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return b""


def nifti_frame(path: Path) -> VolumeFrame:
    """The frame of a NIfTI file of one volume, LPS.

    Raises FrameError for a file without frame, with a sheared or contradictory one, with voxels of no size, with
    several volumes, and for one that is cut.
    """
    head = read_head(path)
    if len(head) < _HEADER_BYTES:
        raise FrameError("is cut or damaged", "Copy the file again.")
    order = "<" if struct.unpack_from("<i", head)[0] == _HEADER_BYTES else ">"
    magic = head[344:348]
    if magic not in (b"n+1\0", b"ni1\0"):
        raise no_frame("an Analyze header knows no frame")
    dims = struct.unpack_from(f"{order}8h", head, 40)
    _check_size(dims)
    _check_length(path, head, order, dims, alone=magic == b"n+1\0")
    pixdim = struct.unpack_from(f"{order}8f", head, 76)
    if not np.isfinite(pixdim[1:4]).all() or min(np.abs(pixdim[1:4])) == 0:
        raise FrameError("has voxels of no size (pixdim)", "Convert the original series again with its geometry.")
    qform_code, sform_code = struct.unpack_from(f"{order}2h", head, 252)
    if qform_code <= 0 and sform_code <= 0:
        raise no_frame("neither qform nor sform is set")
    scale = _MM_PER_UNIT.get(head[123] & 7, 1.0)
    frames = []
    if sform_code > 0:
        rows = np.array(struct.unpack_from(f"{order}12f", head, 280), float).reshape(3, 4)
        frames.append(_in_lps(rows[:, :3], rows[:, 3], scale))
        _check_spacing(frames[0], np.abs(pixdim[1:4]) * scale)
    if qform_code > 0:
        frames.append(_in_lps(*_quaternion(struct.unpack_from(f"{order}6f", head, 256), pixdim), scale))
    if len(frames) == 1:
        return frames[0]
    _check_agreement(*frames)
    return replace(frames[0], other=frames[1])


def _check_size(dims: tuple[int, ...]) -> None:
    count = dims[0]
    if not 1 <= count <= 7 or min(dims[1 : 1 + count]) < 1:
        raise FrameError("is damaged: its header gives no size", "Copy the file again.")
    further = [size for size in dims[4 : 1 + count] if size > 1]
    if further:
        raise several_volumes(int(np.prod(further)))
    if count < 3:
        raise FrameError("is not a volume of at least 3 slices", "Give the whole series.")


def _check_length(path: Path, head: bytes, order: str, dims: tuple[int, ...], alone: bool) -> None:
    """All voxels are in the file; ITK fills up with zeros."""
    bits = struct.unpack_from(f"{order}h", head, 72)[0]
    voxels = int(np.prod([int(size) for size in dims[1 : 1 + dims[0]]])) * max(bits, 0) // 8
    start = int(struct.unpack_from(f"{order}f", head, 108)[0]) if alone else 0
    data = path if alone else next((one for one in _data_files(path) if one.is_file()), path)
    try:
        if data.read_bytes()[:2] == b"\x1f\x8b":
            found = 0
            with gzip.open(data) as stream:
                while block := stream.read(1 << 22):
                    found += len(block)
        else:
            found = data.stat().st_size
    except (OSError, EOFError, zlib.error):  # also gzip.BadGzipFile
        found = 0
    if found < start + voxels:
        raise FrameError("is cut: voxels are missing at its end", "Copy the file again.")


def _data_files(path: Path) -> list[Path]:
    stem = path.name.removesuffix(".gz").removesuffix(".hdr").removesuffix(".img")
    return [path.with_name(f"{stem}{ending}") for ending in (".img", ".img.gz")]


def _in_lps(matrix: np.ndarray, origin: np.ndarray, scale: float) -> VolumeFrame:
    """NIfTI counts to the right's opposite and to the front; LPS to the left and to the back."""
    to_lps = np.diag([-1.0, -1.0, 1.0])
    return frame_from(to_lps @ matrix * scale, to_lps @ origin * scale)


def _quaternion(values: tuple[float, ...], pixdim: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Matrix and origin of the qform (nifti1.h, method 2)."""
    b, c, d = (float(value) for value in values[:3])
    if not np.isfinite(values).all() or b * b + c * c + d * d > 1.0 + 1e-4:
        raise FrameError("has a damaged qform: its quaternion is none", "Convert the original series again.")
    rest = 1.0 - (b * b + c * c + d * d)
    a = np.sqrt(rest) if rest >= 1e-7 else 0.0
    if a == 0.0:  # half a turn: single precision leaves no room for the first part
        b, c, d = np.array((b, c, d)) / np.sqrt(b * b + c * c + d * d)
    turn = np.array([
        [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
        [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
        [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
    ])  # fmt: skip
    handed = -1.0 if pixdim[0] < 0 else 1.0
    return turn * np.array([*np.abs(pixdim[1:3]), abs(pixdim[3]) * handed]), np.array(values[3:6], float)


def _check_spacing(frame: VolumeFrame, pixdim: np.ndarray) -> None:
    if np.abs(np.array(frame.spacing) / pixdim - 1).max() > _ROUNDING:
        one, other = (" x ".join(f"{value:.3g}" for value in values) for values in (frame.spacing, pixdim))
        raise FrameError(
            f"contradicts itself: its voxels measure {one} mm by sform and {other} mm by pixdim",
            "Convert the original series again.",
        )


def _check_agreement(sform: VolumeFrame, qform: VolumeFrame) -> None:
    """Two frames may place a volume differently, but must not mirror or exchange its axes against each other."""
    relative = sform.direction @ qform.direction.T
    cosine = (np.trace(relative) - 1) / 2
    if np.linalg.det(relative) < 0 or cosine < np.cos(np.radians(45)):
        raise FrameError(
            "has two frames that contradict each other (qform and sform)", "Remove the wrong one, or convert again."
        )
