"""Textures of tissue properties: muscle fibres with their perimysium, fat lobules with septa, trabecular bone.

Blocks are periodic and made once; every knee cuts its own part. Along the leg (z) muscle is ten times smoother than
across; lobules of fat are cells of a Voronoi diagram, 6-12 mm long and 3-6 mm across, parted by walls of about 0.6 mm.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from ...files.array_cache import digest_of, kept_arrays, user_cache, versions_of
from ...volume.geometry import OAI_FIELD

BLOCK = (96, 160, 128)  # voxels along y, z and x: 60, 100 and 80 mm
_CELL_MM = (4.5, 9.0, 4.5)
_TRUNKS, _TWIGS, _WANDER_VOXELS = 40, 20, 4.0  # small vessels in a block, twigs of each, what they wander aside


@lru_cache(maxsize=1)
def fibres() -> np.ndarray:
    """Gaussian noise of unit variance, along z ten times as long as wide along x, flat along y, float32 ``BLOCK``."""
    return _standard(_noise(1, (1.8, 10.0, 1.0)))


@lru_cache(maxsize=1)
def bundles() -> np.ndarray:
    """Gaussian noise of unit variance, some 2 mm wide, 3 mm deep and 12 mm along z, float32 ``BLOCK``."""
    return _standard(_noise(10, (2.2, 9.0, 1.7)))


@lru_cache(maxsize=1)
def bellies() -> np.ndarray:
    """Gaussian noise of unit variance that changes from muscle to muscle, over some 15 mm, float32 ``BLOCK``."""
    return _standard(_noise(11, (10.0, 28.0, 10.0)))


@lru_cache(maxsize=1)
def perimysium() -> np.ndarray:
    """Thin sheets along z, 1 on a sheet and 0 between, float32 ``BLOCK``: where smooth noise passes through zero.

    Coarse sheets some 8 mm apart and fine ones, a little less dark, some 3 mm apart.
    """
    coarse = _sheets(2, (4.0, 34.0, 6.0), 1.0)
    fine = _sheets(12, (2.6, 18.0, 2.4), 0.7)
    return np.maximum(coarse, 0.8 * fine)


def _sheets(seed: int, sigma: tuple[float, float, float], width: float) -> np.ndarray:
    """Zero surfaces of smooth noise, ``width`` voxels to either side, that fade in and out."""
    field = _standard(_noise(seed, sigma))
    slope = np.sqrt(sum(np.gradient(field, axis=a) ** 2 for a in (0, 2))) + 0.25 / sigma[2]
    fading = 1 / (1 + np.exp(-2 * _standard(_noise(seed + 7, (8.0, 16.0, 8.0)))))
    return (np.exp(-((field / slope / width) ** 2)) * fading).astype(np.float32)


@lru_cache(maxsize=1)
def lobules() -> tuple[np.ndarray, np.ndarray]:
    """Septa (1 in a wall, 0 in a lobule) and a level for every lobule (unit variance), float32 ``BLOCK``."""
    from scipy.spatial import cKDTree

    spacing = OAI_FIELD.pixel_mm
    extent = np.array(BLOCK) * spacing
    scaled = extent / _CELL_MM
    rng = np.random.default_rng(3)
    count = int(np.prod(scaled))
    seeds = rng.uniform(0, scaled, (count, 3))
    tree = cKDTree(seeds, boxsize=scaled)
    axes = [np.arange(n) * spacing / c for n, c in zip(BLOCK, _CELL_MM, strict=True)]
    # walls that wave a little look less like glass
    wave = [0.35 * _standard(_noise(4 + k, (5.0, 5.0, 5.0))) for k in range(3)]
    grid = np.meshgrid(*axes, indexing="ij")
    points = np.stack([(g + w) % e for g, w, e in zip(grid, wave, scaled, strict=True)], axis=-1)
    distance, nearest = tree.query(points.reshape(-1, 3), k=2)
    gap = (distance[:, 1] - distance[:, 0]).reshape(BLOCK) * 4.5  # mm, about twice the distance from the wall
    levels = rng.standard_normal(count)[nearest[:, 0]].reshape(BLOCK)
    return np.exp(-((gap / 0.75) ** 2)).astype(np.float32), levels.astype(np.float32)


@lru_cache(maxsize=1)
def vessels() -> np.ndarray:
    """Small vessels, 1 on their axis, float32 ``BLOCK``: trunks along the leg, and twigs that leave them and taper.

    Radius 0.4 to 0.6 mm of trunks and 0.25 to 0.45 mm of twigs.
    """
    rng = np.random.default_rng(20)
    size = np.array(BLOCK, float)
    lines, radii = [], []
    steps = np.arange(0, BLOCK[1], 0.5)
    for _ in range(_TRUNKS):
        # some waves along the leg that close over the block's period
        phase, height = rng.uniform(0, 2 * np.pi, (2, 3)), rng.normal(0, 1, (2, 3)) * _WANDER_VOXELS
        waves = [(height[a, :, None] * np.sin((np.arange(3) + 1)[:, None] * 2 * np.pi * steps / BLOCK[1]
                  + phase[a, :, None])).sum(axis=0) for a in range(2)]  # fmt: skip
        y, x = rng.uniform(0, size[[0, 2]])
        line = np.stack((y + waves[0], steps, x + waves[1]), axis=1)
        lines.append(line)
        radii.append(np.full(len(line), rng.uniform(0.45, 0.65)))
        for _ in range(_TWIGS):
            start = line[rng.integers(len(line))]
            aim = rng.normal(0, 1, 3) * (1, 0.8, 1)
            count = int(rng.uniform(16, 60))
            turns = np.cumsum(rng.normal(0, 0.16, (count, 3)), axis=0)
            course = aim / np.linalg.norm(aim) + turns
            course /= np.linalg.norm(course, axis=1)[:, None]
            lines.append(start + 0.5 * np.cumsum(course, axis=0))
            radii.append(rng.uniform(0.35, 0.5) * np.linspace(1, 0.6, count))
    return _tubes(np.concatenate(lines), np.concatenate(radii) / OAI_FIELD.pixel_mm)


def _tubes(points: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """exp(-d^2 / r^2) of the nearest of ``points`` [N, 3], both in voxels, periodic, float32 ``BLOCK``."""
    result = np.zeros(BLOCK, np.float32)
    middle = np.round(points).astype(int)
    for offset in np.ndindex(5, 5, 5):
        voxel = middle + np.array(offset) - 2
        share = np.exp(-((voxel - points) ** 2).sum(axis=1) / radius**2).astype(np.float32)
        np.maximum.at(result, tuple(np.mod(voxel, BLOCK).T), share)
    return result


@lru_cache(maxsize=1)
def folds() -> np.ndarray:
    """Noise of unit variance without a direction, some 2 mm wide: folds of synovium, float32 ``BLOCK``."""
    return _standard(_noise(13, (1.4, 1.4, 1.4)))


@lru_cache(maxsize=1)
def grain() -> np.ndarray:
    """Isotropic fine noise of unit variance, float32 ``BLOCK``."""
    return _standard(_noise(8, (0.9, 0.9, 0.9)))


@lru_cache(maxsize=4)
def blocks_on(device: str) -> dict[str, torch.Tensor]:
    """All blocks by name on one device; they are worked out once and kept in the user's cache."""
    kept = kept_arrays(
        user_cache() / "assembled", "texture", digest_of([Path(__file__)], versions_of("numpy", "scipy")), _blocks
    )
    assert kept is not None  # it was waited for
    return {name: torch.from_numpy(values).to(device) for name, values in kept.items()}


