"""What a scanner's voxels average: slice profile and truncated k-space, as one matrix for each axis of a volume.

A coarse volume x is modelled as x = K y + noise, with y on a fine grid. K is separable: along an axis that is resolved
by slices it weights y with the slice profile, along an axis that is encoded in k-space with the inverse transform of
the acquired frequencies. Distances are counted in fine voxels, so that one matrix serves every unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

PROFILES = ("gaussian", "boxcar", "k-space")
_FWHM = 2.772588722239781  # 4 ln 2
_EDGE_SHARE = 0.3  # of a boxcar's width, over which its raised-cosine edge falls
_SAME = 1e-3  # scales this near to 1 are no change


@dataclass(frozen=True)
class AxisSampling:
    """How one axis of a fine grid is sampled.

    Attributes
    ----------
    fine, coarse
        Number of voxels on either grid.
    scale
        Distance between coarse voxels, in fine voxels.
    first
        Place of the first coarse voxel's centre, in fine voxels from the first fine one's centre.
    profile
        Of ``PROFILES``.
    width
        Full width at half maximum of a slice profile, in fine voxels; without meaning in k-space.
    window
        Share of a Hamming window on the acquired frequencies, 0 (ringing) to 1; without meaning for slices.
    """

    fine: int
    coarse: int
    scale: float
    first: float
    profile: str = "k-space"
    width: float = 1.0
    window: float = 0.0

    @classmethod
    def centred(cls, coarse: int, scale: float, **response: float | str) -> AxisSampling:
        """The fine grid that covers the field of ``coarse`` voxels, with the same centre."""
        fine = max(round(coarse * scale), 1)
        first = (fine - 1) / 2 - (coarse - 1) / 2 * scale
        return cls(fine, coarse, scale, first, **response)  # type: ignore[arg-type]

    def places(self) -> Tensor:
        """Centres of the coarse voxels in fine voxels, float64 [coarse]."""
        return self.first + self.scale * torch.arange(self.coarse, dtype=torch.float64)

    def fine_places(self) -> Tensor:
        """Centres of the fine voxels in coarse voxels, float64 [fine]."""
        return (torch.arange(self.fine, dtype=torch.float64) - self.first) / self.scale

    def matrix(self) -> Tensor:
        """Weights float32 [coarse, fine]; every row sums to 1. Beyond the field the outermost voxel counts."""
        if abs(self.scale - 1) < _SAME and self.coarse == self.fine and abs(self.first) < _SAME:
            return torch.eye(self.fine)
        reach = int(4 * self.scale) + 2  # voxels beyond the field
        place = torch.arange(-reach, self.fine + reach, dtype=torch.float64)
        weights = self._weight(place[None] - self.places()[:, None])
        weights = weights / weights.sum(dim=1, keepdim=True)
        inner = weights[:, reach:-reach].clone()
        inner[:, 0] += weights[:, :reach].sum(dim=1)
        inner[:, -1] += weights[:, -reach:].sum(dim=1)
        return inner.float()

    def _weight(self, away: Tensor) -> Tensor:
        if self.profile == "k-space":
            u, share = away / self.scale, self.window
            plain, windowed = torch.sinc(u), 0.54 * torch.sinc(u) + 0.23 * (torch.sinc(u - 1) + torch.sinc(u + 1))
            return (1 - share) * plain + share * windowed
        width = max(self.width, 1.0)
        if self.profile == "gaussian":
            return torch.exp(-_FWHM * (away / width) ** 2)
        half, edge = width / 2, _EDGE_SHARE * width
        fall = ((away.abs() - half + edge / 2) / edge).clamp(0, 1)
        return 0.5 * (1 + torch.cos(torch.pi * fall))


@dataclass
class VoxelResponse:
    """The operator K of a volume: one matrix [coarse, fine] for each of its three axes."""

    matrices: tuple[Tensor, Tensor, Tensor]

    @classmethod
    def of(cls, axes: Sequence[AxisSampling]) -> VoxelResponse:
        """The operator of three axes."""
        first, second, third = (axis.matrix() for axis in axes)
        return cls((first, second, third))

    def sampled(self, fine: Tensor) -> Tensor:
        """K y: a fine volume [A, B, C] as the scanner's voxels see it, [a, b, c]."""
        return along_axes(fine, self.matrices)

    def spread(self, coarse: Tensor) -> Tensor:
        """The transpose of K: coarse voxels [a, b, c] spread over the fine grid [A, B, C]."""
        first, second, third = self.matrices
        return along_axes(coarse, (first.T, second.T, third.T))

    @cached_property
    def gain(self) -> float:
        """Square of the largest singular value of K: steps of K's transpose must stay below two over it."""
        value = 1.0
        for matrix in self.matrices:
            value *= float(torch.linalg.matrix_norm(matrix.double(), 2)) ** 2
        return value


def along_axes(volume: Tensor, matrices: Sequence[Tensor]) -> Tensor:
    """A volume [A, B, C] multiplied along its three axes by matrices [a, A], [b, B], [c, C]: [a, b, c]."""
    first, second, third = matrices
    result = torch.tensordot(first, volume, dims=([1], [0]))
    result = torch.matmul(second, result)
    return torch.matmul(result, third.T)
