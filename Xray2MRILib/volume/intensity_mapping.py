"""From grey values in [0, 1] to 16-bit integers on disk and back, one mapping for every volume (A16)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class IntensityMapping:
    """grey = stored * slope + intercept. Grey values are relative to the volume's own range, not physical units."""

    slope: float
    intercept: float

    def to_stored(self, grey: np.ndarray) -> np.ndarray:
        """int16 integers nearest to the grey values (any shape); the error is at most half a slope."""
        return np.rint((np.asarray(grey, np.float64) - self.intercept) / self.slope).astype(np.int16)

    def to_grey(self, stored: np.ndarray) -> np.ndarray:
        """float32 grey values of stored integers (any shape)."""
        return (np.asarray(stored, np.float64) * self.slope + self.intercept).astype(np.float32)


# 12 bits, the depth of a scanner's own images; int16 because every reader knows it
STORED_MAXIMUM = 4095
STANDARD_MAPPING = IntensityMapping(slope=1.0 / STORED_MAXIMUM, intercept=0.0)
