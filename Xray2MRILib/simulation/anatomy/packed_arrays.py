"""Large arrays of bytes as WebP mosaics, so that templates ship in a few hundred kilobytes each."""

from __future__ import annotations

import io

import numpy as np

_COLUMNS = 15


def packed(values: np.ndarray, quality: int | None = None) -> np.ndarray:
    """uint8 [Y, Z, X] as the bytes of a WebP picture; without ``quality`` nothing is lost."""
    from PIL import Image

    depth, height, width = values.shape
    rows = -(-depth // _COLUMNS)
    filled = np.zeros((rows * _COLUMNS, height, width), np.uint8)
    filled[:depth] = values
    mosaic = filled.reshape(rows, _COLUMNS, height, width).transpose(0, 2, 1, 3).reshape(rows * height, -1)
    stream = io.BytesIO()
    if quality is None:
        Image.fromarray(mosaic).save(stream, "webp", lossless=True, quality=60, method=3)
    else:
        Image.fromarray(mosaic).save(stream, "webp", quality=quality, method=4)
    return np.frombuffer(stream.getvalue(), np.uint8)


def unpacked(stored: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """uint8 array of ``shape`` [Y, Z, X] that ``packed`` wrote."""
    from PIL import Image

    depth, height, width = shape
    mosaic = np.asarray(Image.open(io.BytesIO(stored.tobytes())).convert("L"))
    parts = mosaic.reshape(-1, height, _COLUMNS, width).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(parts.reshape(-1, height, width)[:depth])
