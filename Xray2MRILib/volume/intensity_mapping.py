"""Mapping between grey values in [0, 1] and 16-bit integers on disk, the same for every volume (A16)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class IntensityMapping:
    """grey = stored * slope + intercept. Grey values are relative to the volume's own range, not physical units."""

    slope: float
    intercept: float

    def to_stored(self, grey: np.ndarray) -> np.ndarray:
        """The int16 integers nearest to the grey values (any shape); the error is at most half a slope."""
        return _map_by_slice(lambda part: np.rint((part - self.intercept) / self.slope), grey, np.int16)

    def to_grey(self, stored: np.ndarray) -> np.ndarray:
        """float32 grey values of stored integers (any shape)."""
        return _map_by_slice(lambda part: part * self.slope + self.intercept, stored, np.float32)


def _map_by_slice(mapping: Callable[[np.ndarray], np.ndarray], values: np.ndarray, dtype: type) -> np.ndarray:
    """Apply the mapping in double precision slice by slice, because a whole volume in it would need too much memory."""
    values = np.asarray(values)
    mapped: np.ndarray = np.empty(values.shape, dtype)
    for place in np.ndindex(values.shape[:1]):
        mapped[place] = mapping(values[place].astype(np.float64))
    return mapped


# 12 bits, as in scanner images; int16 because every program reads it
STORED_MAXIMUM = 4095
STANDARD_MAPPING = IntensityMapping(slope=1.0 / STORED_MAXIMUM, intercept=0.0)
