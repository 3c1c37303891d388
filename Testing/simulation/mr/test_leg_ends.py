"""The leg beyond a template's ends: it goes on as it went, its sections differ, and it fills small knees' scans."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from Xray2MRILib.simulation.anatomy.tissue_classes import SPACING_MM  # noqa: E402
from Xray2MRILib.simulation.mr.leg_ends import LegEnd, LegRows, leg_end  # noqa: E402
from Xray2MRILib.simulation.mr.prepared_template import PreparedTemplate  # noqa: E402
from Xray2MRILib.simulation.pairs.image_knee import draw_image_knee, scan_image_knee  # noqa: E402
from Xray2MRILib.simulation.pairs.template_library import MULTI_ECHO, TemplateChoice, TemplateLibrary  # noqa: E402

SHAPE = (110, 60, 130)
MIDDLE, RADIUS = (56.0, 62.0), 36.0  # of the first section, in voxels
DRIFT, GROWTH = (-0.1, 0.2), 0.006  # voxels and share for each mm farther out
SMALL_WOMAN = 1_000_006  # her leg had ended 7 mm below the upper edge
LEAST_SHARE = 0.9  # of her plateau's 63 mm is less than the least that can be drawn, 58 mm


@pytest.fixture(scope="module")
def cone() -> np.ndarray:
    """A leg that widens and drifts towards row 0, bool [Y, Z, X]."""
    y, z, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    out = -SPACING_MM * z
    radius = RADIUS * np.exp(GROWTH * out)
    return ((y - MIDDLE[0] - DRIFT[0] * out) / radius) ** 2 + ((x - MIDDLE[1] - DRIFT[1] * out) / radius) ** 2 <= 1


@pytest.fixture(scope="module")
def multi_echo() -> PreparedTemplate:
    return TemplateLibrary().prepared(TemplateChoice(MULTI_ECHO, MULTI_ECHO))


def sizes(sections: np.ndarray) -> np.ndarray:
    """Middle along y and x, and radius, of every section, [N, 3] in voxels."""
    found = []
    for section in np.moveaxis(sections, 1, 0):
        places = np.argwhere(section)
        found.append((*places.mean(axis=0), np.sqrt(len(places) / np.pi)))
    return np.array(found)


def test_the_trend_of_a_cone_is_found(cone: np.ndarray) -> None:
    end = leg_end(cone)
    assert end.middle == pytest.approx(MIDDLE, abs=0.3)
    assert end.aside == pytest.approx(DRIFT, abs=0.02)
    assert end.wider == pytest.approx((GROWTH, GROWTH), abs=3e-4)
    assert leg_end(np.zeros(SHAPE, bool)) == LegEnd()


@pytest.mark.parametrize("upper", [True, False])
def test_a_cone_goes_on_as_a_cone_that_fades(cone: np.ndarray, upper: bool) -> None:
    """Middle and radius after d mm: those of the closed form with the way 25 mm * (1 - exp(-d / 25 mm))."""
    count = 40
    held = cone if upper else np.ascontiguousarray(cone[:, ::-1])
    trend = leg_end(cone)
    ends = (trend, LegEnd()) if upper else (LegEnd(), trend)
    first, stop = (-count, SHAPE[1]) if upper else (0, SHAPE[1] + count)
    rows = LegRows(first, stop, SHAPE, ends, torch.device("cpu"))
    (whole,) = (part.numpy() for part in rows.of(slice(0, SHAPE[0]), torch.from_numpy(held)))
    assert np.array_equal(whole[:, rows.own], held)
    outside = whole[:, :count][:, ::-1] if upper else whole[:, -count:]
    distance = SPACING_MM * np.arange(1, count + 1)
    way = 25 * (1 - np.exp(-distance / 25))
    expected = np.stack((MIDDLE[0] + DRIFT[0] * way, MIDDLE[1] + DRIFT[1] * way, RADIUS * np.exp(GROWTH * way)), axis=1)
    assert sizes(outside) == pytest.approx(expected, abs=0.6)


def test_sections_beyond_the_end_are_the_last_ones_in_reverse_order_without_a_trend() -> None:
    values = torch.arange(2.0 * 5 * 3).view(2, 5, 3)
    rows = LegRows(-6, 8, (2, 5, 3), (LegEnd(), LegEnd()), torch.device("cpu"))
    (found,) = rows.of(slice(0, 2), values)
    shown = [2, 3, 4, 3, 2, 1, 0, 1, 2, 3, 4, 3, 2, 1]
    assert torch.equal(found, values[:, shown])
    (within,) = LegRows(1, 4, (2, 5, 3), (LegEnd(), LegEnd()), torch.device("cpu")).of(slice(1, 2), values)
    assert torch.equal(within, values[1:2, 1:4])


@pytest.mark.slow
@pytest.mark.parametrize("share", [1.0, LEAST_SHARE])
def test_the_leg_fills_the_scan_of_a_small_knee(multi_echo: PreparedTemplate, share: float) -> None:
    """Leg tissue in the first and the last row is that of rows 8 mm inside; no row repeats the one beside it."""
    knee = draw_image_knee(SMALL_WOMAN, SMALL_WOMAN % 5, multi_echo.template)
    size = tuple(share * s for s in knee.parameters.scale)
    volume = scan_image_knee(multi_echo, replace(knee, parameters=replace(knee.parameters, scale=size))).numpy()
    leg = (volume > 0.03 * np.percentile(volume, 99.5)).sum(axis=(0, 2))
    for edge, inside in ((leg[:3], leg[13]), (leg[-3:], leg[-14])):
        assert (edge > 0.85 * inside).all(), (edge, inside)
    for first in (*range(24), *range(len(leg) - 25, len(leg) - 1)):
        alike = np.corrcoef(volume[:, first].ravel(), volume[:, first + 1].ravel())[0, 1]
        assert alike < 0.9995, first
