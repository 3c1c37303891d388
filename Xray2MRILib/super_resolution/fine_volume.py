"""A fine volume from a measured one: interpolation, two passes of a network, and data consistency."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..acquisition.voxel_response import VoxelResponse, along_axes
from ..errors import Cancelled
from .consistency import MOST_ITERATIONS, ConsistentVolume, make_consistent
from .enhancement_network import DISPLACEMENT_UNIT_MM, EnhancementUNet, scalar_inputs
from .interpolation import interpolation_matrix
from .noise_level import noise_level
from .residual_diffusion import STEPS, sample_residual
from .spacing_plan import SpacingPlan, samplings
from .tiles import in_tiles

_TOGETHER = 8  # pictures at once
_AFTER_A_NETWORK = 1  # iterations of data consistency at least


@dataclass(frozen=True)
class FineResult:
    """A fine volume [S, H, W] in the unit of the measured one, and how it was found.

    Attributes
    ----------
    noise
        Of the measured volume, in its own unit.
    consistent
        See ``consistency``; its values are not in the order of the volume.
    """

    values: Tensor
    noise: float
    consistent: ConsistentVolume


@dataclass(frozen=True)
class Guidance:
    """What may be known of the scanner, on the fine grid [S, H, W]; None where it is not known."""

    log_bias: Tensor | None = None
    displacement_mm: Tensor | None = None


def compute_fine_volume(
    measured: Tensor,
    plan: SpacingPlan,
    network: EnhancementUNet | None,
    *,
    kind: str = "cubic",
    guidance: Guidance | None = None,
    steps: int = STEPS,
    seed: int = 0,
    on_share: Callable[[float], None] | None = None,
    should_cancel: Callable[[], bool] | None = None,
    consistency: bool = True,
    least: int | None = None,
) -> FineResult:
    """``measured`` float32 [S, H, W] on the grid of ``plan``; without a ``network`` it is interpolated (``kind``).

    A teacher takes ``steps`` steps of DDIM from noise of ``seed``. At ``least`` so many iterations of data consistency
    are made; None makes one after a network and none after an interpolation that explains the voxels already.
    Raises Cancelled when ``should_cancel`` says so.
    """
    order = plan.order
    low, high = _range(measured)
    scaled = ((measured - low) / (high - low)).permute(order).contiguous()
    axes = samplings(plan)
    first, second, third = (interpolation_matrix(axis, kind) for axis in axes)
    fine = along_axes(scaled, (first, second, third))
    noise = noise_level(scaled)
    if network is not None:
        guidance = guidance or Guidance()
        maps = [
            torch.zeros(()) if known is None else known.permute(order) / unit
            for known, unit in ((guidance.log_bias, 1.0), (guidance.displacement_mm, DISPLACEMENT_UNIT_MM))
        ]
        scales = [plan.scales[axis] for axis in order]
        passes = _Passes(network, steps, seed, noise, on_share or (lambda share: None), should_cancel)
        fine = fine + (passes.along(fine, maps, scales, 2) + passes.along(fine, maps, scales, 1)) / 2
    fine = fine.clamp(min=float(scaled.min()))
    response = VoxelResponse.of(axes)
    if least is None:
        least = 0 if network is None else _AFTER_A_NETWORK
    found = make_consistent(fine, scaled, response, noise, most=MOST_ITERATIONS if consistency else 0, least=least)
    back = sorted(range(3), key=lambda axis: order[axis])
    values = found.values.clamp(min=float(scaled.min())).permute(back).contiguous() * (high - low) + low
    return FineResult(values, noise * (high - low), found)


@dataclass
class _Passes:
    """The two passes of a network over planes that hold the thick axis."""

    network: EnhancementUNet
    steps: int
    seed: int
    noise: float
    on_share: Callable[[float], None]
    should_cancel: Callable[[], bool] | None
    done: int = 0

    @torch.inference_mode()
    def along(self, fine: Tensor, maps: list[Tensor], scales: list[float], axis: int) -> Tensor:
        """The residual [T, A, B] from pictures (thick axis, the other one), one for each place along ``axis``."""
        count = fine.shape[axis]
        in_all = fine.shape[1] + fine.shape[2]
        column_scale = scales[3 - axis]
        generator = torch.Generator().manual_seed(self.seed + axis)
        result = torch.empty_like(fine)
        stack = fine.movedim(axis, 0)
        guides = [guide.expand(fine.shape).movedim(axis, 0) for guide in maps]
        into = result.movedim(axis, 0)
        for at in range(0, count, _TOGETHER):
            if self.should_cancel is not None and self.should_cancel():
                raise Cancelled()
            index = torch.arange(at, min(at + _TOGETHER, count))
            channels = [stack[(index + step).clamp(0, count - 1)] for step in (-1, 0, 1)]
            pictures = torch.stack([*channels, *(guide[index] for guide in guides)], dim=1)
            scalars = scalar_inputs(scales[0], column_scale, self.noise, len(index))
            into[index] = self._residual(pictures, scalars, generator)[:, 0]
            self.done += len(index)
            self.on_share(self.done / in_all)
        return result

    def _residual(self, pictures: Tensor, scalars: Tensor, generator: torch.Generator) -> Tensor:
        network, device = self.network, self.network.device
        scalars = scalars.to(device)

        def student(part: Tensor) -> Tensor:
            return network(part.to(device), scalars).float().cpu()

        def teacher(part: Tensor) -> Tensor:
            noise = torch.randn((len(part), 1, *part.shape[-2:]), generator=generator)
            return sample_residual(network, part.to(device), scalars, noise.to(device), self.steps).float().cpu()

        found = in_tiles(teacher if network.is_teacher else student, pictures, network.multiple)
        return found * network.config["residual_scale"]


def _range(measured: Tensor) -> tuple[float, float]:
    """Percentiles 0.5 and 99.5, which become 0 and 1."""
    some = measured.flatten()[:: max(measured.numel() // 500_000, 1)]
    low, high = (float(some.kthvalue(round(share * (len(some) - 1)) + 1).values) for share in (0.005, 0.995))
    return low, high if high > low else low + 1.0
