"""Intervals and paired tests against scipy, known coverage and hand calculation."""

from __future__ import annotations

import numpy as np
import pytest

from Xray2MRILib.benchmark.statistics import holm, interval, paired_tests


def test_the_interval_is_that_of_scipy() -> None:
    from scipy.stats import bootstrap

    values = np.random.default_rng(1).gamma(2.0, size=40)
    ours = interval(values, resamples=5000)
    theirs = bootstrap(
        (values,), np.median, n_resamples=5000, method="percentile", random_state=np.random.default_rng(0)
    ).confidence_interval
    assert ours.median == np.median(values)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=1e-12)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    found = [interval(rng.standard_normal(40), resamples=400) for _ in range(200)]
    assert 0.9 <= np.mean([i.low <= 0 <= i.high for i in found]) <= 0.99


def test_undefined_knees_are_counted_out() -> None:
    found = interval(np.array([1.0, np.nan, 3.0]))
    assert (found.median, found.knees) == (2.0, 2)
    assert interval(np.array([np.nan])).knees == 0


def test_paired_tests_against_scipy_and_their_direction() -> None:
    from scipy.stats import wilcoxon

    rng = np.random.default_rng(0)
    first = rng.normal(2.0, 0.3, 30)
    others = {"worse": first + rng.normal(0.5, 0.1, 30), "same": first + rng.normal(0, 0.1, 30), "itself": first.copy()}
    found = paired_tests(first, others, higher_is_closer=False)  # a distance: first is smaller, hence closer
    assert found["worse"].closer_share == 1.0
    assert found["worse"].difference < -0.4
    assert found["worse"].high < 0
    assert found["worse"].p_value == pytest.approx(wilcoxon(first - others["worse"]).pvalue)
    assert found["same"].p_value > 0.05
    assert (found["itself"].p_value, found["itself"].closer_share) == (1.0, 0.5)
    assert paired_tests(first, others, higher_is_closer=True)["worse"].closer_share == 0.0


def test_holm_by_hand() -> None:
    found = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": float("nan")})
    assert found["a"] == pytest.approx(0.03)
    assert found["c"] == pytest.approx(0.06)
    assert found["b"] == pytest.approx(0.06)  # never below the one before it
    assert np.isnan(found["d"])
