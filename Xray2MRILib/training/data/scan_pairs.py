"""Pictures of one knee by two scanners: the coarse one is drawn anew for every block, so that no scan comes twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...acquisition.voxel_response import VoxelResponse, along_axes
from ...simulation.high_resolution.fine_scan import VOXEL_MM
from ...simulation.high_resolution.fine_store import list_fine, read_fine
from ...simulation.high_resolution.scanner import (
    Scanner,
    bias_field,
    displacement,
    distorted,
    draw_scanner,
    rician,
)
from ...super_resolution.enhancement_network import DISPLACEMENT_UNIT_MM, GUIDANCE, scalar_inputs
from ...super_resolution.interpolation import interpolation_matrix
from ...super_resolution.noise_level import noise_level
from ...volume.geometry import OAI_FIELD

# share of scans whose slices are coronal, axial and sagittal: the axes y, z and x of a stored volume
_THICK_AXES = (0.55, 0.1, 0.35)
_MARGIN = 8  # voxels beside the chosen slices, which the in-plane response reaches
_AT_THE_JOINT, _JOINT_REACH = 0.5, 30  # of the blocks, within this many rows of the joint line
_LEAST_MEAN, _TRIES = 0.04, 6  # blocks of air teach nothing
_OTHER_CONTRAST, _RISING = 0.5, 0.7
_GAIN = 0.15  # largest logarithm of the gain of a block


@dataclass(frozen=True)
class ScanPictures:
    """Pictures [B] with the thick axis as rows.

    Attributes
    ----------
    pictures
        float32 [B, 5, H, W], channels of ``enhancement_network.CHANNELS``.
    scalars
        float32 [B, 3].
    truth
        float32 [B, 1, H, W], free of noise.
    """

    pictures: Tensor
    scalars: Tensor
    truth: Tensor

    @property
    def interpolated(self) -> Tensor:
        """[B, 1, H, W], what the residual is added to."""
        return self.pictures[:, 1:2]

    @property
    def residual(self) -> Tensor:
        """[B, 1, H, W]."""
        return self.truth - self.interpolated

    @classmethod
    def together(cls, parts: Sequence[ScanPictures]) -> ScanPictures:
        """All pictures of ``parts``."""
        return cls(*(torch.cat([getattr(p, name) for p in parts]) for name in ("pictures", "scalars", "truth")))


class FineVolumes:
    """The high-resolution volumes of a folder, float16 in memory. Raises InputError when there is none."""

    def __init__(self, folder: str | Path, limit: int | None = None) -> None:
        self.paths = list_fine(Path(folder))[:limit]
        self._loaded: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> np.ndarray:
        if index not in self._loaded:
            self._loaded[index] = read_fine(self.paths[index]).values
        return self._loaded[index]


def draw_scan_pictures(
    volumes: FineVolumes, generator: torch.Generator, *, blocks: int, slices: int, tile: int,
    guidance_missing: float = 0.5, scanner: Scanner | None = None,
) -> ScanPictures:  # fmt: skip
    """A batch of ``blocks`` x ``slices`` pictures [tile, tile]; every block has a scanner of its own.

    ``guidance_missing`` is the share in which a guidance channel is not known (zero).
    """
    parts = []
    for _ in range(blocks):
        block = _block(volumes, generator, slices, tile)
        chosen = scanner or draw_scanner(generator)
        parts.append(_scanned(block, chosen, generator, slices, guidance_missing))
    return ScanPictures.together(parts)


def _uniform(generator: torch.Generator, low: float = 0.0, high: float = 1.0) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))


def _block(volumes: FineVolumes, generator: torch.Generator, slices: int, tile: int) -> Tensor:
    """A block [tile, tile, slices + margins] whose first axis is the thick one, with a contrast of its own."""
    volume = volumes[int(_uniform(generator) * len(volumes))]
    pick = _uniform(generator)
    thick = 0 if pick < _THICK_AXES[0] else 1 if pick < _THICK_AXES[0] + _THICK_AXES[1] else 2
    others = [axis for axis in range(3) if axis != thick]
    if _uniform(generator) < 0.5:
        others.reverse()
    order = (thick, *others)
    depth = slices + 2 * _MARGIN
    extent = dict(zip(order, (tile, tile, depth), strict=True))
    extent = {axis: min(size, volume.shape[axis]) for axis, size in extent.items()}
    best = None
    for _ in range(_TRIES):
        start = {axis: int(_uniform(generator, 0, volume.shape[axis] - size + 1)) for axis, size in extent.items()}
        if _uniform(generator) < _AT_THE_JOINT:
            row = OAI_FIELD.joint_row + _uniform(generator, -_JOINT_REACH, _JOINT_REACH)
            start[1] = int(np.clip(row - extent[1] / 2, 0, volume.shape[1] - extent[1]))
        part = volume[tuple(slice(start[a], start[a] + extent[a]) for a in range(3))]
        if best is None or float(part[::4, ::4, ::4].mean()) > _LEAST_MEAN:
            best = part
        if float(best[::4, ::4, ::4].mean()) > _LEAST_MEAN:
            break
    assert best is not None
    block = torch.from_numpy(np.ascontiguousarray(best.transpose(order))).float()
    flipped = [axis for axis in range(3) if _uniform(generator) < 0.5]
    block = block.flip(flipped) if flipped else block
    if _uniform(generator) < _OTHER_CONTRAST:
        block = _other_contrast(block, generator)
    return block * float(np.exp(_uniform(generator, -_GAIN, _GAIN)))


def _other_contrast(block: Tensor, generator: torch.Generator) -> Tensor:
    """Grey values through a random curve with f(0) = 0: other sequences show other tissues bright."""
    levels = torch.rand(4, generator=generator) * 0.9 + 0.1
    if _uniform(generator) < _RISING:
        levels = levels.sort().values
    nodes = torch.cat((torch.zeros(1), levels / levels.max(), levels[-1:] / levels.max() * 1.2))
    place = (block.clamp(0, 1.25) * 4).clamp(max=4.999)
    below = place.long()
    share = place - below
    return nodes[below] * (1 - share) + nodes[below + 1] * share


def _scanned(
    block: Tensor, scanner: Scanner, generator: torch.Generator, slices: int, guidance_missing: float
) -> ScanPictures:
    shape = (block.shape[0], block.shape[1], block.shape[2])
    away = torch.zeros(shape)
    if any(scanner.distortion_mm):
        centre = [_uniform(generator, -60, 60) for _ in range(3)]
        places = [(torch.arange(n) - n / 2) * VOXEL_MM + c for n, c in zip(shape, centre, strict=True)]
        u, jacobian = displacement((places[0], places[1], places[2]), scanner.distortion_mm)
        u = u - u.mean(dim=(1, 2, 3), keepdim=True)  # the block stays where it is
        block, away = distorted(block, u, jacobian), u.norm(dim=0)
    log_bias = bias_field(shape, scanner.bias, generator)
    truth = block * log_bias.exp()
    offsets = (_uniform(generator), _uniform(generator), _uniform(generator))
    axes = scanner.sampling(shape, offsets)
    measured = rician(VoxelResponse.of(axes).sampled(truth).clamp(min=0), scanner.noise, generator)
    first, second, third = (interpolation_matrix(axis) for axis in axes)
    interpolated = along_axes(measured, (first, second, third))
    row, column, _ = scanner.scales
    known = [float(_uniform(generator) >= guidance_missing) for _ in range(2)]
    chosen = torch.arange(_MARGIN, _MARGIN + slices)
    channels = [interpolated[..., chosen + step] for step in (-1, 0, 1)]
    channels += [log_bias[..., chosen] * known[0], away[..., chosen] * (known[1] / DISPLACEMENT_UNIT_MM)]
    pictures = torch.stack(channels).permute(3, 0, 1, 2).contiguous()
    return ScanPictures(
        pictures,
        scalar_inputs(row, column, noise_level(measured), slices),
        truth[..., chosen].permute(2, 0, 1)[:, None].contiguous(),
    )


def without_guidance(pictures: Tensor) -> Tensor:
    """``pictures`` [B, 5, H, W] as of a scan of which neither bias nor gradients are known."""
    known = pictures.clone()
    known[:, GUIDANCE] = 0
    return known
