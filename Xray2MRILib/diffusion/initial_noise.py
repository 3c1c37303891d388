"""z_T of every depth: one noise for all as the paper has it, one that drifts along the depth, or one for each.

Algorithm 2 draws one noise before its loop. What the noise decides is then drawn into all slices at the same place, and
neighbouring slices are more alike than those of a knee. Under a noise that drifts they are less so, and the outline of
the leg moves as much from slice to slice as in a knee, but less steadily (docs/readings-and-departures.md): neither is
the better one in all respects.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..volume.geometry import OAI_FIELD
from .sampling_settings import NOISES

DRIFT_MM = 10.0


def initial_noise(
    depths: Sequence[float] | np.ndarray, seed: int, noise: str, channels: int = 4, size: int = 32
) -> Tensor:
    """z_T [S, channels, size, size], float32 on the CPU so that every device starts alike.

    Parameters
    ----------
    depths
        u in [-1, 1].
    noise
        ``shared``: one noise for all depths, as printed (A17). ``drifting``: independent noises stand every DRIFT_MM
        along the depth, and between two of them lies a quarter turn from one to the other, which keeps the variance at
        1. Two depths d mm apart between the same two noises correlate by cos(pi / 2 * d / DRIFT_MM); from 2 * DRIFT_MM
        on they do not.
        ``independent``: each depth has its own.

    A depth keeps its noise whichever others are asked for. Raises ValueError for another word.
    """
    shape = (channels, size, size)
    if noise == "shared":
        return torch.randn(1, *shape, generator=torch.Generator().manual_seed(seed)).expand(len(depths), -1, -1, -1)
    if noise == "independent":
        return torch.stack([torch.randn(shape, generator=_generator(seed, _micro(depth))) for depth in depths])
    if noise == "drifting":
        places = [_micro(depth) * 1e-6 / 2 * OAI_FIELD.extent_mm / DRIFT_MM for depth in depths]
        wanted = sorted({math.floor(place) + more for place in places for more in (0, 1)})
        anchors = {k: torch.randn(shape, generator=_generator(seed, k)) for k in wanted}
        return torch.stack([_between(anchors, place) for place in places])
    raise ValueError(f"noise must be one of {', '.join(NOISES)}, not {noise!r}")


def _between(anchors: dict[int, Tensor], place: float) -> Tensor:
    """The noise at a place between two anchors, in units of their distance."""
    below = math.floor(place)
    turn = (place - below) * math.pi / 2
    return math.cos(turn) * anchors[below] + math.sin(turn) * anchors[below + 1]


def _micro(depth: float) -> int:
    """u + 1 in millionths, so that a depth computed in two ways is one."""
    return round((depth + 1) * 1e6)


def _generator(seed: int, place: int) -> torch.Generator:
    mixed = np.random.SeedSequence([seed, place]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(mixed >> np.uint64(1)))
