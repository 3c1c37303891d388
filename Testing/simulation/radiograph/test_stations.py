"""Kinds of stations: shares, ranges, crops cut as often as theirs, one station for exposure and crop."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from Xray2MRILib.simulation.anatomy.knee_parameters import KneeParameters  # noqa: E402
from Xray2MRILib.simulation.radiograph.appearance import exposed_crop, joint_crop  # noqa: E402
from Xray2MRILib.simulation.radiograph.stations import STATIONS, Station, draw_station  # noqa: E402


def test_stations_are_drawn_by_their_shares() -> None:
    rng = np.random.default_rng(0)
    drawn = [STATIONS.index(draw_station(rng)) for _ in range(3000)]
    assert sum(station.share for station in STATIONS) == pytest.approx(1.0)
    for number, station in enumerate(STATIONS):
        assert drawn.count(number) / 3000 == pytest.approx(station.share, abs=0.04)


@pytest.mark.parametrize("station", STATIONS)
def test_exposures_lie_in_their_ranges(station: Station) -> None:
    rng = np.random.default_rng(1)
    exposures = [station.draw(rng) for _ in range(400)]
    for name in ("scatter", "compressed", "edges", "shoulder", "down"):
        _, _, lowest, highest = getattr(station, name)
        values = np.array([exposure[name] for exposure in exposures])
        assert lowest <= values.min() < values.max() <= highest
    assert np.log([exposure["mineral"] for exposure in exposures]).mean() == pytest.approx(station.mineral[0], abs=0.05)


def test_crops_are_cut_as_often_as_the_stations() -> None:
    ramp = np.broadcast_to(np.arange(288, dtype=np.float32)[:, None], (288, 288))
    parameters = KneeParameters(seed=0, kl_grade=0, crop_mm=86.0)
    for station in STATIONS:
        cut = []
        for seed in range(80):
            column = joint_crop(ramp, parameters, np.random.default_rng(seed), station=station)[:, 128]
            cut.append((np.abs(np.diff(column)) < 1e-3).sum() > 6)
        # a cut crop keeps both ends with a chance of some 5 %
        assert np.mean(cut) == pytest.approx(0.93 * station.cut_chance, abs=0.12)


def test_a_crop_of_a_drawn_station_is_of_the_seed() -> None:
    place = np.abs(np.arange(288) - 143.5)
    bone, leg = (np.broadcast_to(np.where(place < edge, 1.0, 0.0), (288, 288)).astype(np.float32) for edge in (80, 130))
    parameters = KneeParameters(seed=0, kl_grade=0, crop_mm=86.0)
    first, again, other = (exposed_crop(bone, leg, parameters, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
