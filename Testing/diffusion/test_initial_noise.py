"""Noise of the depths: variance, correlation along the depth against the formula, belonging to the depth."""

from __future__ import annotations

import math

import pytest
import torch

from Xray2MRILib.diffusion.initial_noise import NOISES, fresh_noise, initial_noise
from Xray2MRILib.volume.geometry import OAI_FIELD, depth_positions

DEPTHS = [-1.0, -0.5, 0.0, 0.25, 1.0]


def at_mm(*places: float) -> list[float]:
    """Depths u of places in mm from the first slice."""
    return [place / OAI_FIELD.extent_mm * 2 - 1 for place in places]


def correlation(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(torch.corrcoef(torch.stack((one.flatten(), other.flatten())))[0, 1])


@pytest.mark.parametrize("noise", NOISES)
def test_noise_is_standard_normal_at_every_depth(noise: str) -> None:
    made = initial_noise(depth_positions(30), 3, noise, channels=8)
    assert made.shape == (30, 8, 32, 32)
    assert made.dtype == torch.float32
    error = 5 / math.sqrt(8 * 32 * 32)  # five standard errors
    assert made.mean(dim=(1, 2, 3)).abs().max() < error
    assert (made.std(dim=(1, 2, 3)) - 1).abs().max() < error


@pytest.mark.parametrize("noise", NOISES)
def test_a_depth_keeps_its_noise_whichever_others_are_asked_for(noise: str) -> None:
    whole = initial_noise(DEPTHS, 3, noise)
    assert torch.equal(initial_noise([0.25], 3, noise)[0], whole[3])
    assert torch.equal(initial_noise([0.25 + 1e-12], 3, noise)[0], whole[3])
    assert not torch.equal(initial_noise([0.25], 4, noise)[0], whole[3])
    assert torch.equal(whole, initial_noise(DEPTHS, 3, noise))


def test_shared_noise_is_one_and_independent_noises_have_nothing_in_common() -> None:
    shared = initial_noise(DEPTHS, 3, "shared")
    assert torch.equal(shared[0], shared[4])
    independent = initial_noise(DEPTHS, 3, "independent", channels=64)
    assert abs(correlation(independent[0], independent[1])) < 0.02
    with pytest.raises(ValueError, match="shared, drifting, independent"):
        initial_noise(DEPTHS, 3, "white")


def test_fresh_noise_belongs_to_its_depth_and_is_another_one() -> None:
    fresh = fresh_noise(DEPTHS, 3, channels=64)
    assert torch.equal(fresh_noise([0.25], 3, channels=64)[0], fresh[3])
    assert float(fresh.std()) == pytest.approx(1, abs=0.01)
    for initial in NOISES:
        assert abs(correlation(fresh[3], initial_noise(DEPTHS, 3, initial, channels=64)[3])) < 0.02
    assert abs(correlation(fresh[2], fresh[3])) < 0.02


def test_drifting_noise_correlates_as_the_quarter_turns_say() -> None:
    places = at_mm(0, 2, 5, 8, 10, 14, 20, 24)
    at = initial_noise(places, 0, "drifting", channels=64)  # 65,536 values: standard error 0.004
    degrees = [0, 18, 45, 72, 90]
    for place, degree in enumerate(degrees):
        assert correlation(at[0], at[place]) == pytest.approx(math.cos(math.radians(degree)), abs=0.02)
    assert correlation(at[1], at[2]) == pytest.approx(math.cos(math.radians(27)), abs=0.02)
    # 8 mm and 14 mm share the noise at 10 mm alone, with sin(72) and cos(36) of it
    expected = math.sin(math.radians(72)) * math.cos(math.radians(36))
    assert correlation(at[3], at[5]) == pytest.approx(expected, abs=0.02)
    assert correlation(at[0], at[6]) == pytest.approx(0, abs=0.02)
    assert correlation(at[2], at[7]) == pytest.approx(0, abs=0.02)


def test_drifting_noise_is_continuous_where_one_quarter_turn_follows_another() -> None:
    before, after = initial_noise(at_mm(9.999, 10.001), 0, "drifting")
    assert (before - after).abs().max() < 0.01
