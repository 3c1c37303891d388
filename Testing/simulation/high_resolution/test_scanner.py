"""The second scanner: distortion against numerical derivatives, noise against its ratio, bias and grids."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from Xray2MRILib.simulation.high_resolution.fine_scan import VOXEL_MM  # noqa: E402
from Xray2MRILib.simulation.high_resolution.scanner import (  # noqa: E402
    IN_PLANE_MM,
    NOISE,
    SLICE_DISTANCE_MM,
    bias_field,
    displacement,
    distorted,
    draw_scanner,
    noise_ratio,
    rician,
)


def test_the_jacobian_is_that_of_the_displacement() -> None:
    places = tuple(torch.linspace(-60, 60, 61, dtype=torch.float64) + k for k in range(3))
    u, jacobian = displacement(places, (2.5, -0.6))
    gradient = np.stack([np.stack(np.gradient(u[i].numpy(), 2.0)) for i in range(3)])
    expected = np.linalg.det(np.moveaxis(gradient, (0, 1), (-2, -1)) + np.eye(3))
    inner = (slice(3, -3),) * 3
    assert np.allclose(jacobian.numpy()[inner], expected[inner], atol=2e-3)


def test_the_amplitude_is_that_at_eighty_millimetres() -> None:
    u, _ = displacement((torch.tensor([0.0]), torch.tensor([80.0]), torch.tensor([0.0])), (3.0, 0.0))
    assert float(u[1].flatten()[0]) == pytest.approx(3.0)


def test_no_displacement_changes_nothing() -> None:
    block = torch.rand(6, 7, 8)
    assert torch.allclose(distorted(block, torch.zeros(3, 6, 7, 8), torch.ones(6, 7, 8)), block, atol=1e-5)


def test_a_shift_of_one_voxel_is_one_voxel() -> None:
    block = torch.rand(6, 7, 8)
    u = torch.zeros(3, 6, 7, 8)
    u[1] = VOXEL_MM
    moved = distorted(block, u, torch.ones(6, 7, 8))
    assert torch.allclose(moved[:, :-1], block[:, 1:], atol=1e-4)


def test_noise_follows_voxel_field_and_time() -> None:
    """Voxels of an eighth, half the field and a quarter of the time: 8 x 2 x 2."""
    assert noise_ratio((1.0, 8.0), (1.5, 3.0), (1.0, 4.0)) == pytest.approx(32.0)


def test_the_mean_of_pure_noise_is_that_of_rayleigh() -> None:
    floor = rician(torch.zeros(40, 40, 40), 0.05, torch.Generator().manual_seed(0))
    assert float(floor.mean()) == pytest.approx(0.05 * np.sqrt(np.pi / 2), rel=0.01)


def test_bias_has_its_deviation_and_is_smooth() -> None:
    field = bias_field((24, 20, 16), 0.15, torch.Generator().manual_seed(1))
    assert float(field.std()) == pytest.approx(0.15, rel=1e-4)
    assert float(field.mean()) == pytest.approx(0.0, abs=1e-5)
    assert float(field.diff(dim=0).abs().max()) < 0.15


def test_drawn_scanners_stay_in_their_ranges() -> None:
    generator = torch.Generator().manual_seed(5)
    for _ in range(200):
        scanner = draw_scanner(generator)
        assert SLICE_DISTANCE_MM[0] <= scanner.slice_distance_mm <= SLICE_DISTANCE_MM[1]
        assert scanner.slice_thickness_mm <= scanner.slice_distance_mm * 1.0001
        assert IN_PLANE_MM[0] <= scanner.in_plane_mm <= IN_PLANE_MM[1]
        assert NOISE[0] <= scanner.noise <= NOISE[1]
        axes = scanner.sampling((48, 48, 20), (0.0, 0.5, 1.0))
        assert all(float(axis.places()[-1]) <= axis.fine - 1 + 1e-6 and axis.first >= 0 for axis in axes)
