"""Difference maps of outlines: Sobel magnitude of the generated slice minus that of the reference (A24)."""

from __future__ import annotations

import numpy as np

from .intensity_range import check_pair


def sobel_magnitude(volume: np.ndarray) -> np.ndarray:
    """[S, H, W] float32 Sobel gradient magnitude of each slice of a volume in [0, 1]; a step of 1 gives at most 1."""
    from skimage.filters import sobel

    return np.stack([sobel(image.astype(np.float64)).astype(np.float32) for image in np.asarray(volume)])


def signed_sobel_difference(reference: np.ndarray, image: np.ndarray) -> np.ndarray:
    """[S, H, W] float32 in [-1, 1]: positive for edges only in the image, negative for edges only in the reference."""
    reference, image = check_pair(reference, image)
    return sobel_magnitude(image) - sobel_magnitude(reference)


def one_sided_sobel_difference(reference: np.ndarray, image: np.ndarray) -> np.ndarray:
    """[S, H, W] float32 in [0, 1]: the positive part only, as in the paper's figures.

    It does not show edges of the reference that are missing in the image: an empty volume gives an empty map, which
    looks perfect.
    """
    return np.maximum(signed_sobel_difference(reference, image), 0.0)
