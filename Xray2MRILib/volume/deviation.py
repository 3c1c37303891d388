"""Voxel-wise standard deviation of volumes that come one after the other."""

from __future__ import annotations

import numpy as np


class RunningDeviation:
    """Mean and squares after Welford (1962): two volumes in memory, however many are added.

    Starts with the first volume [S, H, W], float32.
    """

    def __init__(self, first: np.ndarray) -> None:
        self._count, self._mean, self._squares = 1, first.copy(), np.zeros_like(first)

    def add(self, volume: np.ndarray) -> None:
        """Take another volume of the same shape into account."""
        self._count += 1
        difference = volume - self._mean
        self._mean += difference / self._count
        self._squares += difference * (volume - self._mean)

    def value(self) -> np.ndarray:
        """The deviation [S, H, W], with one degree of freedom taken off. Needs two volumes."""
        return np.sqrt(self._squares / (self._count - 1))
