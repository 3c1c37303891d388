"""The acquisition as one step on any volume: ghosts, receiver noise, range and turned field, by seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch

from ..volume.geometry import depth_positions
from .ghosts import FLOOR_SHARE, add_ghosts
from .receiver_noise import MEAN_OF_FLOOR, SIGMA, add_receiver_noise
from .slice_seeds import slice_seeds
from .stored_range import PUBLISHED_CLIP_SHARE, clip_level, turned_field


@dataclass(frozen=True)
class Acquisition:
    """What is added to a noise-free volume.

    Attributes
    ----------
    noise
        Standard deviation of each receiver channel, relative to the level; 0 is none.
    ghosts
        Height of the ghosts relative to the noise floor, 0..1.
    turn_deg
        Turn of the field in the plane of the slices.
    clip_share
        Share of the voxels that end up at the maximum; None keeps the volume's own scale.
    seed
        Of all that is random.
    level
        The signal that noise and ghosts are relative to; None takes the volume's own clip level. With a level of its
        own each slice depends on no other slice.
    """

    noise: float = SIGMA
    ghosts: float = FLOOR_SHARE
    turn_deg: float = 0.0
    clip_share: float | None = PUBLISHED_CLIP_SHARE
    seed: int = 0
    level: float | None = None

    def record(self) -> dict[str, float | int | None]:
        """What provenance keeps."""
        return asdict(self)


def acquire(
    volume: np.ndarray | torch.Tensor, acquisition: Acquisition, depths: Sequence[float] | np.ndarray | None = None
) -> torch.Tensor:
    """``volume`` [S, H, W] as a scanner would store it, float32 on the same device.

    The noise of a slice is determined by the seed and by its depth u in [-1, 1] alone; ``depths`` [S] defaults to even
    spacing. With a ``clip_share`` the result lies in [0, 1]; without, it keeps the volume's scale and is at least 0.
    Raises ValueError for another number of axes, or of depths than slices.
    """
    values = torch.as_tensor(volume, dtype=torch.float32)
    if values.ndim != 3:
        raise ValueError(f"A volume has three axes [S, H, W], this one has {values.ndim}.")
    if depths is None:
        depths = depth_positions(len(values)) if len(values) > 1 else [0.0]
    if len(depths) != len(values):
        raise ValueError(f"There are {len(values)} slices, but {len(depths)} depths.")
    level = acquisition.level
    if level is None:
        share = PUBLISHED_CLIP_SHARE if acquisition.clip_share is None else acquisition.clip_share
        level = clip_level(values, share)
    values = values / level
    values = add_ghosts(values, acquisition.seed, acquisition.ghosts * acquisition.noise * MEAN_OF_FLOOR)
    values = add_receiver_noise(values, slice_seeds(acquisition.seed, depths), acquisition.noise)
    values = turned_field(values, acquisition.turn_deg)
    return values * level if acquisition.clip_share is None else values.clamp(0, 1)
