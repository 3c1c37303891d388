"""The teacher's diffusion of the residual: velocity prediction with zero terminal SNR, counted in angles.

With phi the angle of a step, z = cos(phi) r + sin(phi) e and v = cos(phi) e - sin(phi) r; a DDIM step turns the state:
z(phi - d) = cos(d) z - sin(d) v. Nothing divides by the signal, so that phi = 90 degrees, pure noise, is an ordinary
state (Salimans and Ho 2022; Lin et al. 2024 on zero terminal SNR).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .enhancement_network import EnhancementUNet

STEPS = 20


def noisy_residual(residual: Tensor, noise: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """State z and velocity v, [B, 1, H, W] each, of a residual at angles [B]."""
    phi = angle[:, None, None, None]
    return torch.cos(phi) * residual + torch.sin(phi) * noise, torch.cos(phi) * noise - torch.sin(phi) * residual


def angles(steps: int = STEPS) -> Tensor:
    """Angles [steps + 1] from pi / 2 to 0."""
    return torch.linspace(math.pi / 2, 0.0, steps + 1)


@torch.no_grad()
def sample_residual(
    teacher: EnhancementUNet, pictures: Tensor, scalars: Tensor, noise: Tensor, steps: int = STEPS
) -> Tensor:
    """A residual [B, 1, H, W] in units of ``residual_scale``, by ``steps`` steps of DDIM from ``noise``."""
    z = noise
    grid = angles(steps).to(noise.device)
    for place in range(steps):
        phi, turn = grid[place], grid[place] - grid[place + 1]
        v = teacher(pictures, scalars, z, phi.expand(len(z)))
        z = torch.cos(turn) * z - torch.sin(turn) * v
    return z