def _blocks() -> dict[str, np.ndarray]:
    walls, levels = lobules()
    return {
        "fibres": fibres(), "bundles": bundles(), "bellies": bellies(), "perimysium": perimysium(), "walls": walls,
        "levels": levels, "vessels": vessels(), "grain": grain(), "folds": folds(),
    }  # fmt: skip


def random_origin(rng: np.random.Generator) -> tuple[int, int, int]:
    """Where in a block a knee's part of it begins."""
    y, z, x = (int(rng.integers(size)) for size in BLOCK)
    return y, z, x


def placed(block: torch.Tensor, shape: tuple[int, int, int], origin: tuple[int, int, int]) -> torch.Tensor:
    """A part of the periodic ``block`` that begins at ``origin``, tiled to ``shape``; on the block's device."""
    result = torch.empty(shape, dtype=block.dtype, device=block.device)
    sizes = zip(origin, block.shape, shape, strict=True)
    y, z, x = (_runs(first % size, size, wanted) for first, size, wanted in sizes)
    for to_y, from_y in y:
        for to_z, from_z in z:
            for to_x, from_x in x:
                result[to_y, to_z, to_x] = block[from_y, from_z, from_x]
    return result


def _runs(origin: int, size: int, wanted: int) -> list[tuple[slice, slice]]:
    """Pieces that tile ``wanted`` voxels from a period of ``size`` beginning at ``origin``: (target, source)."""
    runs, at = [], 0
    while at < wanted:
        count = min(size - origin, wanted - at)
        runs.append((slice(at, at + count), slice(origin, origin + count)))
        at, origin = at + count, 0
    return runs


def _noise(seed: int, sigma: tuple[float, float, float]) -> np.ndarray:
    from scipy import ndimage

    white = np.random.default_rng(seed).standard_normal(BLOCK, dtype=np.float32)
    return ndimage.gaussian_filter(white, sigma, mode="wrap")


def _standard(values: np.ndarray) -> np.ndarray:
    return ((values - values.mean()) / values.std()).astype(np.float32)
