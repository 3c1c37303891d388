"""Voxel-wise standard deviation of volumes that are computed one after another."""

from __future__ import annotations

import numpy as np


class RunningDeviation:
    """Running mean and squares after Welford (1962); keeps two volumes in memory for any number of samples.

    Starts with the first volume [S, H, W], float32.
    """

    def __init__(self, first: np.ndarray) -> None:
        self._count, self._mean, self._squares = 1, first.copy(), np.zeros_like(first)

    def add(self, volume: np.ndarray) -> None:
        """Add another volume of the same shape."""
        self._count += 1
        difference = volume - self._mean
        self._mean += difference / self._count
        self._squares += difference * (volume - self._mean)

    def value(self) -> np.ndarray:
        """The sample standard deviation [S, H, W] (divisor n - 1). Needs at least two volumes."""
        return np.sqrt(self._squares / (self._count - 1))
