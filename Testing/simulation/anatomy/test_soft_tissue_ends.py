"""Beyond a map's ends its tissues turn into another knee's, without a step and without gaps."""

from __future__ import annotations

import numpy as np
import pytest

from Xray2MRILib.simulation.anatomy.soft_tissue_ends import TRANSITION_MM, blended, continue_with, shares_beyond
from Xray2MRILib.simulation.anatomy.tissue_classes import SPACING_MM
from Xray2MRILib.simulation.anatomy.tissue_codes import CODE

ROWS = (0, 40)


def column(radius_mm: float, count: int = 100) -> np.ndarray:
    """A round muscle in a round leg of fat, the same in every section."""
    axis = (np.arange(64) - 31.5) * SPACING_MM
    far = np.hypot(axis[:, None, None], axis[None, None])
    code = np.where(far < radius_mm, CODE["muscle"], np.where(far < 18, CODE["fat"], 0)).astype(np.uint8)
    return np.repeat(code, count, axis=1)


def test_a_muscle_of_6_mm_grows_into_one_of_12_mm() -> None:
    made = continue_with(column(6), column(12), ROWS)
    radius = np.sqrt((made == CODE["muscle"]).sum(axis=(0, 2)) * SPACING_MM**2 / np.pi)
    assert np.array_equal(made[:, : ROWS[1] + 1], column(6)[:, : ROWS[1] + 1])
    share = shares_beyond(ROWS, made.shape[1])
    assert radius == pytest.approx(6 + 6 * share, abs=0.6)
    assert (np.diff(radius) > -0.4).all()
    assert np.array_equal(made > 0, column(6) > 0)  # the leg's outline is the same in both


def test_shares_begin_and_end_flat() -> None:
    share = shares_beyond(ROWS, 100)
    last = ROWS[1] + round(TRANSITION_MM / SPACING_MM)
    assert share[ROWS[1]] == 0
    assert share[last + 1] == 1
    assert np.diff(share).max() < 0.05


def test_densities_go_over_with_the_shares() -> None:
    own, other = np.full((2, 100, 2), 10.0), np.full((2, 100, 2), 30.0)
    assert blended(own, other, ROWS)[0, :, 0] == pytest.approx(10 + 20 * shares_beyond(ROWS, 100), abs=1e-4)
