"""Slice profiles and truncated k-space against closed forms, and K against its transpose."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from Xray2MRILib.acquisition.voxel_response import AxisSampling, VoxelResponse  # noqa: E402


@pytest.mark.parametrize("profile", ["gaussian", "boxcar", "k-space"])
@pytest.mark.parametrize("scale", [1.0, 1.5, 2.4, 4.0])
def test_a_constant_stays_a_constant(profile: str, scale: float) -> None:
    matrix = AxisSampling.centred(20, scale, profile=profile, width=scale, window=0.3).matrix()
    assert torch.allclose(matrix.sum(dim=1), torch.ones(20), atol=1e-5)


def test_the_fine_grid_has_the_centre_of_the_coarse_one() -> None:
    axis = AxisSampling.centred(7, 2.4)
    assert float(axis.places().mean()) == pytest.approx((axis.fine - 1) / 2)
    assert float(axis.fine_places().mean()) == pytest.approx(3.0)


def test_k_space_keeps_what_is_below_its_limit_and_drops_what_is_above() -> None:
    """Sinusoids at half of the acquired band and at 1.5 times its limit, in the middle of a long axis."""
    fine, scale = 400, 4.0
    axis = AxisSampling(fine, 100, scale, 0.0)
    matrix = axis.matrix().double()
    place, at = torch.arange(fine, dtype=torch.float64), axis.places()
    low, high = 0.5 / (2 * scale), 1.5 / (2 * scale)
    middle = slice(30, 70)
    kept = matrix @ torch.cos(2 * math.pi * low * place)
    assert torch.allclose(kept[middle], torch.cos(2 * math.pi * low * at)[middle], atol=0.02)
    assert float((matrix @ torch.cos(2 * math.pi * high * place))[middle].abs().max()) < 0.03


def test_a_hamming_window_takes_the_ringing_away() -> None:
    step = torch.cat((torch.zeros(200), torch.ones(200)))
    ringing = AxisSampling(400, 100, 4.0, 0.0).matrix() @ step
    smooth = AxisSampling(400, 100, 4.0, 0.0, window=1.0).matrix() @ step
    assert float(ringing.max()) > 1.05  # Gibbs: about 9 %, at the sampled places less
    assert float(smooth.max()) < 1.01


def test_the_slice_profile_has_its_width() -> None:
    """Full width at half maximum of one row, from a point that moves through the slice."""
    for profile in ("gaussian", "boxcar"):
        row = AxisSampling(401, 1, 40.0, 200.0, profile=profile, width=20.0).matrix()[0]
        assert int((row > 0.5 * row.max()).sum()) == pytest.approx(20, abs=1)


def test_the_transpose_and_the_gain_are_those_of_k() -> None:
    generator = torch.Generator().manual_seed(3)
    axes = [
        AxisSampling.centred(4, 2.4, profile="gaussian", width=2.0),
        AxisSampling.centred(5, 1.5, window=0.5),
        AxisSampling.centred(6, 1.0),
    ]
    response = VoxelResponse.of(axes)
    fine = torch.randn([axis.fine for axis in axes], generator=generator)
    coarse = torch.randn((4, 5, 6), generator=generator)
    left = float((response.sampled(fine) * coarse).sum())
    assert left == pytest.approx(float((fine * response.spread(coarse)).sum()), rel=1e-4)
    whole = np.kron(np.kron(*(m.numpy() for m in response.matrices[:2])), response.matrices[2].numpy())
    assert response.gain == pytest.approx(np.linalg.norm(whole, 2) ** 2, rel=1e-4)
