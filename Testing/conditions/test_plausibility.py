"""Plausibility of whole films: real knees pass, everything else gets a reason that a reader understands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from Xray2MRILib.conditions.plausibility import assess_plausibility
from Xray2MRILib.localization.knee_box import KneeBox
from Xray2MRILib.radiograph.preparation import normalise_crop
from Xray2MRILib.training.boxed_films import read_grey
from Xray2MRILib.training.graded_radiographs import box_crop
from Xray2MRILib.training.implausible_films import hand

FILMS = Path(__file__).parents[1] / "localization" / "films"
BOXES = json.loads((FILMS.parent / "knee_boxes.json").read_text(encoding="utf-8"))["films"]


@pytest.fixture(scope="module")
def film(knee_film: Path) -> np.ndarray:
    return read_grey(knee_film).astype(np.float32)


@pytest.fixture(scope="module")
def box(knee_film: Path) -> KneeBox:
    return next(KneeBox(*film["knees"][0]["box"], 1.0) for film in BOXES if film["file"] == knee_film.name)


def test_a_real_knee_is_plausible_in_either_orientation(film: np.ndarray, box: KneeBox) -> None:
    crop = normalise_crop(box_crop(film, box))[None]
    for image in (crop, crop[:, :, ::-1].copy()):
        found = assess_plausibility(film, image, box)
        assert (found.plausible, found.reasons) == (True, [])
        assert found.score > 0.5


def test_a_hand_is_not(box: KneeBox) -> None:
    picture = hand(np.random.default_rng(3)).astype(np.float32)
    found = assess_plausibility(picture, normalise_crop(picture)[None], None)
    assert not found.plausible
    assert found.score < 0.5
    assert "no knee joint was found on it" in found.reasons
    assert any("does not look like a frontal knee" in reason for reason in found.reasons)


def test_a_blank_film_is_not() -> None:
    rng = np.random.default_rng(0)
    blank = 1000 + rng.normal(0, 0.05, (200, 300)).astype(np.float32)
    found = assess_plausibility(blank, normalise_crop(blank[:, :200])[None], None)
    assert not found.plausible
    assert found.score == 0
    assert found.reasons[0] == "the film is blank"


def test_a_box_beyond_the_film_is_named(film: np.ndarray, box: KneeBox) -> None:
    crop = normalise_crop(box_crop(film, box))[None]
    outside = KneeBox(-0.65 * box.width, box.y, box.width, box.height, 1.0)
    found = assess_plausibility(film, crop, outside)
    assert not found.plausible
    assert any("of the knee's box lies on the film" in reason for reason in found.reasons)


def test_a_black_crop_is_named(film: np.ndarray, box: KneeBox) -> None:
    dark = normalise_crop(box_crop(film, box))[None].copy()
    dark[:, :, 80:] = -1
    found = assess_plausibility(film, dark, box)
    assert not found.plausible
    assert found.reasons[0].endswith("of the part that should show the knee is black")


def test_reasons_are_clauses_for_a_sentence(film: np.ndarray) -> None:
    noise = np.random.default_rng(1).normal(size=(1, 256, 256)).clip(-1, 1).astype(np.float32)
    found = assess_plausibility(film, noise, None)
    assert found.reasons
    assert all(reason[0].islower() and reason[-1] != "." and "\n" not in reason for reason in found.reasons)
    assert 0 <= found.score <= 1
