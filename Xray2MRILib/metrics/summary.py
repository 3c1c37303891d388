"""Summary of per-slice values of a volume: the median, its spread and the number of undefined slices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Summary:
    """Median and quartiles over the defined slices; NaN without any. ``undefined`` of ``slices`` have no value."""

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
