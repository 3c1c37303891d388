"""Detector and operator effects on a training radiograph: texture, markers, exposure, blur, noise, collimation."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ...localization.detector import normalise_radiograph

# a lead marker at detector resolution has 5 x 4 dots
_MARKERS = {
    "L": ("1000", "1000", "1000", "1000", "1111"),
    "R": ("1110", "1001", "1110", "1010", "1001"),
}


def place_on_canvas(radiograph: np.ndarray, canvas_size: int) -> tuple[np.ndarray, int, int]:
    """A radiograph [H, W] in the middle of a black square, as in `detector.letterbox`; returns canvas, left and top
    margin."""
    height, width = radiograph.shape
    top, left = (canvas_size - height) // 2, (canvas_size - width) // 2
    canvas = np.zeros((canvas_size, canvas_size), np.float32)
    canvas[top : top + height, left : left + width] = radiograph
    return canvas, left, top


def finish_radiograph(radiograph: np.ndarray, rng: np.random.Generator, markers: bool, collimate: bool) -> np.ndarray:
    """A radiograph [H, W] with random effects of detector and operator, in [0, 1]; sometimes inverted."""
    height, width = radiograph.shape
    if rng.random() < 0.5:
        shading = ndimage.zoom(rng.normal(1, 0.12, (3, 3)), np.array(radiograph.shape) / 3, order=1)
        radiograph = radiograph * shading[:height, :width].astype(np.float32)
    if markers and rng.random() < 0.35:
        _stamp_marker(radiograph, rng)
    radiograph = normalise_radiograph(radiograph) ** rng.uniform(0.55, 1.7)
    if rng.random() < 0.2:
        radiograph = radiograph * rng.uniform(0.3, 1) + rng.uniform(0, 0.3)
    if rng.random() < 0.3:
        radiograph = ndimage.gaussian_filter(radiograph, rng.uniform(0.3, 1.2))
    radiograph = radiograph + rng.uniform(0, 0.03) * rng.standard_normal(radiograph.shape)
    if rng.random() < 0.04:
        radiograph = radiograph.max() - radiograph
    if collimate and rng.random() < 0.35:
        radiograph = _collimate(radiograph, rng)
    return normalise_radiograph(radiograph)


def _stamp_marker(radiograph: np.ndarray, rng: np.random.Generator) -> None:
    dots = np.array([[float(dot) for dot in row] for row in _MARKERS[rng.choice(list(_MARKERS))]], np.float32)
    letter = np.kron(dots, np.ones((rng.integers(1, 4),) * 2, np.float32))
    height, width = letter.shape
    if radiograph.shape[0] <= height or radiograph.shape[1] <= width:
        return
    top, left = rng.integers(radiograph.shape[0] - height), rng.integers(radiograph.shape[1] - width)
    radiograph[top : top + height, left : left + width] = np.maximum(
        radiograph[top : top + height, left : left + width], letter
    )


def _collimate(radiograph: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cover up to 8 % of each edge, rarely tilted, with black, white or grey."""
    height, width = radiograph.shape
    angle = np.deg2rad(rng.normal(0, 1.5))
    y, x = np.mgrid[:height, :width].astype(np.float32)
    x, y = x - width / 2, y - height / 2
    u, v = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    edges = rng.uniform(0, 0.08, 4) * (rng.random(4) < 0.6)
    open_field = (u > (edges[0] - 0.5) * width) & (u < (0.5 - edges[1]) * width)
    open_field &= (v > (edges[2] - 0.5) * height) & (v < (0.5 - edges[3]) * height)
    return np.where(open_field, radiograph, rng.choice([0.0, 0.0, 0.5, 1.0]) * radiograph.max()).astype(np.float32)
