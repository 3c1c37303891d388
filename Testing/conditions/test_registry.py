"""The registry of conditions: vectors that a network can take, against values worked out by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Xray2MRILib.conditions.registry import (
    AGE_CENTRES,
    BMI_CENTRES,
    READINGS,
    REGISTRY,
    condition,
    encode_readings,
    encode_told,
    told_conditions,
)
from Xray2MRILib.errors import InputError


@pytest.mark.parametrize("name", list(REGISTRY))
def test_every_vector_has_its_size_and_adds_up_to_one(name: str) -> None:
    one = condition(name)
    values = {"p": 2, "i": [1 / 64] * 64, "age": 47, "sex": "woman", "bmi": 31.2, "r": {"XROSFM": 2}}
    for vector in (one.vector(values[name]), one.vector(None)):
        assert len(vector) == one.size
        assert min(vector) >= 0
        assert sum(vector) == pytest.approx(1)
    assert one.meaning
    assert one.source


@given(st.floats(18, 100))
def test_an_age_lies_between_its_two_neighbours(years: float) -> None:
    """The mean of the centres, weighted by the shares, is the age: nothing is lost between the centres."""
    vector = condition("age").vector(years)
    inside = min(max(years, AGE_CENTRES[0]), AGE_CENTRES[-1])
    assert sum(share * centre for share, centre in zip(vector, AGE_CENTRES, strict=True)) == pytest.approx(inside)
    assert sum(share > 0 for share in vector) <= 2


def test_known_vectors() -> None:
    assert condition("sex").vector("woman") == (1.0, 0.0)
    assert condition("sex").vector(None) == (0.5, 0.5)
    assert condition("bmi").vector(BMI_CENTRES[2]) == (0, 0, 1, 0, 0, 0, 0)
    assert condition("bmi").vector(28) == pytest.approx((0, 0, 0.5, 0.5, 0, 0, 0))
    assert condition("p").vector(3) == (0, 0, 0, 1, 0)
    unread = encode_readings({})
    read = encode_readings({"XROSFM": 3})
    # the first reading has the levels 0 to 3 and "not read"
    assert unread[:5] == pytest.approx((0, 0, 0, 0, 1 / len(READINGS)))
    assert read[:5] == pytest.approx((0, 0, 0, 1 / len(READINGS), 0))
    assert read[5:] == unread[5:]


@pytest.mark.parametrize(
    ("name", "value"),
    [("age", 17), ("age", "old"), ("age", True), ("sex", "both"), ("bmi", 4), ("bmi", float("nan")), ("r", {"X": 1}),
     ("r", {"XROSFM": 9})],
)  # fmt: skip
def test_impossible_values_are_refused_in_a_sentence(name: str, value: object) -> None:
    with pytest.raises(InputError) as caught:
        condition(name).vector(value)
    assert caught.value.hint
    assert "\n" not in caught.value.sentence()


def test_unknown_names_are_refused() -> None:
    with pytest.raises(InputError, match="no condition named 'weight'"):
        condition("weight")
    assert told_conditions(("p", "i", "sex", "other")) == ["sex"]
    assert encode_told(("p", "sex", "age"), {"sex": "man"}) == {"sex": (0.0, 1.0), "age": (1 / 8,) * 8}


def test_the_registry_needs_the_standard_library_alone() -> None:
    """3D Slicer's Python and the parser of the command import it."""
    script = (
        "import sys; import Xray2MRILib.conditions.registry; "
        "assert not {'numpy', 'torch', 'diffusers'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).resolve().parents[2])
