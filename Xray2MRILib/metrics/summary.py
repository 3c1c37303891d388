"""One figure for a volume from one per slice: the median, with its spread and what could not be measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Summary:
    """Median and quartiles of the defined slices; NaN without any. ``undefined`` of ``slices`` had no value."""

    median: float
    lower_quartile: float
    upper_quartile: float
    slices: int
    undefined: int


def summarise(values: np.ndarray) -> Summary:
    """Summary of [S] values per slice, NaN meaning undefined."""
    values = np.asarray(values, np.float64)
    defined = values[np.isfinite(values)]
    low, middle, high = np.percentile(defined, (25, 50, 75)) if defined.size else (np.nan,) * 3
    return Summary(float(middle), float(low), float(high), values.size, int(values.size - defined.size))
