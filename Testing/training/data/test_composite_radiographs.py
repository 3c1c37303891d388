"""Composite radiographs: the pasted joint lies where its box says, in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from Xray2MRILib.training.data.composite_radiographs import KneePlacement, LegShape, composite_radiograph, render_leg
from Xray2MRILib.training.data.radiograph_views import augment

SLIM = LegShape(0.7, 0.7, 0.1, 1.5, 1.5, 0.5)


def dotted_crop(u: float, v: float, size: int = 200) -> np.ndarray:
    """A grey crop with a bright Gaussian dot at (u, v), fractions of its side."""
    y, x = (np.mgrid[:size, :size] + 0.5) / size
    return (0.3 + 0.7 * np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * 0.03**2))).astype(np.float32)


def dot_position(radiograph: np.ndarray) -> tuple[float, float]:
    """Centre of mass x, y (pixel edges at integers) of the brightest spot."""
    y, x = ndimage.center_of_mass(np.clip(radiograph - 0.7, 0, None))
    return x + 0.5, y + 0.5


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("tilt", [0.0, 11.0])
@pytest.mark.parametrize("squeeze", [1.0, 0.7])
def test_dot_lands_where_closed_form_says(mirrored: bool, tilt: float, squeeze: float) -> None:
    placement = KneePlacement(140.0, 90.0, 100.0, tilt, mirrored, squeeze)
    values, opacity = render_leg(dotted_crop(0.3, 0.6), placement, SLIM, (220, 260))
    across, down = -0.2 if not mirrored else 0.2, 0.1
    angle = math.radians(tilt)
    # rotate in the squeezed frame, then stretch to radiograph pixels
    x = 140 + 100 * (math.cos(angle) * across - math.sin(angle) * down)
    y = 90 + 100 * squeeze * (math.sin(angle) * across + math.cos(angle) * down)
    np.testing.assert_allclose(dot_position(values * opacity), (x, y), atol=0.5)
    assert placement.box() == (140.0, 90.0, 100.0)


def test_inside_of_the_box_is_the_resized_crop() -> None:
    crop = ndimage.gaussian_filter(np.random.default_rng(0).random((200, 200)), 6).astype(np.float32)
    values, opacity = render_leg(crop, KneePlacement(100.0, 100.0, 100.0), SLIM, (200, 200))
    expected = crop.reshape(100, 2, 100, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(values[60:140, 60:140], expected[10:90, 10:90], atol=2e-3)
    assert opacity[100, 100] == 1
    assert opacity[100, 20] == 0  # 0.8 sides from the axis is outside the skin


def test_composites_are_reproducible_and_bounded() -> None:
    crops = (np.random.default_rng(3).random((4, 64, 64)) * 255).astype(np.uint8)
    sides = np.array(["L", "R", "L", "R"])
    counts = set()
    for seed in range(40):
        canvas, boxes = composite_radiograph(crops, sides, np.random.default_rng(seed), 128)
        again, same = composite_radiograph(crops, sides, np.random.default_rng(seed), 128)
        np.testing.assert_array_equal(canvas, again)
        np.testing.assert_array_equal(boxes, same)
        assert canvas.shape == (128, 128)
        assert canvas.dtype == np.float32
        assert np.isfinite(canvas).all()
        assert 0 <= canvas.min() <= canvas.max() <= 1
        assert boxes.shape[1] == 3
        assert (boxes[:, :2] > 0).all()
        assert (boxes[:, :2] < 128).all()
        counts.add(len(boxes))
    assert counts == {0, 1, 2}


def test_varied_radiograph_carries_its_boxes_along() -> None:
    centres = [(150.0, 80.0), (470.0, 95.0)]
    y, x = np.mgrid[:161, :640] + 0.5
    radiograph = np.zeros((161, 640), np.float32)
    for centre_x, centre_y in centres:
        radiograph += np.exp(-((x - centre_x) ** 2 + (y - centre_y) ** 2) / (2 * 9.0**2)).astype(np.float32)
    boxes = np.array([[*centre, 180.0] for centre in centres])
    agreeing, seen = 0, set()
    for seed in range(60):
        canvas, moved = augment(radiograph, boxes, np.random.default_rng(seed))
        seen.add(len(moved))
        bright = [canvas[int(by), int(bx)] for bx, by, _ in moved]
        # a marker, an inversion or collimation may disturb a few
        agreeing += all(value > 0.5 and value > 2 * np.median(canvas[canvas > 0]) for value in bright)
        assert all(30 < side < 330 for side in moved[:, 2])
    assert agreeing >= 48
    assert {1, 2} <= seen


def test_varied_radiograph_without_knees_has_no_boxes() -> None:
    radiograph = np.random.default_rng(0).random((120, 90)).astype(np.float32)
    canvas, boxes = augment(radiograph, np.zeros((0, 3)), np.random.default_rng(1))
    assert canvas.shape == (256, 256)
    assert boxes.shape == (0, 3)
