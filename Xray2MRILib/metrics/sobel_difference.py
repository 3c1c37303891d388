"""Difference maps of outlines: Sobel magnitude of the generated slice minus that of the reference (A24).

The paper takes the volumes as they are. The operator answers to noise as well, so that a noisy scan seems to have
outlines everywhere. The matched form smooths both volumes first and knows how much of a difference is noise.
"""

from __future__ import annotations

import numpy as np

from .intensity_range import check_pair

# both volumes are smoothed to this full width at half maximum; their own resolution is finer
RESOLUTION_MM = 2.0
# of an image in [0, 1]: nothing of a leg is darker
_AIR = 0.02
_FEWEST_VOXELS = 500
# Noise in air: a magnitude image has 0.655 of the noise that it has in tissue, and 99.9 % of the magnitudes of a
# gradient of noise are below 3.16 times their median.
_LEVEL_OF_MEDIAN = 3.16 / 0.655


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


def matched_sobel_difference(reference: np.ndarray, image: np.ndarray, pixel_mm: float) -> np.ndarray:
    """[S, H, W] float32 in [-1, 1]: as signed_sobel_difference, after both were smoothed to RESOLUTION_MM in a slice.

    Parameters
    ----------
    reference, image
        [S, H, W] in [0, 1].
    pixel_mm
        Distance of two pixels of a row.
    """
    from scipy.ndimage import gaussian_filter

    sigma = RESOLUTION_MM / (2 * np.sqrt(2 * np.log(2))) / pixel_mm
    smooth = [gaussian_filter(np.asarray(v, np.float32), (0, sigma, sigma)) for v in (reference, image)]
    return signed_sobel_difference(*smooth)


def noise_level(difference: np.ndarray, image: np.ndarray, usable: np.ndarray | None = None) -> float:
    """The magnitude that noise of the reference alone does not exceed in 99.9 % of the voxels of flat tissue.

    Measured in air, where ``image`` [S, H, W], in [0, 1], is black and ``usable`` (default: everywhere) is True; 0
    when there is not enough air.
    """
    air = np.asarray(image) < _AIR
    if usable is not None:
        air &= usable
    if np.count_nonzero(air) < _FEWEST_VOXELS:
        return 0.0
    return float(_LEVEL_OF_MEDIAN * np.median(np.abs(difference[air])))
