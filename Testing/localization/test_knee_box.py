"""Boxes around knees: areas by hand."""

from __future__ import annotations

import pytest

from Xray2MRILib.localization.knee_box import KneeBox

BOX = KneeBox(10, 20, 100, 60, confidence=0.5, side="left")


def test_square_keeps_centre_and_everything_inside():
    square = BOX.square()
    assert (square.x, square.y, square.width, square.height) == (10, 0, 100, 100)
    assert (square.confidence, square.side) == (0.5, "left")
    assert square.square() == square


def test_clip():
    clipped = KneeBox(-20, 90, 100, 100, 1.0).clip(rows=150, columns=60)
    assert (clipped.x, clipped.y, clipped.width, clipped.height) == (0, 90, 60, 60)
    nothing = KneeBox(500, 0, 10, 10, 1.0).clip(rows=100, columns=100)
    assert nothing.width == 0
    assert KneeBox(-20, 90, 100, 100, 1.0).share_on_radiograph(150, 60) == pytest.approx(0.36)
    assert KneeBox(500, 0, 10, 10, 1.0).share_on_radiograph(100, 100) == 0


def test_intersection_over_union():
    assert BOX.iou(BOX) == 1.0
    assert BOX.iou(KneeBox(60, 20, 100, 60, 1.0)) == pytest.approx(50 / 150)
    assert BOX.iou(KneeBox(110, 20, 100, 60, 1.0)) == 0.0
