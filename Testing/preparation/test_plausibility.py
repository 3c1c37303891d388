"""Plausibility of whole radiographs: real knees pass, everything else gets a reason that a reader understands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from Xray2MRILib.localization.knee_box import KneeBox
from Xray2MRILib.preparation.joint_crop import normalise_crop
from Xray2MRILib.preparation.plausibility import assess_plausibility
from Xray2MRILib.training.data.box_annotations import read_grey
from Xray2MRILib.training.data.graded_radiographs import box_crop
from Xray2MRILib.training.data.negative_examples import hand

RADIOGRAPHS = Path(__file__).parents[1] / "localization" / "radiographs"
BOXES = json.loads((RADIOGRAPHS.parent / "knee_boxes.json").read_text(encoding="utf-8"))["films"]


@pytest.fixture(scope="module")
def radiograph(knee_radiograph: Path) -> np.ndarray:
    return read_grey(knee_radiograph).astype(np.float32)


@pytest.fixture(scope="module")
def box(knee_radiograph: Path) -> KneeBox:
    return next(
        KneeBox(*radiograph["knees"][0]["box"], 1.0)
        for radiograph in BOXES
        if radiograph["file"] == knee_radiograph.name
    )


def test_a_real_knee_is_plausible_in_either_orientation(radiograph: np.ndarray, box: KneeBox) -> None:
    crop = normalise_crop(box_crop(radiograph, box))[None]
    for image in (crop, crop[:, :, ::-1].copy()):
        found = assess_plausibility(radiograph, image, box)
        assert (found.plausible, found.reasons) == (True, [])
        assert found.score > 0.5


def test_a_hand_is_not(box: KneeBox) -> None:
    picture = hand(np.random.default_rng(3)).astype(np.float32)
    found = assess_plausibility(picture, normalise_crop(picture)[None], None)
    assert not found.plausible
    assert found.score < 0.5
    assert "no knee joint was found" in found.reasons
    assert any("does not look like a frontal knee" in reason for reason in found.reasons)


def test_a_blank_radiograph_is_not() -> None:
    rng = np.random.default_rng(0)
    blank = 1000 + rng.normal(0, 0.05, (200, 300)).astype(np.float32)
    found = assess_plausibility(blank, normalise_crop(blank[:, :200])[None], None)
    assert not found.plausible
    assert found.score == 0
    assert found.reasons[0] == "the radiograph is blank"


def test_a_box_beyond_the_radiograph_is_named(radiograph: np.ndarray, box: KneeBox) -> None:
    crop = normalise_crop(box_crop(radiograph, box))[None]
    outside = KneeBox(-0.65 * box.width, box.y, box.width, box.height, 1.0)
    found = assess_plausibility(radiograph, crop, outside)
    assert not found.plausible
    assert any("of the knee's box is on the radiograph" in reason for reason in found.reasons)


def test_a_black_crop_is_named(radiograph: np.ndarray, box: KneeBox) -> None:
    dark = normalise_crop(box_crop(radiograph, box))[None].copy()
    dark[:, :, 80:] = -1
    found = assess_plausibility(radiograph, dark, box)
    assert not found.plausible
    assert found.reasons[0].endswith("of the knee crop is black")


def test_reasons_are_clauses_for_a_sentence(radiograph: np.ndarray) -> None:
    noise = np.random.default_rng(1).normal(size=(1, 256, 256)).clip(-1, 1).astype(np.float32)
    found = assess_plausibility(radiograph, noise, None)
    assert found.reasons
    assert all(reason[0].islower() and reason[-1] != "." and "\n" not in reason for reason in found.reasons)
    assert 0 <= found.score <= 1
