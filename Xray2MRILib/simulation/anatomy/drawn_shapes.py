"""Tubes and sheets drawn into a template: how much of every voxel they fill, from their distance to lines."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from .tissue_classes import EXTENT_MM, SPACING_MM
from .tissue_codes import CODE

_LOW = np.array([lo for lo, _ in EXTENT_MM.values()])
_DENSE_MM = 0.4  # between the points that stand for a line or a sheet


@dataclass(frozen=True)
class Filling:
    """How much of each voxel a shape fills: ``share`` [y, z, x] in 0..1 within ``box`` of the template's grid."""

    box: tuple[slice, ...]
    share: np.ndarray


@dataclass(frozen=True)
class Material:
    """Tissue that a shape is made of: its code, and water, fat (200 = pure) and T2 in ms of the template's maps."""

    tissue: str
    water: float
    fat: float
    t2_ms: float


@dataclass
class Canvas:
    """The arrays [Y, Z, X] of a template while it is drawn: codes, water, fat and T2 as floats, and structures."""

    code: np.ndarray
    water: np.ndarray
    fat: np.ndarray
    t2_ms: np.ndarray
    structure: np.ndarray

    def paint(
        self, filling: Filling, material: Material, structure: int = 0, *, over: np.ndarray | None = None
    ) -> None:
        """Mix ``material`` into the maps by the filled share; from a half on, the voxel has its code and its name.

        ``over`` (bool [Y, Z, X]) is where anything may be drawn; elsewhere nothing changes.
        """
        box = filling.box
        share = filling.share if over is None else filling.share * over[box]
        for values, wanted in ((self.water, material.water), (self.fat, material.fat), (self.t2_ms, material.t2_ms)):
            values[box] += share * (wanted - values[box])
        half = share >= 0.5
        self.code[box][half] = CODE[material.tissue]
        if structure:
            self.structure[box][half] = structure


def along(points_mm: np.ndarray, step_mm: float = _DENSE_MM) -> np.ndarray:
    """A smooth line through ``points_mm`` [N, 3] as points ``step_mm`` apart, float [M, 3]."""
    from scipy.interpolate import PchipInterpolator

    points = np.asarray(points_mm, float)
    length = np.concatenate(([0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))))
    count = max(2, int(length[-1] / step_mm) + 1)
    return PchipInterpolator(length, points)(np.linspace(0, length[-1], count))


def resampled(line_mm: np.ndarray, count: int) -> np.ndarray:
    """``count`` points evenly spread over the points of a line [N, 3]."""
    line = np.asarray(line_mm, float)
    index = np.linspace(0, len(line) - 1, count)
    return np.stack([np.interp(index, np.arange(len(line)), line[:, k]) for k in range(3)], axis=1)


def tube(line_mm: np.ndarray, radius_mm: float | np.ndarray, shape: tuple[int, ...]) -> Filling:
    """The filling of a round tube about a line [N, 3]; ``radius_mm`` may change along it, [N]."""
    points = np.asarray(line_mm, float)
    radius = np.broadcast_to(np.asarray(radius_mm, float), len(points))
    return _around(points, radius, shape)


def sheet(strands_mm: list[np.ndarray], thickness_mm: float, shape: tuple[int, ...]) -> Filling:
    """The filling of a sheet of ``thickness_mm`` that is spanned by neighbouring strands, each [N, 3]."""
    count = max(len(s) for s in strands_mm)
    lines = [resampled(s, count) for s in strands_mm]
    points = [lines[0]]
    for first, second in itertools.pairwise(lines):
        width = float(np.linalg.norm(second - first, axis=1).max())
        for share in np.linspace(0, 1, max(2, int(width / _DENSE_MM) + 1))[1:]:
            points.append((1 - share) * first + share * second)
    every = np.concatenate(points)
    return _around(every, np.full(len(every), thickness_mm / 2), shape)


def _around(points: np.ndarray, radius: np.ndarray, shape: tuple[int, ...]) -> Filling:
    from scipy.spatial import cKDTree

    reach = float(radius.max()) + SPACING_MM
    low = np.clip(np.floor((points.min(axis=0) - reach - _LOW) / SPACING_MM).astype(int), 0, shape)
    high = np.clip(np.ceil((points.max(axis=0) + reach - _LOW) / SPACING_MM).astype(int) + 1, low, shape)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    axes = [np.arange(s.start, s.stop) * SPACING_MM + o for s, o in zip(box, _LOW, strict=True)]
    places = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    away, nearest = cKDTree(points).query(places.reshape(-1, 3), distance_upper_bound=reach)
    found = np.isfinite(away)
    share = np.zeros(len(away), np.float32)
    share[found] = np.clip(0.5 + (radius[nearest[found]] - away[found]) / SPACING_MM, 0, 1)
    return Filling(box, share.reshape(places.shape[:-1]))


def shell_filling(distance_mm: np.ndarray, from_mm: float, to_mm: float) -> Filling:
    """The filling of what lies between two values of a distance field [Y, Z, X]."""
    inner = np.clip(0.5 + (distance_mm - from_mm) / SPACING_MM, 0, 1)
    outer = np.clip(0.5 + (to_mm - distance_mm) / SPACING_MM, 0, 1)
    return Filling(tuple(slice(0, n) for n in distance_mm.shape), np.minimum(inner, outer).astype(np.float32))


def pushed_out(line_mm: np.ndarray, distance: np.ndarray, least_mm: float) -> np.ndarray:
    """Points [N, 3] moved along the gradient of ``distance`` (mm, [Y, Z, X]) until each is ``least_mm`` away.

    ``least_mm`` from bone makes a straight strand wrap around it.
    """
    from scipy import ndimage

    points = np.array(line_mm, float)
    for _ in range(25):
        index = ((points - _LOW) / SPACING_MM).T
        here = ndimage.map_coordinates(distance, index, order=1, mode="nearest")
        short = np.maximum(least_mm - here, 0)
        if float(short.max()) < 0.05:
            break
        step = np.eye(3)[:, :, None]  # a voxel along each axis
        slope = np.stack(
            [
                ndimage.map_coordinates(distance, index + step[k], order=1, mode="nearest")
                - ndimage.map_coordinates(distance, index - step[k], order=1, mode="nearest")
                for k in range(3)
            ],
            axis=1,
        )
        slope /= np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-6)
        points += np.minimum(short, 1.5)[:, None] * slope
    return points


def smoothed(line_mm: np.ndarray, sigma_mm: float) -> np.ndarray:
    """A line [N, 3] of points ``_DENSE_MM`` apart, smooth over ``sigma_mm``; its ends stay."""
    from scipy import ndimage

    line = np.asarray(line_mm, float)
    straight = np.linspace(line[0], line[-1], len(line))
    return (
        straight
        + ndimage.gaussian_filter1d(line - straight, sigma_mm / _DENSE_MM, axis=0, mode="nearest")
        * (np.sin(np.pi * np.linspace(0, 1, len(line))) ** 0.25)[:, None]
    )
