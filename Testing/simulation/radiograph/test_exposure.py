"""From integrals to a radiograph: the blur's closed form, reproducible exposures, bright bone, crops cut short."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from Xray2MRILib.simulation.anatomy.knee_parameters import KneeParameters  # noqa: E402
from Xray2MRILib.simulation.radiograph.appearance import blurred, expose, joint_crop, shouldered  # noqa: E402


@pytest.fixture(scope="module")
def integrals() -> tuple[np.ndarray, np.ndarray]:
    """A bone across a leg, 288 pixels square."""
    place = np.abs(np.arange(288) - 143.5)
    leg = np.broadcast_to(np.where(place < 130, 2.0, 0.0), (288, 288)).astype(np.float32)
    bone = np.broadcast_to(np.where(place < 80, 1.0, 0.0), (288, 288)).astype(np.float32)
    return bone, leg


def test_a_point_becomes_a_gaussian_of_the_same_sum() -> None:
    point = torch.zeros(65, 65)
    point[32, 32] = 1.0
    spot = blurred(point, 3.0)
    axis = torch.arange(65) - 32.0
    assert float(spot.sum()) == pytest.approx(1.0, abs=1e-4)
    assert float((spot.sum(dim=0) * axis**2).sum()) == pytest.approx(9.0, rel=0.03)


def test_the_shoulder_keeps_black_and_order() -> None:
    values = torch.linspace(0, 1.25, 50)
    bent = shouldered(values, 1.0)
    assert float(bent[0]) == 0
    assert bool((bent.diff() > 0).all())
    assert float(bent.diff()[-1]) < 0.5 * float(bent.diff()[0])
    assert torch.equal(shouldered(values, 0.0), values)


def test_exposures_are_of_the_seed(integrals: tuple[np.ndarray, np.ndarray]) -> None:
    first, again, other = (expose(*integrals, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.dtype == np.float32
    assert np.isfinite(first).all()


@pytest.mark.parametrize("seed", range(12))
def test_bone_is_brighter_than_soft_tissue_and_that_than_air(
    integrals: tuple[np.ndarray, np.ndarray], seed: int
) -> None:
    radiograph = expose(*integrals, np.random.default_rng(seed)).mean(axis=0)
    assert radiograph[130:158].mean() > radiograph[30:50].mean() > radiograph[2:8].mean()


def test_a_crop_cut_short_repeats_its_last_row() -> None:
    ramp = np.broadcast_to(np.arange(288, dtype=np.float32)[:, None], (288, 288))
    parameters = KneeParameters(seed=0, kl_grade=0, crop_mm=86.0)
    repeated = []
    for seed in range(60):
        column = joint_crop(ramp, parameters, np.random.default_rng(seed))[:, 128]
        # a tilted crop changes from row to row even so, but by less than a row
        flat = np.abs(np.diff(column)) < 1e-3
        repeated.append((int(np.argmin(flat)), int(np.argmin(flat[::-1]))))
    cut = np.array(repeated)
    assert 0.2 < (cut.max(axis=1) > 3).mean() < 0.75
    assert cut[:, 0].max() < 0.30 * 256
    assert cut[:, 1].max() < 0.26 * 256


def test_a_crop_knows_where_it_shows_a_place_of_the_radiograph() -> None:
    """A dot 12 mm below and 9 mm beside the centre is found where the crop's place says, jitter and turn included."""
    from Xray2MRILib.simulation.anatomy.knee_parameters import KneeParameters
    from Xray2MRILib.simulation.radiograph.appearance import CropPlace, joint_crop
    from Xray2MRILib.simulation.radiograph.drr import RADIOGRAPH_MM, RADIOGRAPH_PIXELS
    from Xray2MRILib.simulation.radiograph.stations import Station

    parameters = KneeParameters(seed=0, kl_grade=0, crop_offset_mm=(-7.0, 1.0))
    mm = (np.arange(RADIOGRAPH_PIXELS) - (RADIOGRAPH_PIXELS - 1) / 2) * RADIOGRAPH_MM / RADIOGRAPH_PIXELS
    dot = np.exp(-((mm[:, None] - 12) ** 2 + (mm[None] - 9) ** 2) / 4).astype(np.float32)
    station = Station(1.0, 0.0)
    for seed in (1, 2):
        crop = joint_crop(dot, parameters, np.random.default_rng(seed), station=station) ** 2
        place = CropPlace.drawn(parameters, np.random.default_rng(seed), station)
        centre = [(crop * axis).sum() / crop.sum() for axis in np.indices(crop.shape)]
        assert np.allclose(place.pixels_of(np.array([12.0, 9.0])), centre, atol=0.15)
    assert not np.isclose(place.turn, 0.0)
