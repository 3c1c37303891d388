"""Common grid in mm of radiograph and volume: the square of the joint crop at nominal size, 182 x 182 cells of 0.5 mm.

x runs along the columns (in right-knee space, where the lateral side has negative x), z along the rows from superior to
inferior. The origin is the centre of the crop, see volume.geometry.CropFrame.
"""

from __future__ import annotations

import numpy as np

from ..radiograph.resampling import resample
from ..volume.geometry import CROP_FRAME, OAI_FIELD

GRID_MM = 0.5
SPAN_MM = CROP_FRAME.span_mm
COUNT = round(SPAN_MM / GRID_MM)


def axis_mm() -> np.ndarray:
    """[182] float: x of the grid's columns, or z of its rows, in mm."""
    return (np.arange(COUNT) + 0.5) * GRID_MM - SPAN_MM / 2


def index_of(mm: float) -> int:
    """The column nearest to x = ``mm``, or the row nearest to z = ``mm``, clipped to the grid."""
    return int(np.clip(round((mm + SPAN_MM / 2) / GRID_MM - 0.5), 0, COUNT - 1))


def radiograph_on_grid(crop: np.ndarray) -> np.ndarray:
    """Resample the prepared joint crop [H, H] to the grid, [182, 182] float32.

    Raises ValueError for a crop that is not square.
    """
    crop = np.asarray(crop, np.float32)
    if crop.ndim != 2 or crop.shape[0] != crop.shape[1]:
        raise ValueError(f"The joint crop must be square, not {crop.shape}.")
    return resample(crop, (0.0, 0.0), crop.shape, (COUNT, COUNT))


def volume_on_grid(slices: np.ndarray) -> np.ndarray:
    """Resample slices [S, 256, 256] in right-knee space to the grid, [S, 182, 182] float32.

    Raises ValueError for slices of another size.
    """
    slices = np.asarray(slices, np.float32)
    if slices.ndim != 3 or slices.shape[1:] != OAI_FIELD.slice_shape:
        raise ValueError(f"Slices must be [S, {OAI_FIELD.pixels}, {OAI_FIELD.pixels}], not {slices.shape}.")
    extent = CROP_FRAME.span_px(OAI_FIELD)
    row, column = CROP_FRAME.centre
    start = (row - extent / 2, column - extent / 2)
    return np.stack([resample(image, start, (extent, extent), (COUNT, COUNT)) for image in slices])
