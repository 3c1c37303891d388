"""Margins of a radiograph that carry no picture: collimator shadows, scanner frames, padding of the file."""

from __future__ import annotations

import numpy as np

_TOLERANCE = 0.01  # of the grey-level range: what compression leaves of a constant value
_LEAST_AREA = 0.005  # of the picture; smaller patches are noise or dark air next to the skin
_BLURRED_EDGE = 2  # pixels between margin and picture that scaling has mixed from both
_LEAST_EDGE = 0.5  # of one side of the picture, for white frames


def collimated_margins(picture: np.ndarray) -> np.ndarray:
    """Mask [H, W] of the margins of a picture [H, W] that are constant black or white, bright bone assumed.

    Black counts when it touches the border: over-exposed air beside the knee does as well, and carries as little. White
    counts only when it holds a corner and half of one side, since bone that saturates may touch the border too.
    """
    low, high = np.percentile(picture, (0.1, 99.9))
    tolerance = _TOLERANCE * (high - low)
    if not tolerance > 0:
        return np.zeros(picture.shape, bool)
    margins = border_regions(picture <= low + tolerance)
    white = picture >= high - tolerance
    if white[[0, 0, -1, -1], [0, -1, 0, -1]].any():
        for region in _separate(border_regions(white)):
            corner = region[[0, 0, -1, -1], [0, -1, 0, -1]].any()
            sides = (region[0], region[-1], region[:, 0], region[:, -1])
            if corner and max(side.mean() for side in sides) >= _LEAST_EDGE:
                margins |= region
    if margins.any():
        from scipy import ndimage

        margins = ndimage.binary_dilation(margins, iterations=_BLURRED_EDGE)
    return margins


def border_regions(mask: np.ndarray, least_area: float = _LEAST_AREA) -> np.ndarray:
    """The connected regions of a mask [H, W] that touch the border and cover at least a share of the picture."""
    border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    if not border.any():
        return np.zeros(mask.shape, bool)
    from scipy import ndimage

    labels, _ = ndimage.label(mask)
    touching = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    areas = np.bincount(labels.ravel())
    kept = [label for label in touching if label and areas[label] >= least_area * mask.size]
    return np.isin(labels, kept)


def _separate(mask: np.ndarray) -> list[np.ndarray]:
    from scipy import ndimage

    labels, count = ndimage.label(mask)
    return [labels == label for label in range(1, count + 1)]
