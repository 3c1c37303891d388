"""Statistics of methods on the same knees: bootstrap intervals over knees and paired tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Interval:
    """Median over knees with its 95 % interval and quartiles; NaN where no knee has a value."""

    median: float
    low: float
    high: float
    lower_quartile: float
    upper_quartile: float
    knees: int


@dataclass(frozen=True)
class PairedTest:
    """Comparison of the first method with another one on the same knees.

    Attributes
    ----------
    difference, low, high
        Median of the first method's value minus the other's, with its 95 % interval.
    closer_share
        Share of knees for which the first method is closer to the truth; ties count half.
    p_value, p_holm
        Wilcoxon's signed-rank test, two-sided, and the same after Holm's correction over all methods of the table.
    """

    difference: float
    low: float
    high: float
    closer_share: float
    p_value: float
    p_holm: float
    knees: int


def interval(values: np.ndarray, resamples: int = 2000, seed: int = 0) -> Interval:
    """Median of [knees] values with a percentile bootstrap interval; non-finite values are left out."""
    values = np.asarray(values, np.float64)
    values = values[np.isfinite(values)]
    if not values.size:
        nan = float("nan")
        return Interval(nan, nan, nan, nan, nan, 0)
    drawn = np.random.default_rng(seed).integers(0, values.size, (resamples, values.size))
    low, high = np.percentile(np.median(values[drawn], axis=1), (2.5, 97.5))
    quarter, middle, three = np.percentile(values, (25, 50, 75))
    return Interval(float(middle), float(low), float(high), float(quarter), float(three), values.size)


def paired_tests(
    first: np.ndarray, others: Mapping[str, np.ndarray], *, higher_is_closer: bool
) -> dict[str, PairedTest]:
    """Test the first method's [knees] values against every other method's, without knees with undefined values."""
    from scipy.stats import wilcoxon

    found: dict[str, PairedTest] = {}
    for name, values in others.items():
        both = np.isfinite(first) & np.isfinite(values)
        gap = np.asarray(first, np.float64)[both] - np.asarray(values, np.float64)[both]
        spread = interval(gap)
        gain = gap if higher_is_closer else -gap
        share = float(np.mean((gain > 0) + 0.5 * (gain == 0))) if gap.size else float("nan")
        p_value = float(wilcoxon(gap).pvalue) if np.count_nonzero(gap) > 0 else (1.0 if gap.size else float("nan"))
        found[name] = PairedTest(spread.median, spread.low, spread.high, share, p_value, p_value, gap.size)
    corrected = holm({name: test.p_value for name, test in found.items()})
    return {name: PairedTest(**{**test.__dict__, "p_holm": corrected[name]}) for name, test in found.items()}


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm's step-down correction; NaN stays NaN and is not counted as a test."""
    finite = sorted((p, name) for name, p in p_values.items() if np.isfinite(p))
    corrected, largest = dict(p_values), 0.0
    for rank, (p, name) in enumerate(finite):
        largest = max(largest, min(1.0, (len(finite) - rank) * p))
        corrected[name] = largest
    return corrected
