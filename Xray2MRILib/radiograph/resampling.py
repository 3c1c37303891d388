"""Scaling pictures: exact area averages downwards, bilinear upwards, edge pixels repeated beyond the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def resample(
    picture: np.ndarray, start: tuple[float, float], extent: tuple[float, float], shape: tuple[int, int]
) -> np.ndarray:
    """A rectangle of a picture [H, W] as float32 of the given shape.

    ``start`` (row, column) is its top left corner and ``extent`` (rows, columns) its size, in pixels of the picture,
    where pixel 0 reaches from 0 to 1. The rectangle may lie partly or wholly beyond the picture.
    """
    rows, columns = (
        _weights(begin, length, count, available)
        for begin, length, count, available in zip(start, extent, shape, picture.shape, strict=True)
    )
    # only the rows that are used are converted: a radiograph may be 12,000 pixels high, the rectangle a tenth of it
    first, last = rows.indices.min(), rows.indices.max() + 1
    across = rows[:, first:last] @ picture[first:last].astype(np.float32, copy=False)
    return np.ascontiguousarray((columns @ across.T).T, dtype=np.float32)


def shrink(picture: np.ndarray, longest: int) -> np.ndarray:
    """The picture [H, W] with its longer edge reduced to ``longest`` pixels; smaller ones are returned as they are."""
    step = max(picture.shape) / longest
    if step <= 1:
        return np.asarray(picture, np.float32)
    rows, columns = (max(1, round(length / step)) for length in picture.shape)
    return resample(picture, (0.0, 0.0), picture.shape, (rows, columns))


def _weights(start: float, extent: float, count: int, length: int) -> csr_array:
    """Sparse [count, length]: each output pixel as a weighted mean of input pixels along one axis."""
    from scipy.sparse import csr_array

    step = extent / count
    output = np.arange(count)
    if step >= 1:
        begin = start + output * step
        source = np.floor(begin)[:, None] + np.arange(int(np.ceil(step)) + 1)
        overlap = np.minimum(source + 1, begin[:, None] + step) - np.maximum(source, begin[:, None])
        weight = np.clip(overlap, 0, None) / step
    else:
        centre = start + (output + 0.5) * step - 0.5
        source = np.floor(centre)[:, None] + np.arange(2)
        weight = 1 - np.abs(centre[:, None] - source)
    column = np.clip(source, 0, length - 1).astype(np.intp)
    row = np.broadcast_to(output[:, None], column.shape)
    used = weight.ravel() > 0
    entries = (weight.ravel()[used].astype(np.float32), (row.ravel()[used], column.ravel()[used]))
    return csr_array(entries, shape=(count, length))  # weights that fall on the same edge pixel add up
