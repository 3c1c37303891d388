"""Data consistency: the fine volume has to explain the voxels that were measured.

Landweber iteration y <- y + K'(x - K y) / |K|^2. It ends when the residual is as large as the noise (Morozov's
discrepancy principle), since a smaller one would copy the noise into the result.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..acquisition.voxel_response import VoxelResponse
from .noise_level import LEAST_NOISE

MOST_ITERATIONS = 5


@dataclass(frozen=True)
class ConsistentVolume:
    """A fine volume and how well it explains the measured one.

    Attributes
    ----------
    values
        float32 [A, B, C].
    residual_before, residual
        Root mean square of x - K y where there is signal, in units of the noise, before and after the iterations.
    iterations
        How many were needed.
    """

    values: Tensor
    residual_before: float
    residual: float
    iterations: int


def make_consistent(
    fine: Tensor, measured: Tensor, response: VoxelResponse, noise: float, *, most: int = MOST_ITERATIONS,
    least: int = 0,
) -> ConsistentVolume:  # fmt: skip
    """``fine`` [A, B, C] corrected until it explains ``measured`` [a, b, c] up to ``noise``, or ``most`` times.

    At ``least`` so many iterations are made even if it does: a network takes fine texture for noise, and the first
    iteration brings most of it back.

    Values are relative to the range [0, 1] of the measured volume.
    """
    noise = max(noise, LEAST_NOISE)
    signal = measured > 3 * noise
    if not bool(signal.any()):
        signal = torch.ones_like(signal)
    found = fine
    difference = measured - response.sampled(found)
    before = residual = _in_noise(difference, signal, noise)
    done = 0
    while done < most and (residual > 1 or done < least):
        found = found + response.spread(difference) / response.gain
        difference = measured - response.sampled(found)
        residual, done = _in_noise(difference, signal, noise), done + 1
    return ConsistentVolume(found, before, residual, done)


def _in_noise(difference: Tensor, signal: Tensor, noise: float) -> float:
    return float(difference[signal].square().mean().sqrt()) / noise
