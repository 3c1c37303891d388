"""Initial noise z_T per depth: one noise for all depths as in the paper, one that drifts with depth, or one per depth.

Algorithm 2 draws one noise before its loop. Structures that the noise determines then appear at the same place in all
slices, and neighbouring slices are more similar than those of a real knee. Drifting noise makes them less similar. The
outline of the leg then moves as much from slice to slice as in a real knee, but less steadily
(docs/readings-and-departures.md). Neither choice is better in every respect.
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
_FRESH = 1  # tells a fresh noise from an initial one


def initial_noise(
    depths: Sequence[float] | np.ndarray, seed: int, noise: str, channels: int = 4, size: int = 32
) -> Tensor:
    """z_T [S, channels, size, size], float32 on the CPU, so that every device starts from the same noise.

    Parameters
    ----------
    depths
        u in [-1, 1].
    noise
        ``shared``: one noise for all depths, as in the paper (A17). ``drifting``: independent noises every DRIFT_MM
        along the depth; between two of them the noise is interpolated by a quarter rotation, which keeps the variance
        at 1. Two depths d mm apart between the same two noises have the correlation cos(pi / 2 * d / DRIFT_MM); from
        2 * DRIFT_MM on they are uncorrelated.
        ``independent``: one noise per depth.

    The noise of a depth does not depend on the other requested depths. Raises ValueError for an unknown ``noise``.
    """
    shape = (channels, size, size)
    if noise == "shared":
        return torch.randn(1, *shape, generator=torch.Generator().manual_seed(seed)).expand(len(depths), -1, -1, -1)
    if noise == "independent":
        return torch.stack(
            [torch.randn(shape, generator=_create_generator(seed, _to_millionths(depth))) for depth in depths]
        )
    if noise == "drifting":
        places = [_to_millionths(depth) * 1e-6 / 2 * OAI_FIELD.extent_mm / DRIFT_MM for depth in depths]
        wanted = sorted({math.floor(place) + more for place in places for more in (0, 1)})
        anchors = {k: torch.randn(shape, generator=_create_generator(seed, k)) for k in wanted}
        return torch.stack([_interpolate(anchors, place) for place in places])
    raise ValueError(f"noise must be one of {', '.join(NOISES)}, not {noise!r}")


def fresh_noise(depths: Sequence[float] | np.ndarray, seed: int, channels: int = 4, size: int = 32) -> Tensor:
    """Another noise per depth [S, channels, size, size], for the late steps (see slice_loop.denoise).

    It has nothing in common with an initial noise of the same seed, and does not depend on the other depths.
    """
    shape = (channels, size, size)
    return torch.stack(
        [torch.randn(shape, generator=_create_generator(seed, _to_millionths(depth), _FRESH)) for depth in depths]
    )


def _interpolate(anchors: dict[int, Tensor], place: float) -> Tensor:
    """The noise at ``place``, a position in units of the distance between two anchors."""
    below = math.floor(place)
    turn = (place - below) * math.pi / 2
    return math.cos(turn) * anchors[below] + math.sin(turn) * anchors[below + 1]


def _to_millionths(depth: float) -> int:
    """u + 1 in millionths, so that rounding errors do not split one depth into two."""
    return round((depth + 1) * 1e6)


def _create_generator(seed: int, *place: int) -> torch.Generator:
    mixed = np.random.SeedSequence([seed, *place]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(mixed >> np.uint64(1)))
