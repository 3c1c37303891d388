"""Grade probabilities: accepted forms and refusals."""

from __future__ import annotations

import math

import pytest

from Xray2MRILib.conditions.koa_probabilities import KoaProbabilities
from Xray2MRILib.errors import InputError


def test_reader_grade_is_one_hot_or_smeared_to_its_neighbours():
    assert KoaProbabilities.reader(3).values == (0, 0, 0, 1, 0)
    assert KoaProbabilities.reader(2, smear=0.4).values == pytest.approx((0, 0.2, 0.6, 0.2, 0))
    assert KoaProbabilities.reader(0, smear=0.4).values == pytest.approx((0.6, 0.4, 0, 0, 0))
    assert KoaProbabilities.reader(4).source == "reader"


def test_given_probabilities_are_rescaled_to_sum_one():
    p = KoaProbabilities.given([0.1, 0.2, 0.3, 0.3, 0.09])
    assert sum(p.values) == pytest.approx(1, abs=1e-12)
    assert p.values[1] == pytest.approx(0.2 / 0.99)
    assert p.grade == 2


def test_uniform_is_named_as_such():
    assert KoaProbabilities.uniform() == KoaProbabilities((0.2,) * 5, "uniform")


@pytest.mark.parametrize(
    "values",
    [[1], [0.2] * 6, [0.5, 0.5, 0.5, 0, 0], [-0.1, 1.1, 0, 0, 0], [math.nan, 1, 0, 0, 0], ["a", 1, 0, 0, 0], [0] * 5],
)
def test_bad_probabilities_are_refused(values):
    with pytest.raises(InputError) as refusal:
        KoaProbabilities.given(values)
    assert refusal.value.code == "bad-probabilities"


@pytest.mark.parametrize(("grade", "smear"), [(5, 0), (-1, 0), (2.5, 0), ("2", 0), (True, 0), (2, 1.0), (2, -0.1)])
def test_bad_grades_are_refused(grade, smear):
    with pytest.raises(InputError):
        KoaProbabilities.reader(grade, smear)
