"""Structural similarity of slices (Wang et al. 2004), from scikit-image with the settings of that publication."""

from __future__ import annotations

import numpy as np

from .intensity_range import check_pair

SIGMA_PX = 1.5
WINDOW_PX = 11  # scikit-image's window for sigma 1.5, truncated at 3.5 sigma


def ssim_map(reference: np.ndarray, image: np.ndarray) -> np.ndarray:
    """[H, W] local SSIM of two images [H, W] float64 in [0, 1]: Gaussian weights, population covariance, range 1."""
    from skimage.metrics import structural_similarity

    options = {"data_range": 1.0, "gaussian_weights": True, "sigma": SIGMA_PX, "use_sample_covariance": False}
    return structural_similarity(reference, image, full=True, **options)[1]


def windows_inside(mask: np.ndarray) -> np.ndarray:
    """[S, H, W] bool: centres of the windows that lie completely in the slice and in ``mask`` ([S, H, W] bool)."""
    from scipy.ndimage import minimum_filter

    # separable along rows and columns, so much faster than an erosion by the whole window
    return minimum_filter(np.asarray(mask, np.uint8), (1, WINDOW_PX, WINDOW_PX), mode="constant", cval=0) > 0


def mean_ssim(local: np.ndarray, inside: np.ndarray | None = None) -> float:
    """Mean of a local SSIM [H, W] over ``inside`` (see windows_inside; None: the whole image); NaN if empty."""
    if min(local.shape) < WINDOW_PX:
        return float("nan")
    if inside is None:
        rim = WINDOW_PX // 2
        return float(local[rim:-rim, rim:-rim].mean())
    return float(local[inside].mean()) if inside.any() else float("nan")


def slice_ssim(reference: np.ndarray, image: np.ndarray) -> float:
    """SSIM of two images [H, W] float64 in [0, 1]; NaN for images smaller than a window."""
    if min(reference.shape) < WINDOW_PX:
        return float("nan")
    return mean_ssim(ssim_map(reference, image))


def ssim(reference: np.ndarray, image: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """[S] SSIM of each slice of ``image`` against ``reference``, both [S, H, W] in [0, 1].

    With ``mask`` ([S, H, W] bool) only windows completely inside it count; a slice without any gives NaN.
    Raises TypeError for integers and ValueError for values outside [0, 1].
    """
    return ssim_with_box(reference, image, None, mask)[0]


def ssim_with_box(
    reference: np.ndarray,
    image: np.ndarray,
    box: tuple[int, int, int, int] | None,
    mask: np.ndarray | None = None,
    inside: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """[S] SSIM of whole slices and [S] of the windows centred in ``box`` (first row, end row, first column, end).

    The local SSIM is the expensive part and is computed once for both. Without a box the second array is NaN.
    ``inside`` is ``windows_inside(mask)``, for callers that compare many images with the same mask.
    """
    reference, image = check_pair(reference, image)
    if mask is not None and inside is None:
        inside = windows_inside(mask)
    whole, boxed = np.full((2, len(reference)), np.nan)
    for place, (truth, found) in enumerate(zip(reference, image, strict=True)):
        if min(truth.shape) < WINDOW_PX:
            continue
        local = ssim_map(truth, found)
        covered = None if mask is None or mask[place].all() else mask[place]
        whole[place] = mean_ssim(local, None if covered is None or inside is None else inside[place])
        if box is not None:
            top, bottom, left, right = box
            known = None if covered is None else covered[top:bottom, left:right]
            if known is None or known.any():
                part = local[top:bottom, left:right]
                boxed[place] = part.mean() if known is None else part[known].mean()
    return whole, boxed
