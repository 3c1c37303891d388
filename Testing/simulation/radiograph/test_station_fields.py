"""Broad unevenness of radiographs: closed forms of waves, few hundredths of brightness, drawn by seed."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from Xray2MRILib.simulation.anatomy.knee_parameters import KneeParameters  # noqa: E402
from Xray2MRILib.simulation.radiograph import station_fields  # noqa: E402
from Xray2MRILib.simulation.radiograph.appearance import joint_crop  # noqa: E402
from Xray2MRILib.simulation.radiograph.station_fields import SPREAD, unevenness  # noqa: E402
from Xray2MRILib.simulation.radiograph.stations import STATIONS, Station  # noqa: E402

PLACES = np.linspace(-1, 1, 41)


def test_a_wave_is_a_cosine_of_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(station_fields, "SPREAD", 0.0)
    waves = tuple(tuple(0.1 if (k, m) == (1, 2) else 0.0 for m in range(5)) for k in range(5))
    factor = unevenness(waves, PLACES, PLACES, np.random.default_rng(0))
    wanted = 1 + 0.1 * np.outer(np.cos(np.pi * (PLACES + 1) / 2), np.cos(np.pi * (PLACES + 1)))
    assert factor == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("station", STATIONS)
def test_waves_are_broad_and_low(station: Station) -> None:
    waves = np.array(station.waves)
    assert waves.shape == (5, 5)  # four half waves over 86 mm: 43 mm long
    assert np.abs(waves).max() < 0.08
    drawn = np.stack([unevenness(station.waves, PLACES, PLACES, np.random.default_rng(seed)) for seed in range(300)])
    mean = drawn.mean(axis=0)
    assert 0.75 < mean.min() < mean.max() < 1.25
    # 24 waves of the drawn height; each has a mean square of 1/4, those along one axis of 1/2, and ends count more
    assert (drawn - mean).std() == pytest.approx(SPREAD * np.sqrt(16 / 4 + 8 / 2), rel=0.1)


def test_a_crop_without_chance_is_even() -> None:
    flat = np.ones((288, 288), np.float32)
    parameters = KneeParameters(seed=0, kl_grade=0, crop_mm=86.0)
    assert joint_crop(flat, parameters) == pytest.approx(1.0)
    first, again, other = (joint_crop(flat, parameters, np.random.default_rng(s), 64, STATIONS[0]) for s in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.std() > 0.01
