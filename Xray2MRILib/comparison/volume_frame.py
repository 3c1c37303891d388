"""The frame of a volume file: how its voxels lie in the patient, as its header says, and what is wrong with that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# how far the axes may be from right angles and unit length: 0.06 degrees, more than single precision ever is
_SHEARED = 1e-3


class FrameError(Exception):
    """Why a file's frame cannot be used: a clause that follows "The reference NAME", and what to do."""

    def __init__(self, clause: str, hint: str) -> None:
        super().__init__(clause)
        self.clause = clause
        self.hint = hint


@dataclass(frozen=True)
class VolumeFrame:
    """Spacing in mm, direction cosines [3, 3] with the axes as columns, and origin; LPS.

    ``other`` is a second frame that the header holds, turned or moved against the first one.
    """

    spacing: tuple[float, float, float]
    direction: np.ndarray
    origin: tuple[float, float, float]
    other: VolumeFrame | None = None


def no_frame(what: str) -> FrameError:
    """The fault of a file that does not say how it lies in the patient."""
    return FrameError(
        f"does not say how it lies in the patient ({what})",
        "Convert the original DICOM series again with its geometry.",
    )


def several_volumes(count: int) -> FrameError:
    """The fault of a file that holds more than one volume."""
    return FrameError(
        f"holds {count} volumes instead of one",
        "Save one of them as a file of its own, for example in 3D Slicer, and give that.",
    )


def frame_from(matrix: np.ndarray, origin: Sequence[float]) -> VolumeFrame:
    """The frame of a matrix [3, 3] whose columns are steps from voxel to voxel in mm, LPS.

    Raises FrameError for steps of no length and for axes that are not at right angles to each other.
    """
    if not np.isfinite(matrix).all() or not np.isfinite(origin).all():
        raise FrameError("has a frame with values that are not numbers", "Convert the original series again.")
    lengths = np.linalg.norm(matrix, axis=0)
    if lengths.min() <= 0:
        raise FrameError("has voxels of no size (spacing 0)", "Convert the original series again with its geometry.")
    direction = matrix / lengths
    check_right_angles(direction)
    return VolumeFrame(
        (float(lengths[0]), float(lengths[1]), float(lengths[2])),
        direction,
        (float(origin[0]), float(origin[1]), float(origin[2])),
    )


def check_right_angles(direction: np.ndarray) -> None:
    """Raise FrameError unless the columns [3, 3] are unit vectors at right angles; either handedness will do."""
    product = direction.T @ direction
    if np.abs(product - np.eye(3)).max() <= _SHEARED:
        return
    across = np.abs(product - np.diag(np.diag(product))).max()
    angle = float(np.degrees(np.arcsin(min(across, 1.0))))
    raise FrameError(
        f"has a sheared frame: its axes are {angle:.1f} degrees away from right angles"
        if across > _SHEARED
        else "has axes that are not of unit length",
        "Resample it to a box with right angles, for example in 3D Slicer.",
    )
