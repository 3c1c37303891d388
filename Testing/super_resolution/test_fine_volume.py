"""The passes of a network over a volume: each plane once, the thick axis as rows, and the mean of both directions."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from Xray2MRILib.super_resolution.enhancement_network import EnhancementUNet  # noqa: E402
from Xray2MRILib.super_resolution.fine_volume import Guidance, compute_fine_volume  # noqa: E402
from Xray2MRILib.super_resolution.spacing_plan import plan_spacing  # noqa: E402


@pytest.fixture
def measured() -> torch.Tensor:
    place = torch.stack(torch.meshgrid(*(torch.linspace(-1, 1, n) for n in (40, 36, 10)), indexing="ij"))
    return 300 * torch.sigmoid((0.8 - place.norm(dim=0)) * 12)


class _Spy(EnhancementUNet):
    """A network that notes what it is shown and adds a constant."""

    def forward(self, pictures, scalars, noisy=None, angle=None):
        self.shown = getattr(self, "shown", [])
        self.shown.append((pictures.clone(), scalars.clone()))
        return torch.ones_like(pictures[:, :1])


def test_a_constant_residual_is_added_once(measured: torch.Tensor) -> None:
    """Thick axis last: both passes cover every voxel, and their mean is the constant."""
    plan = plan_spacing(measured.shape, (1.0, 1.0, 3.0), 1.0)
    spy = _Spy(width=8, multipliers=(1, 2), blocks=1, residual_scale=0.05)
    plain = compute_fine_volume(measured, plan, None, consistency=False).values
    added = compute_fine_volume(measured, plan, spy, consistency=False).values
    low, high = (
        float(measured.flatten().kthvalue(round(q * (measured.numel() - 1)) + 1).values) for q in (0.005, 0.995)
    )
    inner = plain > low + 0.1 * (high - low)  # below, the result is clipped
    assert plain.shape == (40, 36, 30)
    assert torch.allclose((added - plain)[inner], torch.tensor(0.05 * (high - low)), rtol=1e-3)
    rows = {pictures.shape[-2] for pictures, _ in spy.shown}
    assert rows == {32}  # 30 voxels of the thick axis, padded
    assert sum(len(pictures) for pictures, _ in spy.shown) == 40 + 36
    for _, scalars in spy.shown:
        assert scalars[0, 0] == pytest.approx(1.585, abs=1e-3)  # log2 of 3
        assert scalars[0, 1] == 0


def test_the_network_sees_neighbours_and_guidance(measured: torch.Tensor) -> None:
    plan = plan_spacing(measured.shape, (1.0, 1.0, 3.0), 1.0)
    spy = _Spy(width=8, multipliers=(1, 2), blocks=1)
    bias = torch.linspace(0, 1, 40)[:, None, None].expand(40, 36, 30)
    compute_fine_volume(measured, plan, spy, guidance=Guidance(log_bias=bias), consistency=False)
    # the first pass goes along columns (axis 1), its pictures are (thick, rows)
    first = torch.cat([pictures for pictures, _ in spy.shown[:5]])
    assert torch.equal(first[1:, 0], first[:-1, 1])  # the previous picture
    assert torch.equal(first[:-1, 2], first[1:, 1])  # the next one
    assert torch.allclose(first[:, 3, 0, :40], torch.linspace(0, 1, 40).expand(len(first), -1))
    assert float(first[:, 4].abs().max()) == 0


def test_the_shipped_student_is_nearer_to_the_truth_than_interpolation() -> None:
    """Ellipsoids, which it never saw, by a scanner with slices twice as thick and 2 % noise."""
    from Xray2MRILib.acquisition.voxel_response import VoxelResponse
    from Xray2MRILib.simulation.high_resolution.scanner import rician
    from Xray2MRILib.super_resolution.model_choice import DEFAULT_MODEL, load_enhancement_network
    from Xray2MRILib.super_resolution.spacing_plan import samplings

    generator = torch.Generator().manual_seed(0)
    place = torch.stack(torch.meshgrid(*(torch.linspace(-1, 1, n) for n in (32, 48, 48)), indexing="ij"))
    truth = torch.zeros(place.shape[1:])
    for _ in range(10):
        centre, size = (torch.rand(3, generator=generator) * span + low for span, low in ((1.4, -0.7), (0.4, 0.2)))
        inside = ((place - centre[:, None, None, None]) / size[:, None, None, None]).norm(dim=0) < 1
        truth[inside] = 0.2 + 0.7 * float(torch.rand((), generator=generator))
    plan = plan_spacing((16, 48, 48), (1.25, 0.625, 0.625), 0.625)
    measured = rician(VoxelResponse.of(samplings(plan)).sampled(truth), 0.02, generator)
    network = load_enhancement_network(DEFAULT_MODEL)
    assert network is not None
    errors = [
        float((compute_fine_volume(measured, plan, chosen).values - truth).abs().mean()) for chosen in (network, None)
    ]
    assert errors[0] < 0.95 * errors[1]
