"""Does the voxel-wise standard deviation over seeds predict the error?

The spread over seeds, sampled as in the paper, is the model's own estimate of its uncertainty given one radiograph. It
is useful if a larger spread means a larger error (Spearman), and calibrated if it is as large as the error (reliability
curve on the diagonal).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BINS = 10
_MOST_VOXELS = 300_000  # for the rank correlation; an even sample of the volume gives the same result


@dataclass(frozen=True)
class UncertaintyCalibration:
    """Result for one volume.

    ``spearman`` is the rank correlation of deviation and absolute error over voxels, NaN if either is constant.
    ``predicted`` and ``observed`` are [BINS] root mean square deviation and error in bins of equal size by deviation.
    ``ratio`` is observed divided by predicted for all voxels; above 1 the deviation underestimates the error.
    """

    spearman: float
    predicted: np.ndarray
    observed: np.ndarray
    ratio: float
    voxels: int


def uncertainty_calibration(
    reference: np.ndarray, image: np.ndarray, deviation: np.ndarray, mask: np.ndarray | None = None
) -> UncertaintyCalibration:
    """Calibration of a deviation [S, H, W] of an image against its reference, all in [0, 1] grey values.

    ``mask`` (e.g. leg_mask of the reference) excludes the air, where both deviation and error are small.
    Raises ValueError for different shapes or fewer than 100 voxels.
    """
    from scipy.stats import spearmanr

    if not np.shape(reference) == np.shape(image) == np.shape(deviation):
        raise ValueError("Reference, image and deviation must have the same shape.")
    chosen = np.ones(np.shape(reference), bool) if mask is None else np.asarray(mask, bool)
    error = np.abs(np.asarray(image, np.float64)[chosen] - np.asarray(reference, np.float64)[chosen])
    spread = np.asarray(deviation, np.float64)[chosen]
    if error.size < 100:
        raise ValueError(f"A calibration needs at least 100 voxels, not {error.size}.")
    step = max(error.size // _MOST_VOXELS, 1)
    constant = np.ptp(error) == 0 or np.ptp(spread) == 0
    spearman = float("nan") if constant else float(spearmanr(spread[::step], error[::step]).statistic)
    bins = np.array_split(np.argsort(spread, kind="stable"), BINS)
    predicted, observed = (
        np.array([np.sqrt(np.mean(values[part] ** 2)) for part in bins]) for values in (spread, error)
    )
    overall = float(np.sqrt(np.mean(spread**2)))
    ratio = float(np.sqrt(np.mean(error**2))) / overall if overall > 0 else float("inf")
    return UncertaintyCalibration(spearman, predicted, observed, ratio, int(error.size))
