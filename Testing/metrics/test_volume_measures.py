"""Adjacent-slice correlation, Sobel differences, specificity and uncertainty calibration against numpy and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from Xray2MRILib.metrics.adjacent_correlation import adjacent_correlation, lag_curve, slice_correlations
from Xray2MRILib.metrics.leg_mask import leg_mask
from Xray2MRILib.metrics.sobel_difference import one_sided_sobel_difference, signed_sobel_difference
from Xray2MRILib.metrics.specificity import specificity
from Xray2MRILib.metrics.summary import summarise
from Xray2MRILib.metrics.uncertainty_calibration import uncertainty_calibration


def test_correlation_is_that_of_numpy():
    volume = np.random.default_rng(0).random((80, 12, 12)) + np.linspace(0, 3, 80)[:, None, None]
    found = slice_correlations(volume, (1, 5))
    for lag, values in found.items():
        expected = [np.corrcoef(volume[i].ravel(), volume[i + lag].ravel())[0, 1] for i in range(80 - lag)]
        assert values == pytest.approx(expected, abs=1e-9)


def test_correlation_within_a_mask():
    rng = np.random.default_rng(1)
    volume, mask = rng.random((6, 20, 20)), rng.random((6, 20, 20)) > 0.4
    for i, value in enumerate(adjacent_correlation(volume, mask)):
        both = mask[i] & mask[i + 1]
        assert value == pytest.approx(np.corrcoef(volume[i][both], volume[i + 1][both])[0, 1], abs=1e-9)


def test_flat_slices_have_no_correlation():
    volume = np.random.default_rng(0).random((5, 10, 10))
    volume[2] = 0.3
    assert np.isnan(adjacent_correlation(volume)).tolist() == [False, True, True, False]
    assert np.isnan(list(lag_curve(np.zeros((4, 8, 8))).values())).all()


def test_higher_is_not_better(knee):
    """Interpolated slices correlate better than real ones, equal slices best of all."""
    real = lag_curve(knee)
    between = (knee[:-1] + knee[1:]) / 2
    assert real[1] < lag_curve(between)[1] < lag_curve(np.repeat(knee[25:26], 12, 0))[1] == pytest.approx(1)
    assert list(real.values()) == sorted(real.values(), reverse=True)
    masked = lag_curve(knee, mask=leg_mask(knee))
    assert masked[1] < real[1], "the air around the leg is alike everywhere"


def test_leg_mask_holds_the_dark_marrow(knee):
    mask = leg_mask(knee)
    assert mask[30, 100, 128]
    assert not mask[30, 128, 5]
    assert 0.15 < mask[25].mean() < 0.8


def test_sobel_signs():
    plain, square = np.zeros((1, 32, 32)), np.zeros((1, 32, 32))
    square[0, 8:24, 8:24] = 1.0
    invented, missing = signed_sobel_difference(plain, square), signed_sobel_difference(square, plain)
    assert invented.max() > 0.5
    assert invented.min() == 0
    assert (missing == -invented).all()
    # the paper's form sees what is invented and is blind for what is missing
    assert (one_sided_sobel_difference(plain, square) == invented).all()
    assert not one_sided_sobel_difference(square, plain).any()


def test_specificity_by_hand():
    scores = np.array([[1, 2, 3], [1, 2, 3], [5, 4, 3]], float)  # distances
    found = specificity(scores, higher_is_closer=False)
    assert found.rank_1 == pytest.approx(2 / 3)
    assert found.auc == pytest.approx((2 + 1 + 2) / 6)
    assert specificity(-scores, higher_is_closer=True) == found


def test_specificity_of_volumes_that_ignore_the_radiograph():
    rng = np.random.default_rng(0)
    same_for_all = np.tile(rng.random(20), (20, 1))
    found = specificity(same_for_all, higher_is_closer=True)
    assert found.auc == pytest.approx(0.5)
    assert found.rank_1 == pytest.approx(1 / 20)
    assert specificity(np.ones((4, 4)), higher_is_closer=True).rank_1 == pytest.approx(1 / 4)
    assert specificity(np.eye(6), higher_is_closer=True).auc_interval == (1.0, 1.0)
    with pytest.raises(ValueError, match="finite"):
        specificity(np.full((3, 3), np.nan), higher_is_closer=True)


def test_calibration_of_an_honest_and_of_a_useless_deviation():
    rng = np.random.default_rng(0)
    shape = (4, 60, 60)
    deviation = rng.uniform(0.01, 0.1, shape)
    reference = np.full(shape, 0.5)
    image = reference + deviation * rng.standard_normal(shape)
    honest = uncertainty_calibration(reference, image, deviation)
    assert honest.spearman == pytest.approx(spearmanr(deviation.ravel(), np.abs(image - reference).ravel()).statistic)
    assert honest.spearman > 0.3
    assert honest.observed == pytest.approx(honest.predicted, rel=0.12)
    assert honest.ratio == pytest.approx(1, abs=0.05)
    assert uncertainty_calibration(reference, image, deviation / 4).ratio == pytest.approx(4, abs=0.2)
    useless = uncertainty_calibration(reference, image, rng.permutation(deviation.ravel()).reshape(shape))
    assert abs(useless.spearman) < 0.03
    assert np.isnan(uncertainty_calibration(reference, image, np.full(shape, 0.1)).spearman)


def test_summary_counts_what_is_undefined():
    found = summarise(np.array([1.0, np.nan, 3.0, 2.0, np.nan]))
    assert (found.median, found.undefined, found.slices) == (2.0, 2, 5)
    assert np.isnan(summarise(np.full(3, np.nan)).median)
