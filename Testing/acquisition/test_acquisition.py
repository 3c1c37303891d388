"""Receiver noise, ghosts, range and turned field against what was measured on scans and against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from Xray2MRILib.acquisition.acquisition_model import Acquisition, acquire  # noqa: E402
from Xray2MRILib.acquisition.ghosts import add_ghosts  # noqa: E402
from Xray2MRILib.acquisition.receiver_noise import SIGMA, add_receiver_noise  # noqa: E402
from Xray2MRILib.acquisition.slice_seeds import slice_seeds  # noqa: E402
from Xray2MRILib.acquisition.stored_range import clip_level, to_clip_level, turned_field  # noqa: E402
from Xray2MRILib.volume.geometry import depth_positions  # noqa: E402


@pytest.fixture(scope="module")
def floor() -> torch.Tensor:
    """Noise where there is no signal, edges cut."""
    return add_receiver_noise(torch.zeros(6, 160, 160), range(6))[:, 8:-8, 8:-8]


def correlation(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(torch.corrcoef(torch.stack((a.flatten(), b.flatten())))[0, 1])


def test_the_floor_has_the_measured_mean_and_spread(floor: torch.Tensor) -> None:
    assert float(floor.mean()) == pytest.approx(SIGMA * np.sqrt(np.pi / 2), rel=0.01)
    assert 3.1 <= float(floor.mean() / floor.std()) <= 3.3


def test_the_floor_is_correlated_over_one_pixel_only(floor: torch.Tensor) -> None:
    for axis in (1, 2):
        n = floor.shape[axis]
        near = correlation(floor.narrow(axis, 0, n - 1), floor.narrow(axis, 1, n - 1))
        far = correlation(floor.narrow(axis, 0, n - 2), floor.narrow(axis, 2, n - 2))
        assert near == pytest.approx(0.28, abs=0.03)
        assert far == pytest.approx(0.0, abs=0.05)
    assert correlation(floor[:-1], floor[1:]) == pytest.approx(0.0, abs=0.02)


def test_the_mean_magnitude_is_that_of_rice() -> None:
    """Signal 2 sigma: mean of the Rice distribution, sigma sqrt(pi/2) L(1/2; -2), from its Bessel form."""
    from scipy.special import i0e, i1e

    half = 2.0**2 / 2
    expected = SIGMA * np.sqrt(np.pi / 2) * ((1 + half) * i0e(half / 2) + half * i1e(half / 2))
    noisy = add_receiver_noise(torch.full((4, 128, 128), 2 * SIGMA), range(4))
    assert float(noisy.mean()) == pytest.approx(expected, rel=0.01)


def test_no_noise_changes_nothing() -> None:
    volume = torch.rand(2, 16, 16)
    plain = Acquisition(noise=0.0, ghosts=0.0, clip_share=None)
    assert torch.equal(add_receiver_noise(volume, range(2), 0.0), volume)
    assert torch.allclose(acquire(volume, plain), volume, atol=1e-6)


def test_the_clip_level_leaves_the_share_above_it() -> None:
    volume = torch.rand(32, 128, 128, generator=torch.Generator().manual_seed(0))
    assert float((volume > clip_level(volume, 0.05)).float().mean()) == pytest.approx(0.05, abs=0.005)
    assert float((to_clip_level(volume) == 1).float().mean()) == pytest.approx(0.057, abs=0.005)


def test_ghosts_lie_beside_the_leg_and_keep_to_their_level() -> None:
    volume = torch.zeros(2, 64, 64)
    volume[:, :, 24:40] = 1
    ghost = add_ghosts(volume, 3, 0.015) - volume
    assert 0.003 < float(ghost.max()) <= 0.0151
    assert float(ghost[:, :, :24].max() + ghost[:, :, 40:].max()) > 0.003


def test_a_turned_field_is_a_rotation() -> None:
    """A point on the horizontal axis comes to the vertical axis after 90 degrees; corners of a small turn are empty."""
    volume = torch.zeros(1, 41, 41)
    volume[0, 20, 35] = 1
    turned = turned_field(volume, 90)
    assert float(turned[0].max()) == pytest.approx(1, abs=1e-3)
    row, column = np.unravel_index(int(turned.argmax()), (41, 41))
    assert column == 20
    assert abs(row - 20) == 15
    assert float(turned_field(torch.ones(1, 64, 64), 5)[0, 0, 0]) == 0


def test_one_seed_gives_one_volume_and_another_gives_another() -> None:
    volume = np.random.default_rng(0).random((3, 32, 32), np.float32)
    first, again, other = (acquire(volume, Acquisition(seed=s)) for s in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert float(first.min()) >= 0
    assert float(first.max()) <= 1


def test_a_slice_has_its_noise_alone_and_in_a_denser_volume() -> None:
    """With a fixed level; 9 slices have the depths of 5, and 4 more between them."""
    few = torch.rand(5, 32, 32, generator=torch.Generator().manual_seed(1))
    many = torch.zeros(9, 32, 32)
    many[::2] = few
    acquisition = Acquisition(seed=4, level=0.8, clip_share=None)
    shown = acquire(few, acquisition)
    assert torch.equal(shown, acquire(many, acquisition)[::2])
    assert torch.equal(shown[3:4], acquire(few[3:4], acquisition, depth_positions(5)[3:4]))


def test_no_two_depths_and_no_two_volumes_share_a_seed() -> None:
    for count in (2, 50, 99, 129, 500):
        seeds = slice_seeds(0, depth_positions(count))
        assert len(set(seeds)) == count
        assert not set(seeds) & set(slice_seeds(1, depth_positions(count)))
        assert all(0 <= seed < 2**32 for seed in seeds)
    # the exact places of shared depths; a value computed on another way may differ in its last bit
    nudged = slice_seeds(7, np.nextafter(depth_positions(129), 2))
    assert nudged == slice_seeds(7, depth_positions(129)) == slice_seeds(7, depth_positions(257))[::2]


def test_depths_belong_to_the_slices() -> None:
    with pytest.raises(ValueError, match="2 slices, but 3 depths"):
        acquire(np.zeros((2, 8, 8), np.float32), Acquisition(), [0, 0.5, 1])


def test_a_picture_is_no_volume() -> None:
    with pytest.raises(ValueError, match="three axes"):
        acquire(np.zeros((4, 4), np.float32), Acquisition())
