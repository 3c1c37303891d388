"""Content of training radiographs without an upright knee, in which the detector must find none."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ...localization.detector import normalise_radiograph


def distract_radiograph(radiograph: np.ndarray, crops: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add one kind of distraction, or none, to a radiograph [H, W] without a knee; ``crops`` is [N, h, w] uint8."""
    kind = rng.choice(["nothing", "clouds", "ellipses", "noise", "tiles", "sideways", "patches"])
    if kind == "clouds":
        radiograph = radiograph + rng.uniform(0.2, 0.8) * _clouds(radiograph.shape, rng)
    elif kind == "ellipses":
        radiograph = radiograph + _ellipses(radiograph.shape, rng)
    elif kind == "noise":
        radiograph = radiograph + rng.uniform(0, 1) * rng.standard_normal(radiograph.shape)
    elif kind in ("tiles", "sideways"):
        picture = normalise_radiograph(crops[rng.integers(len(crops))].astype(np.float32))
        picture = _shuffled_tiles(picture, rng) if kind == "tiles" else np.rot90(picture, rng.choice([1, 3]))
        radiograph = np.maximum(radiograph, ndimage.zoom(picture, np.array(radiograph.shape) / picture.shape, order=1))
    elif kind == "patches":  # regions with sharp borders and a texture of their own, as in photographs
        inside = _clouds(radiograph.shape, rng) > rng.uniform(0.3, 0.7)
        radiograph = np.where(
            inside, _clouds(radiograph.shape, rng), rng.uniform(0, 1) * _clouds(radiograph.shape, rng)
        )
    return radiograph.astype(np.float32)


def _clouds(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Random field in [0, 1] with power at all scales, from smooth to rough."""
    roughness = rng.uniform(0.2, 1.0)
    field = np.zeros(shape, np.float32)
    for octave in range(1, 7):
        coarse = rng.standard_normal((2**octave, 2**octave)).astype(np.float32)
        field += roughness**octave * ndimage.zoom(coarse, np.array(shape) / coarse.shape, order=1)
    return normalise_radiograph(field)


def _ellipses(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    sum_ = np.zeros(shape, np.float32)
    for _ in range(rng.integers(1, 8)):
        radius = rng.uniform(0.03, 0.45, 2) * max(shape)
        angle = rng.uniform(0, np.pi)
        dx, dy = x - rng.uniform(0, shape[1]), y - rng.uniform(0, shape[0])
        u, v = np.cos(angle) * dx + np.sin(angle) * dy, np.cos(angle) * dy - np.sin(angle) * dx
        sum_ += rng.uniform(-0.3, 0.6) * ((u / radius[0]) ** 2 + (v / radius[1]) ** 2 < 1)
    return sum_


def _shuffled_tiles(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same texture without its arrangement: 16 to 49 tiles in random order, each turned at random."""
    count = rng.integers(4, 8)
    edge = picture.shape[0] // count
    corners = [(i * edge, j * edge) for i in range(count) for j in range(count)]
    tiles = [np.rot90(picture[top : top + edge, left : left + edge], int(rng.integers(4))) for top, left in corners]
    rng.shuffle(tiles)
    return np.block([tiles[row * count : (row + 1) * count] for row in range(count)])
