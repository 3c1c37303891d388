"""Pictures of slices and of their differences, as arrays of colours."""

from __future__ import annotations

import numpy as np

_DIFFERENCE_GAIN = 2.5  # outlines of neighbouring tissues rarely differ by more than 0.4


def choose_evenly(valid: np.ndarray, count: int) -> list[int]:
    """At most ``count`` slice indices, evenly spaced among the valid ones; among all when none is."""
    places = np.flatnonzero(valid) if valid.any() else np.arange(len(valid))
    return sorted({int(places[round(k)]) for k in np.linspace(0, len(places) - 1, count)})


def draw_grey(picture: np.ndarray) -> np.ndarray:
    """[H, W, 3] uint8 of a slice in [0, 1]."""
    return np.repeat(np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)[..., None], 3, axis=2)


def draw_signed(picture: np.ndarray) -> np.ndarray:
    """[H, W, 3] uint8 of a signed difference: orange where the pseudo-MRI adds, blue where it lacks, on white."""
    strength = np.clip(np.abs(picture) * _DIFFERENCE_GAIN, 0, 1)[..., None]
    colour = np.where(picture[..., None] > 0, (213.0, 94.0, 0.0), (0.0, 90.0, 181.0))
    return np.rint(255 * (1 - strength) + colour * strength).astype(np.uint8)


def draw_one_sided(picture: np.ndarray) -> np.ndarray:
    """[H, W, 3] uint8 of the paper's form: white where the pseudo-MRI adds, on black."""
    return draw_grey(np.clip(picture, 0, 1) * _DIFFERENCE_GAIN)


def mark_region(picture: np.ndarray, rows: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """The picture with RSSIM's rows (green ticks at both sides) and the box of the edges (corners) marked."""
    marked = picture.copy()
    top, bottom, left, right = box
    for row in (top, bottom - 1):
        for start in (left, right - 12):
            marked[row, max(start, 0) : start + 12] = (240, 200, 0)
    for column in (left, min(right, marked.shape[1]) - 1):
        for start in (top, bottom - 12):
            marked[start : start + 12, column] = (240, 200, 0)
    if rows[1] > rows[0]:
        for row in (int(rows[0]), min(int(rows[1]), len(marked)) - 1):
            marked[row, :14] = marked[row, -14:] = (0, 170, 80)
    return marked
