"""What does not look like a knee is named, and a knee is not."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy")

from Xray2MRILib.super_resolution.knee_check import knee_warnings

STEP = (1.5, 1.25, 1.25)


def body(shape: tuple[int, int, int] = (60, 130, 130), ends: bool = False) -> np.ndarray:
    """An upright leg about the rows' axis; ``ends`` makes it a ball."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    away = np.sqrt(z**2 / 0.8 + (y**2 * 1.6 if ends else 0) + x**2 / 0.6)
    grey = np.where(away < 0.9, 400.0 + 150 * np.sin(30 * x), 0.0)
    grey[away < 0.4] = 90
    return grey


def test_a_leg_passes() -> None:
    assert knee_warnings(body(), STEP, 1) == []


def test_a_coil_that_sees_little_at_the_ends_passes() -> None:
    """As on a real scan, whose first section has a twentieth of the others' tissue."""
    faded = body()
    faded[:, :3] *= 0.02
    assert knee_warnings(faded, STEP, 1) == []


@pytest.mark.parametrize(
    ("volume", "step", "words"),
    [
        (body() - 1000, STEP, "CT"),
        (body(ends=True), STEP, "ends within"),
        (body(), (6.0, 5.0, 5.0), "field of"),
        (np.where(body() > 0, 300.0, 0.0), STEP, "hardly any contrast"),
        (np.ones((60, 130, 130)) * 5 + np.random.default_rng(0).random((60, 130, 130)), STEP, "is tissue"),
    ],
)
def test_other_things_are_named(volume: np.ndarray, step: tuple[float, ...], words: str) -> None:
    assert any(words in sentence for sentence in knee_warnings(volume, step, 1))


def test_two_legs_are_named() -> None:
    both = np.concatenate((body(), np.zeros((60, 130, 10)), body()), axis=2)
    assert any("more than one body" in sentence for sentence in knee_warnings(both, STEP, 1))
