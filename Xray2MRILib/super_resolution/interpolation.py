"""Interpolation between voxels as matrices: what a network starts from, and what it is compared with.

Keys (1981), "Cubic convolution interpolation for digital image processing", equation 15 with a = -1/2; Lanczos with
three lobes; interpolating cubic B-splines (Unser 1999). Beyond the field the outermost voxel counts.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..acquisition.voxel_response import AxisSampling

KINDS = ("cubic", "lanczos", "b-spline", "linear")
_REACH = {"cubic": 2, "lanczos": 3, "b-spline": 2, "linear": 1}


def interpolation_matrix(axis: AxisSampling, kind: str = "cubic") -> Tensor:
    """Weights float32 [fine, coarse] that interpolate coarse voxels at the places of fine ones; rows sum to 1.

    Raises ValueError for a kind that is not in ``KINDS``.
    """
    if kind not in KINDS:
        raise ValueError(f"There is no interpolation {kind!r}.")
    place = axis.fine_places()
    reach, size = _REACH[kind], axis.coarse
    first = torch.floor(place).long() - reach + 1
    weights = torch.zeros(axis.fine, size, dtype=torch.float64)
    for step in range(2 * reach):
        index = first + step
        value = _KERNELS[kind](place - index)
        weights.scatter_add_(1, index.clamp(0, size - 1)[:, None], value[:, None])
    if kind == "b-spline":  # the coefficients that reproduce the voxels
        collocation = torch.zeros(size, size, dtype=torch.float64)
        at = torch.arange(size)
        for step, value in ((-1, 1 / 6), (0, 4 / 6), (1, 1 / 6)):
            collocation.scatter_add_(
                1, (at + step).clamp(0, size - 1)[:, None], torch.full((size, 1), value, dtype=torch.float64)
            )
        weights = torch.linalg.solve(collocation, weights, left=False)
    return (weights / weights.sum(dim=1, keepdim=True)).float()


def _cubic(away: Tensor) -> Tensor:
    d = away.abs()
    near, far = 1.5 * d**3 - 2.5 * d**2 + 1, -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
    return torch.where(d <= 1, near, torch.where(d < 2, far, 0.0))


def _lanczos(away: Tensor) -> Tensor:
    return torch.where(away.abs() < 3, torch.sinc(away) * torch.sinc(away / 3), 0.0)


def _b_spline(away: Tensor) -> Tensor:
    d = away.abs()
    near, far = 2 / 3 - d**2 + d**3 / 2, (2 - d).clamp(min=0) ** 3 / 6
    return torch.where(d <= 1, near, far)


def _linear(away: Tensor) -> Tensor:
    return (1 - away.abs()).clamp(min=0)


_KERNELS = {"cubic": _cubic, "lanczos": _lanczos, "b-spline": _b_spline, "linear": _linear}
