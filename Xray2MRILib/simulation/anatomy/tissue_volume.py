"""Values in a part of the template's box, and their interpolation at slowly varying points."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812

from .tissue_classes import EXTENT_MM, SPACING_MM


@dataclass
class TissueVolume:
    """Values on a regular grid about the joint centre.

    Attributes
    ----------
    values
        float32 [Y, Z, X].
    low_mm, high_mm
        (y, z, x) of the first and the last voxel's centre.
    """

    values: torch.Tensor
    low_mm: tuple[float, ...]
    high_mm: tuple[float, ...]

    @classmethod
    def of_template(
        cls, values: torch.Tensor, first: tuple[int, int, int] = (0, 0, 0), stride: int = 1
    ) -> TissueVolume:
        """Values [Y, Z, X] whose voxel (0, 0, 0) is voxel ``first`` of the template, every ``stride``-th taken."""
        low = [lo + int(f) * SPACING_MM for (lo, _), f in zip(EXTENT_MM.values(), first, strict=True)]
        high = [v + (n - 1) * stride * SPACING_MM for v, n in zip(low, values.shape, strict=True)]
        return cls(values, tuple(low), tuple(high))

    def sample(self, points: torch.Tensor) -> torch.Tensor:
        """Trilinear values [...] at points [..., 3] in mm; 0 outside."""
        return self.sample_normalised(normalised(points, self.low_mm, self.high_mm))

    def sample_normalised(self, grid: torch.Tensor) -> torch.Tensor:
        """Trilinear values [a, b, c] at ``normalised`` points [a, b, c, 3]; 0 outside."""
        values = self.values[None, None]
        return F.grid_sample(values, grid[None], mode="bilinear", padding_mode="zeros", align_corners=True)[0, 0]

    def reaches(self, points: torch.Tensor) -> torch.Tensor:
        """Whether points [..., 3] lie inside the grid, bool [...]."""
        low, high = (torch.tensor(edge, device=points.device) for edge in (self.low_mm, self.high_mm))
        return ((points >= low - SPACING_MM) & (points <= high + SPACING_MM)).all(dim=-1)


_LOW = tuple(lo for lo, _ in EXTENT_MM.values())
# The last voxel centre may fall short of the extent by less than one voxel.
_HIGH = tuple(lo + int((hi - lo) / SPACING_MM + 1e-6) * SPACING_MM for lo, hi in EXTENT_MM.values())


def normalised(points: torch.Tensor, low: tuple[float, ...] = _LOW, high: tuple[float, ...] = _HIGH) -> torch.Tensor:
    """mm (y, z, x) to grid_sample's (x, z, y) in [-1, 1] between ``low`` and ``high`` (default: the template)."""
    span = [max(b - a, 1e-6) for a, b in zip(low, high, strict=True)]
    first, size = (torch.tensor(v, device=points.device) for v in (low, span))
    return ((points - first) / size * 2 - 1).flip(-1)


def looked_up(table: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """``table`` [N] at int32 or int64 ``index`` [...]; on a processor ten times as fast as ``table[index]``."""
    return table.index_select(0, index.flatten()).view(index.shape)


def interpolation(coarse: int, fine: int, device: torch.device | str = "cpu") -> torch.Tensor:
    """Matrix [fine, coarse] of linear interpolation with aligned corners."""
    place = torch.linspace(0, coarse - 1, fine, device=device)
    return (1 - (place[:, None] - torch.arange(coarse, device=device)).abs()).clamp(min=0)


def upsampled_by(coarse: torch.Tensor, *matrices: torch.Tensor) -> torch.Tensor:
    """[a, b, c, 3] interpolated along its three axes by matrices [A, a], [B, b], [C, c]: [A, B, C, 3]."""
    first, second, third = matrices
    a, b, c, _ = coarse.shape
    result = (first @ coarse.reshape(a, -1)).reshape(-1, b, c * 3)
    result = torch.matmul(second, result).reshape(len(first), len(second), c, 3)
    return torch.matmul(third, result)
