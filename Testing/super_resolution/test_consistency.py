"""The result explains what was measured, up to the noise and not beyond it."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from Xray2MRILib.acquisition.voxel_response import AxisSampling, VoxelResponse, along_axes  # noqa: E402
from Xray2MRILib.super_resolution.consistency import make_consistent  # noqa: E402
from Xray2MRILib.super_resolution.interpolation import interpolation_matrix  # noqa: E402
from Xray2MRILib.super_resolution.noise_level import noise_level  # noqa: E402

AXES = [
    AxisSampling.centred(10, 3.0, profile="gaussian", width=3.0), AxisSampling.centred(30, 1.0),
    AxisSampling.centred(30, 1.0),
]  # fmt: skip


@pytest.fixture
def scene() -> tuple[torch.Tensor, VoxelResponse]:
    """A smooth body and its operator."""
    place = torch.stack(torch.meshgrid(*(torch.linspace(-1, 1, n) for n in (30, 30, 30)), indexing="ij"))
    body = torch.sigmoid((0.8 - place.norm(dim=0)) * 12) * (0.6 + 0.3 * torch.sin(place[0] * 9))
    return body, VoxelResponse.of(AXES)


def test_a_wrong_guess_is_drawn_to_the_measurement(scene: tuple[torch.Tensor, VoxelResponse]) -> None:
    body, response = scene
    measured = response.sampled(body)
    found = make_consistent(body * 0.9, measured, response, noise=0.005, most=20)
    assert found.residual <= 1.0 < found.residual_before
    assert (found.values - body).abs().mean() < 0.5 * (0.1 * body).abs().mean()


def test_it_stops_at_the_noise(scene: tuple[torch.Tensor, VoxelResponse]) -> None:
    """The truth leaves a residual of one noise, so that nothing is changed."""
    body, response = scene
    noise = 0.03
    clean = response.sampled(body)
    measured = clean + noise * torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))
    found = make_consistent(body, measured, response, noise * 1.05)
    assert found.iterations == 0
    assert found.residual == pytest.approx(1.0, abs=0.06)


def test_interpolation_becomes_consistent(scene: tuple[torch.Tensor, VoxelResponse]) -> None:
    """Cubic interpolation alone blurs twice; the iterations take that back, and the truth comes nearer."""
    body, response = scene
    measured = response.sampled(body)
    matrices = [interpolation_matrix(axis) for axis in AXES]
    cubic = along_axes(measured, matrices)
    found = make_consistent(cubic, measured, response, noise=0.002, most=10)
    assert found.residual < found.residual_before
    assert (found.values - body).square().mean() < (cubic - body).square().mean()


@pytest.mark.parametrize("sigma", [0.01, 0.05])
def test_the_noise_is_estimated_within_a_tenth(scene: tuple[torch.Tensor, VoxelResponse], sigma: float) -> None:
    body, _ = scene
    noisy = body + sigma * torch.randn(body.shape, generator=torch.Generator().manual_seed(2))
    assert noise_level(noisy) == pytest.approx(sigma, rel=0.1, abs=0.002)


def test_texture_of_a_part_is_no_noise() -> None:
    """Half of the tissue is chequered five times as strongly as the noise is."""
    chequered = (
        0.5 + 0.1 * ((torch.arange(96) % 2)[:, None] * (torch.arange(96) % 2)) * (torch.arange(96) < 48)[:, None]
    )
    noise = 0.02 * torch.randn((4, 96, 96), generator=torch.Generator().manual_seed(3))
    assert noise_level(chequered + noise) == pytest.approx(0.02, rel=0.1)


def test_the_least_iterations_bring_back_what_lies_below_the_noise(scene: tuple[torch.Tensor, VoxelResponse]) -> None:
    """A guess without the body's fine waves explains it up to a large noise; one iteration restores part of them."""
    body, response = scene
    measured = response.sampled(body)
    place = torch.linspace(-1, 1, 30)[:, None, None]
    smooth = body - 0.05 * torch.sin(place * 9) * body
    none = make_consistent(smooth, measured, response, noise=0.1)
    once = make_consistent(smooth, measured, response, noise=0.1, least=1)
    assert (none.iterations, once.iterations) == (0, 1)
    assert torch.equal(none.values, smooth)
    assert once.residual < 0.8 * none.residual
    assert (once.values - body).abs().mean() < 0.9 * (smooth - body).abs().mean()
