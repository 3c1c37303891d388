"""What detector plate and operator add to a training film: texture, markers, exposure, blur, noise, collimation."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .detector import normalise_film

# 5 x 4 dots are all that is left of a lead marker at detector resolution
_MARKERS = {
    "L": ("1000", "1000", "1000", "1000", "1111"),
    "R": ("1110", "1001", "1110", "1010", "1001"),
}


def place_on_canvas(film: np.ndarray, canvas_size: int) -> tuple[np.ndarray, int, int]:
    """A film [H, W] in the middle of a black square, as `detector.letterbox` places it; canvas, left and top margin."""
    height, width = film.shape
    top, left = (canvas_size - height) // 2, (canvas_size - width) // 2
    canvas = np.zeros((canvas_size, canvas_size), np.float32)
    canvas[top : top + height, left : left + width] = film
    return canvas, left, top


def finish_film(film: np.ndarray, rng: np.random.Generator, markers: bool, collimate: bool) -> np.ndarray:
    """A film [H, W] as it may come from any X-ray room, in [0, 1]; now and then inverted."""
    height, width = film.shape
    if rng.random() < 0.5:
        shading = ndimage.zoom(rng.normal(1, 0.12, (3, 3)), np.array(film.shape) / 3, order=1)
        film = film * shading[:height, :width].astype(np.float32)
    if markers and rng.random() < 0.35:
        _stamp_marker(film, rng)
    film = normalise_film(film) ** rng.uniform(0.55, 1.7)
    if rng.random() < 0.2:
        film = film * rng.uniform(0.3, 1) + rng.uniform(0, 0.3)
    if rng.random() < 0.3:
        film = ndimage.gaussian_filter(film, rng.uniform(0.3, 1.2))
    film = film + rng.uniform(0, 0.03) * rng.standard_normal(film.shape)
    if rng.random() < 0.04:
        film = film.max() - film
    if collimate and rng.random() < 0.35:
        film = _collimate(film, rng)
    return normalise_film(film)


def _stamp_marker(film: np.ndarray, rng: np.random.Generator) -> None:
    dots = np.array([[float(dot) for dot in row] for row in _MARKERS[rng.choice(list(_MARKERS))]], np.float32)
    letter = np.kron(dots, np.ones((rng.integers(1, 4),) * 2, np.float32))
    height, width = letter.shape
    if film.shape[0] <= height or film.shape[1] <= width:
        return
    top, left = rng.integers(film.shape[0] - height), rng.integers(film.shape[1] - width)
    film[top : top + height, left : left + width] = np.maximum(film[top : top + height, left : left + width], letter)


def _collimate(film: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cover up to 8 % of each edge, rarely tilted, with black, white or grey."""
    height, width = film.shape
    angle = np.deg2rad(rng.normal(0, 1.5))
    y, x = np.mgrid[:height, :width].astype(np.float32)
    x, y = x - width / 2, y - height / 2
    u, v = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    edges = rng.uniform(0, 0.08, 4) * (rng.random(4) < 0.6)
    open_field = (u > (edges[0] - 0.5) * width) & (u < (0.5 - edges[1]) * width)
    open_field &= (v > (edges[2] - 0.5) * height) & (v < (0.5 - edges[3]) * height)
    return np.where(open_field, film, rng.choice([0.0, 0.0, 0.5, 1.0]) * film.max()).astype(np.float32)
