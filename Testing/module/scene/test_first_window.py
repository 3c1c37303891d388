"""The window of the first display: bright muscle and cartilage, dark marrow, alike for pseudo-MRI and real MRI."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from Xray2MRIModule.scene.volume_nodes import (
    copy_window,
    reading_window,
    settle_window,
    show_for_reading,
    show_grey,
)

# grey of a pseudo-MRI of the shipped model, 0 to 1: air, marrow and fat, muscle, cartilage and fluid
AIR, MARROW, MUSCLE, CARTILAGE = 0.0, 0.17, 0.6, 0.92
SHARES = {AIR: 0.38, MARROW: 0.42, MUSCLE: 0.17, CARTILAGE: 0.03}


def _knee(scale: float = 4095.0, offset: float = 0.0, noise: float = 0.01):
    generator = np.random.default_rng(0)
    values = generator.choice(list(SHARES), (12, 64, 64), p=list(SHARES.values()))
    values = np.hypot(values + generator.normal(0, noise, values.shape), generator.normal(0, noise, values.shape))
    return slicer.util.addVolumeFromArray((offset + scale * values).astype(np.int16))


def _shown(node, value: float) -> float:
    display = node.GetScalarVolumeDisplayNode()
    low, high = display.GetWindowLevelMin(), display.GetWindowLevelMax()
    return float(np.clip((value - low) / (high - low), 0, 1))


@pytest.mark.parametrize(("scale", "offset", "noise"), [(4095, 0, 0.005), (900, 0, 0.03), (12000, -300, 0.02)])
def test_muscle_and_cartilage_are_bright_and_marrow_is_dark(application, scale, offset, noise):
    node = _knee(scale, offset, noise)
    show_for_reading(node)
    grey = [_shown(node, offset + scale * value) for value in (AIR, MARROW, MUSCLE, CARTILAGE)]
    assert grey[0] == 0.0
    assert grey[1] < 0.3
    assert 0.6 < grey[2] < 0.98
    assert grey[3] > 0.9


def test_a_window_of_the_user_stays(application, logic, synthetic):
    node = _knee()
    show_grey(node, 10, 20)
    show_for_reading(node)
    assert _shown(node, 15) == pytest.approx(0.5)
    logic.showLayout(None, synthetic, node)
    assert _shown(node, 15) == pytest.approx(0.5)
    other = _knee()
    logic.showLayout(None, None, other)
    assert (other.GetScalarVolumeDisplayNode().GetWindowLevelMin()) == pytest.approx(reading_window(other)[0])


def test_the_first_window_settles_when_the_volume_is_complete_unless_it_was_moved(application, synthetic):
    display = synthetic.GetScalarVolumeDisplayNode()
    assert display.GetWindowLevelMin() < 0.1 * 4095 < 0.7 * 4095 < display.GetWindowLevelMax()
    settle_window(synthetic)
    assert display.GetWindowLevelMin() == pytest.approx(reading_window(synthetic)[0])
    show_grey(synthetic, 1, 2)
    settle_window(synthetic)
    assert display.GetWindowLevelMax() == pytest.approx(2)


def test_same_window_in_other_units(application, logic):
    pseudo, real = _knee(4095, noise=0.005), _knee(800, 50, 0.005)
    for node in (pseudo, real):
        show_for_reading(node)
    low, high = 0.1 * 4095, 0.5 * 4095
    show_grey(pseudo, low, high)
    copy_window(pseudo, real)
    for value in (0.15, 0.3, 0.45):
        assert _shown(real, 50 + 800 * value) == pytest.approx(_shown(pseudo, 4095 * value), abs=0.05)
    # by the button's function, for the volume that is shown
    assert not logic.views.showSameWindow(pseudo)
    logic.showLayout(None, pseudo, real)
    show_grey(real, 0, 1)
    assert logic.views.showSameWindow(pseudo)
    assert _shown(real, 50 + 800 * 0.3) == pytest.approx(0.5, abs=0.05)
