"""Condition i of the paper: the grey-level distribution of the prepared radiograph (A6)."""

from __future__ import annotations

import numpy as np

from ..radiograph.collimation import collimated_margins

BINS = 64


def intensity_histogram(image: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Distribution of the grey levels of a prepared crop.

    Parameters
    ----------
    image
        [1, H, W] or [H, W] in [-1, 1] from ``preparation.joint_crop``. Values outside count in the first or last bin.
    bins
        Number of equal bins over [-1, 1].

    Returns
    -------
    float32 [bins], summing to 1. Black collimated margins are excluded, unless the whole image is black.
    Raises ValueError for an image of another shape.
    """
    image = np.asarray(image, np.float32)
    image = image[0] if image.ndim == 3 and len(image) == 1 else image
    if image.ndim != 2 or image.size == 0:
        raise ValueError(f"The image must have the shape [1, H, W], not {list(image.shape)}.")
    shown = image[~collimated_margins(image)]
    values = np.clip(shown if shown.size else image.ravel(), -1.0, 1.0)
    counts, _ = np.histogram(values, bins=bins, range=(-1.0, 1.0))
    return (counts / counts.sum()).astype(np.float32)
