"""The acquisition as one step on any volume: ghosts, receiver noise, range and turned field, by seed."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch

from .ghosts import FLOOR_SHARE, add_ghosts
from .receiver_noise import SIGMA, add_receiver_noise
from .stored_range import PUBLISHED_CLIP_SHARE, clip_level, turned_field


@dataclass(frozen=True)
class Acquisition:
    """What is added to a noise-free volume.

    Attributes
    ----------
    noise
        Standard deviation of each receiver channel, relative to the clip level; 0 is none.
    ghosts
        Height of the ghosts relative to the noise floor, 0..1.
    turn_deg
        Turn of the field in the plane of the slices.
    clip_share
        Share of the voxels that end up at the maximum; None keeps the volume's own scale.
    seed
        Of all that is random.
    """

    noise: float = SIGMA
    ghosts: float = FLOOR_SHARE
    turn_deg: float = 0.0
    clip_share: float | None = PUBLISHED_CLIP_SHARE
    seed: int = 0

    def record(self) -> dict[str, float | int | None]:
        """What provenance keeps."""
        return asdict(self)


def acquire(volume: np.ndarray | torch.Tensor, acquisition: Acquisition) -> torch.Tensor:
    """``volume`` [S, H, W] as a scanner would store it, float32 on the same device, deterministic by seed.

    With a ``clip_share`` the result lies in [0, 1]; without, it keeps the volume's scale and noise is relative to the
    level that the published share would give. Raises ValueError for another number of axes.
    """
    values = torch.as_tensor(volume, dtype=torch.float32)
    if values.ndim != 3:
        raise ValueError(f"A volume has three axes [S, H, W], this one has {values.ndim}.")
    generator = torch.Generator(device=values.device).manual_seed(acquisition.seed)
    level = clip_level(values, PUBLISHED_CLIP_SHARE if acquisition.clip_share is None else acquisition.clip_share)
    values = values / level
    floor = acquisition.noise * 1.2533  # mean of a magnitude of pure noise
    values = add_ghosts(values, generator, acquisition.ghosts * floor)
    values = add_receiver_noise(values, generator, acquisition.noise)
    values = turned_field(values, acquisition.turn_deg)
    return values * level if acquisition.clip_share is None else values.clamp(0, 1)
