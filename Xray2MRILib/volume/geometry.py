"""Geometry of a pseudo-MRI volume, and the position of the radiograph's joint crop in it.

This file defines every number of the field of view; all other files import them (a test guards this). It needs no
package at import time, so that the command line's parser and 3D Slicer can import it.

Source: the OAI protocol of Peterfy et al. 2008 (PMC3048821) and Table 1 of PMC5871621: 160 mm field, 80 slices of
1.5 mm; the model uses 50 of them.
A radiograph has no 3-D pose, so the pose is nominal: the volume is centred at the origin and aligned with the body
axes. Distances in it are those of an average field of view, not measurements of the patient's knee.

There are two orders of the slices; every name here states which one it means:

- *depth order*, the model's: depth index 0 is the most posterior slice, index S-1 the most anterior one;
- *file order*, the volume's: file index 0 is the most anterior slice, because columns (patient right to left), rows
  (superior to inferior) and slices (anterior to posterior) make a right-handed frame.

Millimetres are LPS (x to the patient's left, y to posterior, z to superior), as in SimpleITK, NRRD and DICOM.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class SliceField:
    """The field of view of coronal slices.

    Attributes
    ----------
    width_mm, pixels
        Edge of the square field, and its rows and columns.
    num_slices, slice_thickness_mm
        Number and thickness of the training slices, which have no gaps. Only a volume with this number of slices has a
        pitch equal to the thickness.
    joint_row
        Nominal row of the joint line; it is in rows 148 to 157 in the paper's figures.
    """

    width_mm: float = 160.0
    pixels: int = 256
    num_slices: int = 50
    slice_thickness_mm: float = 1.5
    joint_row: float = 152.0

    @property
    def pixel_mm(self) -> float:
        """Edge of a pixel, 0.625 mm."""
        return self.width_mm / self.pixels

    @property
    def extent_mm(self) -> float:
        """Distance between the centres of the first and the last slice, 73.5 mm for any number of slices."""
        return (self.num_slices - 1) * self.slice_thickness_mm

    @property
    def slice_shape(self) -> tuple[int, int]:
        """Rows and columns of a slice."""
        return (self.pixels, self.pixels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows and columns of a training volume."""
        return (self.num_slices, *self.slice_shape)


@dataclass(frozen=True)
class CropFrame:
    """Position of the radiograph's joint crop in the field of the slices.

    A radiograph does not show the size of the knee in mm, so the frame is nominal: each position in the crop and the
    same position in the slices show the same point of the knee, up to the divergence of the rays and the flexion.

    Attributes
    ----------
    span_mm
        Edge of the crop in mm of the field. At 91 mm a tibial plateau of about 76 mm, with magnification, fills 0.84 of
        the crop, as on real radiographs.
    centre
        (row, column) of its centre in the field. With row 141 the joint line, 7 mm below the centre of the crop, falls
        on ``SliceField.joint_row``.
    pixels
        Rows and columns of the crop itself.
    """

    span_mm: float = 91.0
    centre: tuple[float, float] = (141.0, 128.0)
    pixels: int = 256

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channel, rows and columns of the crop."""
        return (1, self.pixels, self.pixels)

    def span_px(self, field: SliceField) -> float:
        """Edge of the crop in pixels of the field."""
        return self.span_mm / field.width_mm * field.pixels


OAI_FIELD = SliceField()
CROP_FRAME = CropFrame()
# columns of the matrix are the axes: columns of the image to +x (left), rows to -z (inferior), slices to +y (posterior)
DIRECTION_LPS = (1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, -1.0, 0.0)


def slice_pitch_mm(num_slices: int) -> float:
    """Distance in mm between the centres of neighbouring slices: 73.5 / (S - 1). Raises ValueError for S < 2."""
    if num_slices < 2:
        raise ValueError(f"A volume needs at least 2 slices to have a spacing, not {num_slices}.")
    return OAI_FIELD.extent_mm / (num_slices - 1)


def spacing_mm(
    num_slices: int, rows: int = OAI_FIELD.pixels, columns: int = OAI_FIELD.pixels
) -> tuple[float, float, float]:
    """Voxel spacing (x, y, z) in mm along columns, rows and slices; 0.625 mm in the plane at 256 x 256."""
    return (OAI_FIELD.width_mm / columns, OAI_FIELD.width_mm / rows, slice_pitch_mm(num_slices))


def origin_mm(
    num_slices: int, rows: int = OAI_FIELD.pixels, columns: int = OAI_FIELD.pixels
) -> tuple[float, float, float]:
    """LPS position in mm of the centre of voxel (0, 0, 0); the centre of the volume is at (0, 0, 0) mm."""
    import numpy as np

    reach = [
        (count - 1) / 2 * step
        for count, step in zip((columns, rows, num_slices), spacing_mm(num_slices, rows, columns), strict=True)
    ]
    x, y, z = -(np.reshape(DIRECTION_LPS, (3, 3)) @ reach)
    return (float(x), float(y), float(z))


def affine_lps(num_slices: int, rows: int = OAI_FIELD.pixels, columns: int = OAI_FIELD.pixels) -> np.ndarray:
    """[4, 4] float64 matrix from voxel indices (column, row, slice in file order, 1) to LPS mm."""
    import numpy as np

    affine = np.eye(4)
    affine[:3, :3] = np.reshape(DIRECTION_LPS, (3, 3)) * spacing_mm(num_slices, rows, columns)
    affine[:3, 3] = origin_mm(num_slices, rows, columns)
    return affine


def affine_ras(num_slices: int, rows: int = OAI_FIELD.pixels, columns: int = OAI_FIELD.pixels) -> np.ndarray:
    """[4, 4] float64 matrix from voxel indices to RAS mm, the convention of 3D Slicer and NIfTI."""
    import numpy as np

    return np.diag((-1.0, -1.0, 1.0, 1.0)) @ affine_lps(num_slices, rows, columns)


def depth_positions(num_slices: int) -> np.ndarray:
    """[S] depths u in depth order, evenly spaced from -1 (posterior) to +1 (anterior) (A4)."""
    import numpy as np

    slice_pitch_mm(num_slices)
    return np.linspace(-1.0, 1.0, num_slices)


def depth_to_index(u: float, num_slices: int) -> float:
    """Depth index (fractional, depth order) of depth u."""
    return (u + 1.0) / 2.0 * (num_slices - 1)


def index_to_depth(depth_index: float, num_slices: int) -> float:
    """Depth u in [-1, 1] of a depth index, the inverse of depth_to_index."""
    return 2.0 * depth_index / (num_slices - 1) - 1.0


def depth_to_mm(u: float) -> float:
    """LPS y in mm of depth u: +36.75 (posterior) at -1, -36.75 (anterior) at +1."""
    return -u * OAI_FIELD.extent_mm / 2.0


def mm_to_depth(y_mm: float) -> float:
    """Depth u of an LPS y in mm, the inverse of depth_to_mm."""
    return -2.0 * y_mm / OAI_FIELD.extent_mm


def file_index(depth_index: int, num_slices: int) -> int:
    """File index of a depth index; the function is its own inverse."""
    return num_slices - 1 - depth_index
