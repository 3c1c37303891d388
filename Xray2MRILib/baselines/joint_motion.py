"""How a velocity field moves the bones' joint surfaces: the fall of the joint space, read from the deformation itself.

The frame of the severity 1 looks S up at x + exp(v)(x), so a piece of bone at p in S is at p + exp(-v)(p) in the
frame. No outline of the changed radiograph is needed.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from .velocity_field import exponential


def moved_places(velocity: Tensor, places: Tensor, size: int) -> Tensor:
    """Where places [B, ..., 2] (row, column) in pixels of a radiograph of ``size`` pixels are at severity 1.

    ``velocity`` [B, 2, h, h] is in pixels of its own grid, (columns, rows).
    """
    displacement = exponential(-velocity)
    scale = size / displacement.shape[-1]
    flat = places.reshape(len(places), 1, -1, 2)
    grid = (2 * flat.flip(-1) + 1) / size - 1  # (column, row) in units of half the radiograph
    found = functional.grid_sample(displacement, grid, padding_mode="border", align_corners=False)
    return places + scale * found[:, :, 0].movedim(1, -1).flip(-1).reshape(places.shape)


def joint_gaps(places: Tensor) -> Tensor:
    """Height in pixels of the joint space [B, sides] of surfaces [B, sides, 2 bones, N, 2] (row, column).

    The mean over the N places along each compartment, femur first.
    """
    return (places[:, :, 1, :, 0] - places[:, :, 0, :, 0]).mean(dim=-1)


def fall_of_gaps(velocity: Tensor, places: Tensor, size: int) -> Tensor:
    """By how many pixels the joint space [B, sides] of surfaces as in ``joint_gaps`` falls until severity 1."""
    return joint_gaps(places) - joint_gaps(moved_places(velocity, places, size))
