"""Large pictures in overlapping tiles, so that memory does not grow with the volume."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

TILE, OVERLAP = 192, 32


def in_tiles(
    network: Callable[[Tensor], Tensor], pictures: Tensor, multiple: int, *, tile: int = TILE, overlap: int = OVERLAP
) -> Tensor:
    """``network`` of pictures [B, C, H, W], [B, 1, H, W]; tiles fade into each other over ``overlap`` pixels.

    Edges are repeated where a tile has to be a ``multiple`` of some pixels.
    """
    height, width = pictures.shape[-2:]
    total = torch.zeros(len(pictures), 1, height, width, device=pictures.device)
    weight = torch.zeros(height, width, device=pictures.device)
    for top, bottom in _spans(height, tile, overlap):
        for left, right in _spans(width, tile, overlap):
            part = pictures[..., top:bottom, left:right]
            below, beside = -part.shape[-2] % multiple, -part.shape[-1] % multiple
            found = network(functional.pad(part, (0, beside, 0, below), mode="replicate"))
            found = found[..., : bottom - top, : right - left]
            fade = _fade(top, bottom, height, overlap)[:, None] * _fade(left, right, width, overlap)
            fade = fade.to(pictures.device)
            total[..., top:bottom, left:right] += found * fade
            weight[top:bottom, left:right] += fade
    return total / weight


def _spans(size: int, tile: int, overlap: int) -> list[tuple[int, int]]:
    if size <= tile:
        return [(0, size)]
    count = -(-(size - overlap) // (tile - overlap))
    starts = [round(k * (size - tile) / (count - 1)) for k in range(count)]
    return [(start, start + tile) for start in starts]


def _fade(start: int, stop: int, size: int, overlap: int) -> Tensor:
    """Weights of a tile along one axis: they fall at edges that other tiles cover."""
    place = torch.arange(start, stop, dtype=torch.float32)
    rise = (place - start + 1) / (overlap + 1) if start > 0 else torch.ones_like(place)
    fall = (stop - place) / (overlap + 1) if stop < size else torch.ones_like(place)
    return torch.minimum(rise, fall).clamp(max=1.0)
