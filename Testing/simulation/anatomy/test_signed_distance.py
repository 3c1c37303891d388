"""Structures that continue beyond a scan, against bodies whose continuation is known."""

from __future__ import annotations

import numpy as np
import pytest

from Xray2MRILib.simulation.anatomy.signed_distance import extend_distance, nearest_structure, signed_distance
from Xray2MRILib.simulation.anatomy.template_extension import extend_codes, extend_sides, fill_maps

STEP_MM = 0.625


def cone(rows: np.ndarray, radius_mm: float, slope: float, size: int = 96) -> np.ndarray:
    """Discs [rows, size, size] whose radius grows by ``slope`` per mm."""
    place = (np.arange(size) - (size - 1) / 2) * STEP_MM
    away = np.hypot(place[:, None], place[None])
    return away[None] < (radius_mm + slope * rows * STEP_MM)[:, None, None]


def radius_mm(section: np.ndarray) -> float:
    return float(np.sqrt(section.sum() * STEP_MM**2 / np.pi))


def test_distance_of_a_half_space_is_exact() -> None:
    mask = np.zeros((4, 20), bool)
    mask[:, 8:] = True
    expected = (7.5 - np.arange(20)) * STEP_MM
    assert signed_distance(mask, STEP_MM)[1] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("slope", [-0.35, -0.1, 0.0, 0.2])
def test_a_cone_continues_as_a_cone(slope: float) -> None:
    """Radius within half a millimetre of the cone's, 20 mm beyond either end; the last sections differ."""
    rows = np.arange(-16, 64)
    whole = cone(rows, 16.0, slope)
    seen = np.stack([signed_distance(section, STEP_MM) for section in whole[16:48]])
    extended = extend_distance(seen, 0, 16, 32, STEP_MM) < 0
    for row in (0, 8, 15, 48, 60, 79):
        assert radius_mm(extended[row]) == pytest.approx(radius_mm(whole[row]), abs=0.5)
    if slope:
        areas = extended.sum(axis=(1, 2)).astype(int)
        assert (areas[5] - areas[0]) * slope > 0
        assert (areas[-1] - areas[-6]) * slope > 0


def test_an_empty_mask_is_nowhere() -> None:
    assert np.isinf(signed_distance(np.zeros((3, 3), bool))).all()


def test_the_nearest_structure_wins() -> None:
    near, far = np.array([-2.0, -1.0, 3.0]), np.array([-1.0, -3.0, 2.0])
    assert nearest_structure({4: near, 9: far}).tolist() == [4, 9, 0]


def test_codes_keep_the_scan_and_continue_it() -> None:
    """Two nested cones: the inner code stays inside the outer one, and what was scanned is untouched."""
    rows = np.arange(60)
    outer, inner = cone(rows, 18.0, -0.15), cone(rows, 8.0, 0.1)
    code = np.where(inner, 10, np.where(outer, 2, 0)).astype(np.uint8).transpose(1, 0, 2)
    extended = extend_codes(code[:, 10:50], 1, 10, 10, (STEP_MM,) * 3)
    assert np.array_equal(extended[:, 10:50], code[:, 10:50])
    for row in (0, 5, 55, 59):
        for value in (2, 10):
            assert radius_mm(extended[:, row] == value) == pytest.approx(radius_mm(code[:, row] == value), abs=0.6)


def test_a_cut_ellipse_closes_where_it_did() -> None:
    """Of an elliptic leg 14 mm are cut off at one side; the completed width is within 2 mm of the true one."""
    y, x = (np.arange(n) - (n - 1) / 2 for n in (120, 110))
    leg = (y[:, None] / 46) ** 2 + (x[None] / 50) ** 2 < 1
    code = np.repeat(np.where(leg, 17, 0).astype(np.uint8)[:, None], 40, axis=1)
    wide = extend_sides(code[:, :, :91], 0, 30, (1.0, 1.0, 1.0))
    reached = np.flatnonzero((wide[:, 20] > 0).any(axis=0))[-1]
    assert reached == pytest.approx(np.flatnonzero(leg.any(axis=0))[-1], abs=2)


def test_maps_mirror_within_a_tissue_and_take_its_mean_elsewhere() -> None:
    values = np.arange(6, dtype=np.float32).reshape(1, 6, 1)
    code = np.array([1, 1, 1, 1, 1, 1, 1, 2], np.uint8).reshape(1, 8, 1)
    filled = fill_maps(values, (0, 0, 0), (0, 2, 0), code, np.array([0.0, 1.0, 70.0]))
    assert filled.ravel().tolist() == [0, 1, 2, 3, 4, 5, 4, 70]
