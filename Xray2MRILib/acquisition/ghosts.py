"""Ghosts beside the leg: pulsation and small movements spread a little signal along the phase-encoding direction."""

from __future__ import annotations

import torch

FLOOR_SHARE = 0.20  # of the noise floor, at most


def add_ghosts(volume: torch.Tensor, seed: int, level: float) -> torch.Tensor:
    """``volume`` [S, H, W], 1 at the clip level, plus smooth vertical bands of at most ``level``.

    Bands are constant along rows up to a slow change.

    Bands come from the columns' own signal, displaced by two random distances, so they lie beside the leg as well as
    over it. Distances are the same in all slices. A column whose mean is the clip level, as the brightest ones, gives
    a band of the full height.
    """
    if level <= 0:
        return volume.clone()
    generator = torch.Generator(device=volume.device).manual_seed(seed)
    profile = volume.mean(dim=1, keepdim=True).clamp(max=1)
    width = volume.shape[2]
    shifts = torch.randint(width // 5, width // 2, (2,), generator=generator, device=volume.device).tolist()
    bands = (profile.roll(shifts[0], dims=2) + profile.roll(-shifts[1], dims=2)) / 2
    place = torch.linspace(0, 1, volume.shape[1], device=volume.device)[None, :, None]
    phase = torch.rand((1,), generator=generator, device=volume.device)
    return volume + level * bands * (0.75 + 0.25 * torch.cos(6.28318 * (place + phase)))
