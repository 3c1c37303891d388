"""One smooth map without folds from an outline to the knee that lends its soft tissue.

Every bone of both knees is a channel of signed distances. An affine map comes first (Gauss-Newton), then demons whose
force is, in every channel, the distance error along the gradient (Vercauteren et al. 2009, diffeomorphic demons:
updates are smoothed, kept below half a voxel and composed, so that the map stays invertible).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from .outline import Outline
from .signed_distance import signed_distance
from .tissue_classes import BONES, EXTENT_MM, SPACING_MM
from .tissue_codes import CODE

STRIDE = 4  # template voxels between two nodes of the map
STEP_MM = STRIDE * SPACING_MM
_REACH_MM = 15.0
_NEAR_MM = 5.0  # of a bone's surface its distances pull
_END_MM = 2.0
_ROUNDS = 45
_FLUID, _ELASTIC = 1.6, 0.5  # voxels of smoothing of the update and of the whole map
_LARGEST_ELASTIC = 4.0
LEAST_JACOBIAN = 0.15


@dataclass
class SoftTissueMap:
    """Points of the outline to points of the lending knee.

    Attributes
    ----------
    points_mm
        float32 [3, Y, Z, X] on every ``STRIDE``-th voxel of the template: (y, z, x) in the lending knee.
    """

    points_mm: np.ndarray

    def jacobian(self) -> np.ndarray:
        """Determinant of the map's derivative at its nodes, float32 [Y-1, Z-1, X-1]."""
        d = [np.diff(self.points_mm, axis=axis + 1) / STEP_MM for axis in range(3)]
        y, z, x = (n - 1 for n in self.points_mm.shape[1:])
        columns = np.stack([c[:, :y, :z, :x] for c in d], axis=-1)
        return np.linalg.det(np.moveaxis(columns, 0, -2))


def register(outline: Outline, lending: np.ndarray) -> SoftTissueMap:
    """Map from ``outline`` to the knee whose bones (cortex included) are the codes ``lending`` [Y, Z, X]."""
    bones = [b for b in BONES if (outline.code == CODE[b]).any() and (lending == CODE[b]).any()]
    fixed = torch.stack([_distance(outline.code, b) for b in bones])
    moving = torch.stack([_distance(lending, b) for b in bones])
    nodes = node_points()
    weight = torch.exp(-((fixed / _NEAR_MM) ** 2))
    known = (nodes[1] > outline.ends_mm[0] + _END_MM) & (nodes[1] < outline.ends_mm[1] - _END_MM)
    weight = weight * known
    thin = (slice(None), *[slice(None, None, 2)] * 3)
    affine = _affine(fixed[thin], moving, weight[thin], nodes[thin])
    box = _box(fixed)
    smoothing = _ELASTIC
    while True:
        moved = _demons(fixed[box], moving, weight[box], nodes[box], affine, smoothing)
        pad = [n for s, size in zip(box[:0:-1], nodes.shape[:0:-1], strict=True) for n in (s.start, size - s.stop)]
        found = SoftTissueMap(_laid(affine, nodes + functional.pad(moved[None], pad, mode="replicate")[0]).numpy())
        if found.jacobian().min() > LEAST_JACOBIAN or smoothing > _LARGEST_ELASTIC:
            return found
        smoothing *= 1.6


def _box(fixed: torch.Tensor) -> tuple[slice, ...]:
    """All channels, and the nodes about the bones beyond which the map follows what is at the box's edge."""
    near = (fixed < _REACH_MM - 1).any(dim=0)
    slices = [slice(None)]
    for axis in range(3):
        filled = torch.nonzero(near.movedim(axis, 0).flatten(1).any(dim=1)).flatten()
        slices.append(slice(max(int(filled[0]) - 3, 0), min(int(filled[-1]) + 4, near.shape[axis])))
    return tuple(slices)


def node_points() -> torch.Tensor:
    """Places of the map's nodes on the template, float32 [3, Y, Z, X] mm."""
    axes = [torch.arange(lo, hi + 1e-6, SPACING_MM)[::STRIDE] for lo, hi in EXTENT_MM.values()]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))


def _distance(code: np.ndarray, bone: str) -> torch.Tensor:
    """Signed distance of a bone at the nodes, mm, clipped."""
    from scipy import ndimage

    fine = signed_distance(code[::2, ::2, ::2] == CODE[bone], 2 * SPACING_MM)
    fine = ndimage.gaussian_filter(np.clip(fine, -_REACH_MM, _REACH_MM), 0.7)
    return torch.from_numpy(np.ascontiguousarray(fine[::2, ::2, ::2]))


