"""Where the voxels of a pseudo-MRI volume lie: the nominal frame of the OAI coronal FLASH protocol.

Source: the OAI protocol of Peterfy et al. 2008 (PMC3048821) and Table 1 of PMC5871621: 160 mm field, 80 slices of
1.5 mm, of which the model sees 50.
A radiograph has no 3-D pose, so the pose is nominal: the volume is centred at the origin and aligned with the body
axes, and distances in it are those of an average field of view, not measurements of this knee.

Two orders of the slices occur and every name here says which one it means:

- *depth order*, the model's: depth index 0 is the most posterior slice, index S-1 the most anterior one;
- *file order*, the volume's: file index 0 is the most anterior slice, because columns (patient right to left), rows
  (superior to inferior) and slices (anterior to posterior) make a right-handed frame.

Millimetres are LPS (x to the patient's left, y to posterior, z to superior), as in SimpleITK, NRRD and DICOM.
"""

from __future__ import annotations

import numpy as np

FIELD_OF_VIEW_MM = 160.0
EXTENT_MM = 73.5  # centre of the first slice to centre of the last one, whatever their number
SLICE_THICKNESS_MM = 1.5  # of the slices the model learnt from; equals the spacing for 50 slices only
# columns of the matrix are the axes: columns of the image to +x (left), rows to -z (inferior), slices to +y (posterior)
DIRECTION_LPS = (1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, -1.0, 0.0)


def slice_pitch_mm(num_slices: int) -> float:
    """Distance in mm between the centres of neighbouring slices: 73.5 / (S - 1). Raises ValueError for S < 2."""
    if num_slices < 2:
        raise ValueError(f"A volume needs at least 2 slices to have a spacing, not {num_slices}.")
    return EXTENT_MM / (num_slices - 1)


def spacing_mm(num_slices: int, rows: int = 256, columns: int = 256) -> tuple[float, float, float]:
    """Voxel spacing (x, y, z) in mm along columns, rows and slices; 0.625 mm in the plane at 256 x 256."""
    return (FIELD_OF_VIEW_MM / columns, FIELD_OF_VIEW_MM / rows, slice_pitch_mm(num_slices))


def origin_mm(num_slices: int, rows: int = 256, columns: int = 256) -> tuple[float, float, float]:
    """LPS position in mm of the centre of voxel (0, 0, 0) that puts the centre of the volume at (0, 0, 0)."""
    reach = [
        (count - 1) / 2 * step
        for count, step in zip((columns, rows, num_slices), spacing_mm(num_slices, rows, columns), strict=True)
    ]
    x, y, z = -(np.reshape(DIRECTION_LPS, (3, 3)) @ reach)
    return (float(x), float(y), float(z))


def affine_lps(num_slices: int, rows: int = 256, columns: int = 256) -> np.ndarray:
    """[4, 4] float64 matrix from voxel indices (column, row, slice in file order, 1) to LPS mm."""
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(DIRECTION_LPS, (3, 3)) * spacing_mm(num_slices, rows, columns)
    affine[:3, 3] = origin_mm(num_slices, rows, columns)
    return affine


def affine_ras(num_slices: int, rows: int = 256, columns: int = 256) -> np.ndarray:
    """[4, 4] float64 matrix from voxel indices to RAS mm, the convention of 3D Slicer and NIfTI."""
    return np.diag((-1.0, -1.0, 1.0, 1.0)) @ affine_lps(num_slices, rows, columns)


def depth_positions(num_slices: int) -> np.ndarray:
    """[S] depths u in depth order, evenly spaced from -1 (posterior) to +1 (anterior) (A4)."""
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
    return -u * EXTENT_MM / 2.0


def mm_to_depth(y_mm: float) -> float:
    """Depth u of an LPS y in mm, the inverse of depth_to_mm."""
    return -2.0 * y_mm / EXTENT_MM


def file_index(depth_index: int, num_slices: int) -> int:
    """Place in the file of a slice of the given depth index; the same rule leads back."""
    return num_slices - 1 - depth_index
