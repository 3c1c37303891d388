"""The noise of a volume, estimated from itself: what a residual is compared with."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_NORMAL, _MEAN_OF_NORMAL = 0.6745, 0.7979  # median and mean of the absolute value of a normal variable of deviation 1
LEAST_NOISE = 0.002  # of the range: rounding, where a volume has no noise
_AIR_SHARE = 0.1  # of the brightest tissue
_SQUARE, _WHOLE, _ENOUGH = 8, 0.75, 20  # coefficients along an edge, least share of tissue, least number of squares
_SMOOTHEST = 0.2
_BELOW_MEAN = 0.92  # a fifth of the means of 64 normal variables lie below this share of their mean


def noise_level(volume: Tensor, plane: tuple[int, int] = (1, 2)) -> float:
    """Standard deviation of the noise of ``volume`` [A, B, C], in its own unit.

    Mean absolute value of the diagonal band of a Haar transform in the two axes of ``plane``, in squares of 16 pixels
    of tissue; the smoothest fifth of them counts, since texture and edges look like noise (after Donoho and Johnstone
    1994, who take the median of the whole band).
    """
    a, b = plane
    moved = volume.movedim((a, b), (-2, -1))
    rows, columns = (n - n % 2 for n in moved.shape[-2:])
    moved = moved[..., :rows, :columns]
    high = _halved(_halved(moved, -2, -1), -1, -1)
    low = _halved(_halved(moved, -2, 1), -1, 1) / 2
    bright = (low > _AIR_SHARE * float(_largest(low))).float()
    side = min(_SQUARE, *high.shape[-2:])
    mean = functional.avg_pool2d(high.abs()[:, None] * bright[:, None], side).flatten()
    share = functional.avg_pool2d(bright[:, None], side).flatten()
    inside = share > _WHOLE
    if int(inside.sum()) < _ENOUGH:
        return float(high.abs().median()) / 2 / _NORMAL
    smooth = float(torch.quantile((mean / share.clamp(min=_WHOLE))[inside], _SMOOTHEST))
    return smooth / 2 / _MEAN_OF_NORMAL / _BELOW_MEAN


def _halved(volume: Tensor, axis: int, sign: int) -> Tensor:
    size = volume.shape[axis]
    index = torch.arange(0, size, 2, device=volume.device)
    first, second = volume.index_select(axis, index), volume.index_select(axis, index + 1)
    return first + sign * second


def _largest(values: Tensor) -> Tensor:
    flat = values.flatten()
    return flat.kthvalue(max(round(0.995 * len(flat)), 1)).values