def _sampled(values: torch.Tensor, points: torch.Tensor, first: torch.Tensor | None = None) -> torch.Tensor:
    """``values`` [C, Y, Z, X] at ``points`` [3, ...] in mm; the edge's value beyond.

    ``first`` is the place of the first value, by default the template's corner.
    """
    low = (torch.tensor([lo for lo, _ in EXTENT_MM.values()]) if first is None else first).view(3, 1, 1, 1)
    span = (torch.tensor(values.shape[1:]).view(3, 1, 1, 1) - 1) * STEP_MM
    grid = ((points - low) / span * 2 - 1).flip(0).movedim(0, -1)
    return functional.grid_sample(values[None], grid[None], padding_mode="border", align_corners=True)[0]


def _gradient(values: torch.Tensor) -> torch.Tensor:
    """[C, 3, Y, Z, X] per mm."""
    return torch.stack(torch.gradient(values, spacing=STEP_MM, dim=(1, 2, 3)), dim=1)


def _affine(fixed: torch.Tensor, moving: torch.Tensor, weight: torch.Tensor, nodes: torch.Tensor) -> torch.Tensor:
    """Matrix [3, 4] that lays the outline's points on the lending knee."""
    matrix = torch.cat((torch.eye(3), torch.zeros(3, 1)), dim=1)
    slopes = _gradient(moving)
    flat = slopes.reshape(-1, *slopes.shape[2:])
    ones = torch.cat((nodes, torch.ones_like(nodes[:1]))).reshape(4, -1)
    for _ in range(25):
        points = (matrix @ ones).reshape(nodes.shape)
        away = (_sampled(moving, points) - fixed).reshape(len(fixed), -1)
        slope = _sampled(flat, points).reshape(len(fixed), 3, -1)
        # a metre of shaft must not outweigh the joint, and a bone that lies far off pulls with 8 mm at most
        pull = weight.reshape(len(fixed), -1) * (away.abs() < 12)
        normal, right = torch.zeros(12, 12, dtype=torch.float64), torch.zeros(12, dtype=torch.float64)
        for channel in range(len(fixed)):
            used = pull[channel] > 0.02
            design = (slope[channel][:, None, used] * ones[None, :, used]).reshape(12, -1).double()
            scaled = design * pull[channel][used]
            normal += scaled @ design.T
            right -= scaled @ away[channel][used].double()
        normal += torch.diag(torch.diagonal(normal)) * 1e-4
        step = torch.linalg.solve(normal, right).reshape(3, 4).float()
        matrix = matrix + step
        if float((step @ ones[:, ::97]).abs().max()) < 0.02:
            break
    return matrix


def _laid(affine: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    return (affine @ torch.cat((points, torch.ones_like(points[:1]))).reshape(4, -1)).reshape(points.shape)


def _demons(
    fixed: torch.Tensor, moving: torch.Tensor, weight: torch.Tensor, nodes: torch.Tensor, affine: torch.Tensor,
    elastic: float,
) -> torch.Tensor:  # fmt: skip
    """Displacement [3, Y, Z, X] in mm of ``nodes`` before the affine map."""
    first = nodes[:, 0, 0, 0]
    source = _sampled(moving, _laid(affine, nodes))
    slopes = _gradient(source).reshape(-1, *nodes.shape[1:])
    moved = torch.zeros_like(nodes)
    for _ in range(_ROUNDS):
        points = nodes + moved
        sampled = _sampled(torch.cat((source, slopes)), points, first)
        away, slope = sampled[: len(fixed)] - fixed, sampled[len(fixed) :].reshape(len(fixed), 3, *nodes.shape[1:])
        force = -(weight * away.clamp(-6, 6))[:, None] * slope / (slope.square().sum(dim=1, keepdim=True) + 0.1)
        total = _smoothed(torch.cat((force.sum(dim=0), weight.sum(dim=0, keepdim=True))), _FLUID)
        update = total[:3] / (total[3:] + 0.03)
        length = update.norm(dim=0, keepdim=True)
        update = update * (0.4 * STEP_MM / length.clamp(min=0.4 * STEP_MM))
        moved = update + _sampled(moved, nodes + update, first)
        moved = _smoothed(moved, elastic)
    return moved


def _smoothed(values: torch.Tensor, sigma: float) -> torch.Tensor:
    """Gaussian along all three axes of [C, Y, Z, X], edges repeated."""
    from scipy import ndimage

    return torch.from_numpy(
        ndimage.gaussian_filter(values.numpy(), (0, sigma, sigma, sigma), truncate=3, mode="nearest")
    )
