"""Comparable grey values: floating point in [0, 1], with one mapping for the whole volume.

A mapping per slice would remove the depth profile, and a mapping per pair would hide differences in contrast. Integers
wrap: 3 - 5 is 254 in unsigned 8-bit arithmetic (see psnr.paper_psnr_db).
"""

from __future__ import annotations

import numpy as np

PERCENTILES = (0.5, 99.5)  # the mapping of the training volumes (A16)


def unit_range(
    volume: np.ndarray, mask: np.ndarray | None = None, percentiles: tuple[float, float] = PERCENTILES
) -> np.ndarray:
    """The volume as float32 in [0, 1]: two percentiles are mapped to 0 and 1, the rest is clipped (A16).

    Parameters
    ----------
    volume
        [S, H, W], any number type and unit.
    mask
        Same shape, True where the volume has voxels; the percentiles are taken over these. None means everywhere.

    Raises ValueError when the voxels are constant or not finite.
    """
    volume = np.asarray(volume)
    chosen = volume if mask is None else volume[np.asarray(mask, bool)]
    if chosen.size == 0 or not np.isfinite(chosen).all():
        raise ValueError("The volume contains no voxels, or voxels that are not finite.")
    low, high = np.percentile(chosen, percentiles)
    if not high > low:
        low, high = float(chosen.min()), float(chosen.max())
    if not high > low:
        raise ValueError("All voxels of the volume have the same value.")
    return np.clip((volume.astype(np.float64) - low) / (high - low), 0.0, 1.0).astype(np.float32)


def check_pair(reference: np.ndarray, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Check both volumes (or slices) and convert them to float64.

    Raises TypeError for integers (they wrap, and their range is unknown here), ValueError for different shapes or grey
    values outside [0, 1].
    """
    pair = []
    for what, array in (("reference", reference), ("image", image)):
        array = np.asarray(array)
        if not np.issubdtype(array.dtype, np.floating):
            raise TypeError(f"The {what} is {array.dtype}; map it to [0, 1] first, e.g. with unit_range.")
        array = array.astype(np.float64, copy=False)
        if array.size and not (array.min() >= -1e-6 and array.max() <= 1 + 1e-6):
            raise ValueError(f"Grey values of the {what} must lie in [0, 1], not [{array.min():g}, {array.max():g}].")
        pair.append(array)
    if pair[0].shape != pair[1].shape:
        raise ValueError(f"The reference has the shape {pair[0].shape}, but the image has the shape {pair[1].shape}.")
    return pair[0], pair[1]
