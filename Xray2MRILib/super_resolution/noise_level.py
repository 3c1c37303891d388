"""The noise of a volume, estimated from itself: what a residual is compared with."""

from __future__ import annotations

import torch
from torch import Tensor

_NORMAL = 0.6745  # median of the absolute value of a normal variable of deviation 1
LEAST_NOISE = 0.002  # of the range: rounding and texture, where a volume has no noise
_ENOUGH = 500


def noise_level(volume: Tensor, plane: tuple[int, int] = (1, 2)) -> float:
    """Standard deviation of the noise of ``volume`` [A, B, C], in its own unit.

    Median absolute value of the diagonal band of a Haar transform in the two axes of ``plane``, where the signal is
    above the background (Donoho and Johnstone 1994). Texture counts as noise.
    """
    a, b = plane
    even = [n - n % 2 for n in volume.shape]
    rows = volume.narrow(a, 0, even[a]).narrow(b, 0, even[b])
    high = _halved(_halved(rows, a, -1), b, -1)
    low = _halved(_halved(rows, a, 1), b, 1) / 2
    inside = high[low > 0.1 * float(_largest(low))]
    values = inside if inside.numel() >= _ENOUGH else high.flatten()
    return float(values.abs().median()) / 2 / _NORMAL


def _halved(volume: Tensor, axis: int, sign: int) -> Tensor:
    size = volume.shape[axis]
    index = torch.arange(0, size, 2, device=volume.device)
    first, second = volume.index_select(axis, index), volume.index_select(axis, index + 1)
    return first + sign * second


def _largest(values: Tensor) -> Tensor:
    flat = values.flatten()
    return flat.kthvalue(max(round(0.995 * len(flat)), 1)).values
