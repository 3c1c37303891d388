"""Negative examples of the view check: other body parts, patterns, photographs, knees from wrong sides.

The project has no radiographs of other body parts, so most kinds are drawn (see body_phantoms). Each function takes a
random generator and returns one picture [h, w] of arbitrary range, bright where a radiograph would be. ``DRAWN`` lists
the kinds that train the check, ``HELD_OUT_DRAWN`` those that are only measured.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .body_phantoms import (
    SIDE,
    chest,
    elbow,
    ellipse,
    foot,
    hand,
    long_bone,
    pelvis,
    rod,
    shoulder,
    skull,
    spine,
    square_part,
)

Drawing = Callable[[np.random.Generator], np.ndarray]

# Photographs that scikit-image contains; the second group is only measured.
PHOTOGRAPHS = ("astronaut", "camera", "coins", "brick", "grass", "gravel", "rocket", "hubble_deep_field", "page")
HELD_OUT_PHOTOGRAPHS = ("coffee", "moon", "chelsea", "text", "clock", "cell", "immunohistochemistry")


def blank(rng: np.random.Generator) -> np.ndarray:
    """A little noise, or a smooth shading."""
    rows, columns = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    direction = rng.uniform(0, 2 * np.pi)
    shading = np.cos(direction) * columns + np.sin(direction) * rows
    radial = np.hypot(rows - rng.uniform(-1, 1), columns - rng.uniform(-1, 1))
    mix = rng.uniform(0, 1, 2) * rng.integers(0, 2, 2)
    return mix[0] * shading - mix[1] * radial + rng.normal(0, rng.uniform(0.001, 0.1), shading.shape)


def noise(rng: np.random.Generator) -> np.ndarray:
    """White, smoothed or multi-scale noise."""
    from scipy import ndimage

    kind = rng.integers(3)
    white = rng.normal(size=(SIDE, SIDE))
    if kind == 0:
        return white
    if kind == 1:
        return ndimage.gaussian_filter(white, rng.uniform(0.5, 12))
    return sum(
        2**k * ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), 2**k) * rng.uniform(0.5, 1.5) for k in range(6)
    )


def test_pattern(rng: np.random.Generator) -> np.ndarray:
    """Bars, steps, checkerboards, gratings and resolution charts."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    period = int(rng.integers(6, 60))
    kind = rng.integers(5)
    if kind == 0:
        return rng.permutation(8)[columns * 8 // SIDE].astype(float)
    if kind == 1:
        return ((rows // period + columns // period) % 2).astype(float)
    if kind == 2:
        angle = rng.uniform(0, np.pi)
        return np.sin(2 * np.pi * (np.cos(angle) * columns + np.sin(angle) * rows) / period)
    if kind == 3:
        return ((rows % period < 2) | (columns % period < 2)).astype(float)
    return np.sin(np.hypot(rows - SIDE / 2, columns - SIDE / 2) ** 2 / rng.uniform(100, 800))


def shapes(rng: np.random.Generator) -> np.ndarray:
    """Rectangles, ellipses and lines at random."""
    radiograph = np.full((SIDE, SIDE), rng.uniform(0, 0.5))
    for _ in range(rng.integers(2, 12)):
        kind, level = rng.integers(3), rng.uniform(-0.5, 1)
        if kind == 0:
            top, left = rng.integers(0, SIDE - 10, 2)
            radiograph[top : top + rng.integers(5, 90), left : left + rng.integers(5, 90)] += level
        elif kind == 1:
            radiograph += level * ellipse(rng.uniform(0, 1, 2), rng.uniform(0.03, 0.4, 2), rng.uniform(0, np.pi))
        else:
            radiograph += level * rod(rng.uniform(0, 1, 2), rng.uniform(0, 1, 2), *rng.uniform(0.005, 0.05, 2))
    return radiograph


DRAWN: dict[str, Drawing] = {
    "blank or shading": blank,
    "noise": noise,
    "test pattern": test_pattern,
    "random shapes": shapes,
    "chest phantom": chest,
    "pelvis phantom": pelvis,
    "skull phantom": skull,
    "spine phantom": spine,
    "foot phantom": foot,
    "long bone phantom": long_bone,
}
HELD_OUT_DRAWN: dict[str, Drawing] = {"hand phantom": hand, "shoulder phantom": shoulder, "elbow phantom": elbow}


def photograph(names: tuple[str, ...], rng: np.random.Generator) -> np.ndarray:
    """A random square of one of scikit-image's own photographs, in grey, sometimes inverted or mirrored."""
    from skimage import data

    picture = np.asarray(getattr(data, names[rng.integers(len(names))])(), dtype=np.float64)
    picture = picture if picture.ndim == 2 else picture[..., :3].mean(axis=2)
    picture = square_part(picture, rng, smallest=0.35)
    picture = picture[:, ::-1] if rng.random() < 0.5 else picture
    return -picture if rng.random() < 0.3 else picture


def turned_knee(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A joint crop rotated by 90, 180 or 270 degrees."""
    return np.rot90(crop, int(rng.integers(1, 4)))


def rearranged_knee(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Radiograph texture in the wrong order: shuffled tiles, femur on femur, or tibia on tibia."""
    side = min(crop.shape) // 12 * 12
    crop, half = crop[:side, :side], side // 2
    kind = rng.integers(3)
    if kind == 0:
        return np.vstack((crop[:half], crop[:half][::-1]))
    if kind == 1:
        return np.vstack((crop[half:][::-1], crop[half:]))
    parts = int(rng.choice([2, 3, 4]))
    small = side // parts
    tiles = crop.reshape(parts, small, parts, small).swapaxes(1, 2).reshape(parts * parts, small, small)
    order = rng.permutation(parts * parts)
    if (order == np.arange(parts * parts)).any():
        order = np.roll(np.arange(parts * parts), int(rng.integers(1, parts * parts)))
    tiles = tiles[order].reshape(parts, parts, small, small)
    return tiles.swapaxes(1, 2).reshape(side, side)


def missed_knee(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The content of a box that misses the joint by more than half its side, or that covers only a shaft or corner."""
    side = min(crop.shape)
    if rng.random() < 0.5:  # a small window above or below the joint, or in a corner of it
        small = round(side * rng.uniform(0.22, 0.34))
        top = rng.choice([rng.integers(0, side // 12), side - small - rng.integers(0, side // 12)])
        left = rng.integers(0, side - small)
        return crop[top : top + small, left : left + small]
    shift = round(side * rng.uniform(0.55, 0.8)) * rng.choice([-1, 1])
    rows, columns = np.arange(side), np.arange(side)
    if rng.random() < 0.5:
        rows = rows + shift
    else:
        columns = columns + shift
    return crop[np.ix_(rows.clip(0, side - 1), columns.clip(0, side - 1))]


def two_knees(left_crop: np.ndarray, right_crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A box around both knees of one patient: two crops side by side, squeezed or padded to a square."""
    gap = np.full((right_crop.shape[0], rng.integers(4, 60)), right_crop.min())
    pair = np.hstack((right_crop, gap, left_crop))
    if rng.random() < 0.5:
        return pair
    missing = pair.shape[1] - pair.shape[0]
    return np.pad(pair, ((missing // 2, missing - missing // 2), (0, 0)), mode="edge")
