"""A whole radiograph of a knee drawn by hand, for tests of reading: the detector finds its joint."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

ROWS, COLUMNS = 320, 300


def drawn_radiograph(rows: int = ROWS, columns: int = COLUMNS, seed: int = 0) -> np.ndarray:
    """[rows, columns] float64 from 0 to 1, bright bone: femur, tibia, fibula and patella in a leg, with trabeculae.

    The drawing fills the picture: other numbers of rows and columns stretch it.
    """
    down, across = np.meshgrid(np.linspace(0, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    off = np.abs(across)
    soft = np.sqrt(np.clip(1 - (across / 0.93) ** 2, 0, None))
    femur_half = 0.2 + 0.26 * _rise((down - 0.33) / 0.04)
    notch = 0.055 * np.exp(-((across / 0.08) ** 2))
    femur = (off < femur_half) & (down < 0.5 + 0.02 * np.cos(8 * (off - 0.24)) - notch)
    tibia_half = 0.19 + 0.27 * _rise((0.67 - down) / 0.04)
    spines = 0.02 * np.exp(-(((off - 0.05) / 0.04) ** 2))
    tibia = (off < tibia_half) & (down > 0.55 - spines)
    fibula = (np.abs(across + 0.48 - 0.1 * (down - 0.7)) < 0.07) & (down > 0.64)
    patella = (across / 0.2) ** 2 + ((down - 0.37) / 0.09) ** 2 < 1
    bones = (femur | tibia).astype(float)
    grain = gaussian_filter(np.random.default_rng(seed).normal(size=(rows, columns)), 1.4)
    cortex = np.abs(gaussian_filter(bones, 1.5) - gaussian_filter(bones, 4.0))
    picture = 0.32 * soft + 0.42 * gaussian_filter(bones, 1.2) + 0.2 * gaussian_filter(fibula.astype(float), 1.2)
    picture += 0.35 * cortex + 0.09 * patella + grain * (0.03 + 0.1 * bones)
    picture = gaussian_filter(picture, 0.7)
    return (picture - picture.min()) / (picture.max() - picture.min())


def stored(bits: int = 12, **shape: int) -> np.ndarray:
    """`drawn_radiograph` as unsigned integers of so many bits."""
    return np.rint(drawn_radiograph(**shape) * ((1 << bits) - 1)).astype(np.uint8 if bits <= 8 else np.uint16)


def _rise(position: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-position))
