"""Radiographs without a readable grade: the joint is hidden, bones elsewhere stay, and the classifier cannot tell."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_pairs import drawn_pair

from Xray2MRILib.files.resources import resource_path
from Xray2MRILib.training.data.unreadable_radiographs import JOINT, KINDS, hide_grade


@pytest.fixture
def crop() -> np.ndarray:
    """Stripes 8 rows high, a joint that fills the picture."""
    rows = np.sin(np.arange(256) / 8 * np.pi)
    return np.repeat(rows[:, None], 256, axis=1).astype(np.float32) * np.linspace(0.5, 1, 256, dtype=np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_the_joint_is_hidden_and_values_stay_in_range(crop, kind):
    joint = slice(round(JOINT * 256) - 20, round(JOINT * 256) + 20)
    for seed in range(12):
        hidden = hide_grade(crop, np.random.default_rng(seed), kind)
        assert hidden.dtype == np.float32
        assert hidden.shape == crop.shape
        assert crop.min() <= hidden.min() <= hidden.max() <= crop.max()
        if kind in ("covered", "cut off"):
            constant = (np.abs(np.diff(hidden[joint], axis=0)) < 1e-6).all(axis=1).mean()
            assert constant > 0.45  # about half of the joint's rows show nothing at all
        assert np.ptp(hidden[joint]) == 0 or abs(np.corrcoef(hidden[joint].ravel(), crop[joint].ravel())[0, 1]) < 0.95


def test_the_same_draw_gives_the_same_radiograph(crop):
    first, second = (hide_grade(crop, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    with pytest.raises(ValueError, match="kind must be"):
        hide_grade(crop, np.random.default_rng(0), "torn")


@pytest.mark.slow
def test_the_shipped_classifier_cannot_read_the_grade():
    """Of the difference between the expected grades of two samples, KL 0 and KL 4, less than half is left."""
    from PIL import Image

    from Xray2MRILib.conditions.koa_classifier import classify_koa
    from Xray2MRILib.preparation.joint_crop import normalise_crop

    def expected(crop: np.ndarray) -> float:
        return float(np.arange(5) @ np.array(classify_koa(normalise_crop(crop).reshape(1, 256, 256)).values))

    gaps = {"shown": [], "hidden": []}
    for seed in range(6):
        found = {}
        for grade in (0, 4):
            with Image.open(resource_path(f"samples/kl{grade}_right.webp")) as picture:
                crop = np.asarray(picture.convert("L").resize((256, 256)), np.float32)
            found[grade] = crop
        gaps["shown"].append(expected(found[4]) - expected(found[0]))
        hidden = {g: hide_grade(c, np.random.default_rng(seed)) for g, c in found.items()}
        gaps["hidden"].append(expected(hidden[4]) - expected(hidden[0]))
    assert np.mean(gaps["shown"]) > 2
    assert abs(np.mean(gaps["hidden"])) < 0.5 * np.mean(gaps["shown"])


def test_a_share_of_the_radiographs_of_a_knee_is_hidden():
    from Xray2MRILib.training.data.training_knee import pair_in_radiograph_frame

    pair = drawn_pair(0)
    shown = pair_in_radiograph_frame(pair, 6, np.random.default_rng(1), bend_mm=None)[1]
    volume, all_hidden = pair_in_radiograph_frame(pair, 6, np.random.default_rng(1), bend_mm=None, unreadable_share=1.0)
    plain = pair_in_radiograph_frame(pair, 6, np.random.default_rng(1), bend_mm=None, unreadable_share=0.0)
    np.testing.assert_array_equal(plain[1], shown)
    np.testing.assert_array_equal(plain[0], volume)
    assert not any(np.array_equal(a, b) for a, b in zip(shown, all_hidden, strict=True))
