"""What a student of few steps learns: to go in one step where its teacher goes in two, or without guidance where the
teacher needs it (progressive distillation: Salimans and Ho, arXiv 2202.00512; Meng et al., arXiv 2210.03142).

A state is z = cos(phi) x + s sin(phi) e, with phi the angle of a retained step and s the scale of the initial noise:
the states of guided sampling with reduced noise have that spread. With a prediction v of the velocity, one DDIM step
turns the state by d:

    z(phi - d) = cos(d) z - sin(d) v

Nothing divides by the signal, so that phi = 90 degrees (zero terminal SNR) is an ordinary state.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..diffusion.schedule import sampler_for

# velocity [B, C, h, w] at a state [B, C, h, w] and retained steps t [B]
Velocity = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class StepGrid:
    """The retained steps of a sampler and their angles.

    Attributes
    ----------
    timesteps
        int64 [N], largest first.
    angles
        float32 [N + 1] in radians: those of the steps, then that at which sampling ends.
    """

    timesteps: Tensor
    angles: Tensor

    @classmethod
    def of(cls, scheduler: Any, steps: int, device: torch.device | str = "cpu") -> StepGrid:
        """The grid of DDIM with this many steps."""
        process = sampler_for(scheduler, "ddim", steps)
        kept = torch.cat((process.alphas_cumprod[process.timesteps], process.final_alpha_cumprod.reshape(1)))
        angles = torch.arccos(kept.double().sqrt().clamp(0, 1)).float()
        return cls(process.timesteps.to(device), angles.to(device))

    def __len__(self) -> int:
        return len(self.timesteps)


def turned(z: Tensor, velocity: Tensor, angle: Tensor) -> Tensor:
    """The state [B, C, h, w] after a DDIM step over ``angle`` [B] radians."""
    d = angle[:, None, None, None]
    return torch.cos(d) * z - torch.sin(d) * velocity


def state_at(clean: Tensor, noise: Tensor, angle: Tensor, noise_scale: Tensor) -> Tensor:
    """cos(phi) x + s sin(phi) e, for angles [B] and noise scales [B]."""
    phi, s = angle[:, None, None, None], noise_scale[:, None, None, None]
    return torch.cos(phi) * clean + s * torch.sin(phi) * noise


def two_step_target(teacher: Velocity, grid: StepGrid, fine: StepGrid, z: Tensor, place: Tensor) -> Tensor:
    """The velocity with which one step of ``grid`` reaches what two steps of ``fine`` reach from z at ``place`` [B].

    ``fine`` has twice the steps of ``grid``. With D the student's angle and z'' the teacher's state after both steps:
    v = (cos(D) z - z'') / sin(D).
    """
    if len(fine) != 2 * len(grid):
        raise ValueError(f"the teacher's {len(fine)} steps are not twice the student's {len(grid)}")
    later = z
    for half in (0, 1):
        at = 2 * place + half
        velocity = teacher(later, fine.timesteps[at])
        later = turned(later, velocity, fine.angles[at] - fine.angles[at + 1])
    whole = (grid.angles[place] - grid.angles[place + 1])[:, None, None, None]
    return (torch.cos(whole) * z - later) / torch.sin(whole)


def guided_share(places: Tensor, steps: int, share: float) -> Tensor:
    """Which places of a sampler of ``steps`` steps lie in its guided share, bool [B] (see slice_loop.denoise)."""
    return places < math.ceil(share * steps - 1e-6)
