"""Correlation of neighbouring slices of one volume (the paper's Fig. 6), also over longer distances.

A higher value is not better: linear interpolation of real slices reaches 0.97, and a volume of 50 equal slices 1. The
relevant quantity is the distance from the reference's own curve. The value depends on the slice pitch, so only volumes
of equal pitch are comparable.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LAGS = tuple(range(1, 11))
_BLOCK = 64  # slices multiplied at once; limits memory for volumes of 500 slices


def slice_correlations(
    volume: np.ndarray, lags: Sequence[int] = LAGS, mask: np.ndarray | None = None
) -> dict[int, np.ndarray]:
    """Lag -> [S - lag] Pearson correlation of slices i and i + lag of a volume [S, H, W].

    ``mask`` ([S, H, W] bool, e.g. leg_mask) restricts it to the voxels in the masks of both slices. NaN where a slice
    is constant or fewer than two voxels remain. Lags longer than the volume are left out.
    """
    volume = np.asarray(volume)
    slices = len(volume)
    lags = [lag for lag in lags if 0 < lag < slices]
    found: dict[int, np.ndarray] = {lag: np.full(slices - lag, np.nan) for lag in lags}
    reach = max(lags, default=0)
    for start in range(0, slices, _BLOCK):
        part = slice(start, min(start + _BLOCK + reach, slices))
        matrix = _pearson_matrix(volume[part], None if mask is None else mask[part])
        for lag in lags:
            count = min(_BLOCK, slices - lag - start)
            if count > 0:
                found[lag][start : start + count] = np.diagonal(matrix, lag)[:count]
    return found


def _pearson_matrix(volume: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """[S, S] correlation of every slice with every other, over the voxels in both masks."""
    values = volume.reshape(len(volume), -1).astype(np.float64)
    inside = np.ones_like(values) if mask is None else mask.reshape(len(volume), -1).astype(np.float64)
    # subtract the mean first: products of large sums lose digits
    values = (values - values.mean()) * inside
    count = inside @ inside.T
    total, squares, products = values @ inside.T, values**2 @ inside.T, values @ values.T
    with np.errstate(divide="ignore", invalid="ignore"):
        covariance = products - total * total.T / count
        variance = squares - total**2 / count
        scale = np.sqrt(variance * variance.T)
        flat = (variance <= 1e-10 * count) | (variance.T <= 1e-10 * count) | (count < 2)
        return np.where(flat, np.nan, covariance / scale)


def adjacent_correlation(volume: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """[S - 1] Pearson correlation of each slice with the next; the paper reports their mean."""
    return slice_correlations(volume, (1,), mask)[1]


def lag_curve(volume: np.ndarray, lags: Sequence[int] = LAGS, mask: np.ndarray | None = None) -> dict[int, float]:
    """Lag -> mean correlation of slices at this distance; NaN if it is undefined for all of them."""
    found = slice_correlations(volume, lags, mask)
    return {
        lag: float(np.nanmean(values)) if np.isfinite(values).any() else float("nan") for lag, values in found.items()
    }
