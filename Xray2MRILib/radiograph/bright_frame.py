"""The bright frame around a photographed or scanned radiograph: the light box, or the lid of a scanner.

It is bright and even, apart from a slow fall-off of the light, touches the picture's border on all four sides, and its
inner edge is a rectangle. The air beside a knee is bright too where bone is dark, but there the leg reaches the border
above and below.
"""

from __future__ import annotations

import numpy as np

from .collimation import border_regions
from .resampling import shrink

_SHORTER_EDGE = 120  # pixels; the frame is a large structure
_SMALLEST = 24  # pixels of the shorter edge
_RANGE = (0.5, 99.5)  # percentiles
_TOLERANCE = 0.08  # of the grey-level range, around the even light
_LEAST_BORDER = 0.93  # share of each side of the border that is frame
_ROUNDS = 4  # of fitting the light to what has been recognised as frame
_FILM = (0.1, 0.95)  # share of the picture inside the frame
_MOST_INSIDE = 0.2  # share of the film's rectangle that looks like the frame and is joined to it
_STEP = 0.12  # of the grey-level range, by which the film is darker than the light behind it


def bright_frame(pixels: np.ndarray) -> np.ndarray | None:
    """Mask [H, W] of the bright frame around the film on a picture; None without one.

    ``pixels`` [H, W] are as stored, large values bright. The film may be turned by some degrees.
    """
    grey = shrink(pixels, round(_SHORTER_EDGE * max(pixels.shape) / min(pixels.shape)))
    low, high = (float(value) for value in np.percentile(grey, _RANGE))
    if not high > low or min(grey.shape) < _SMALLEST:
        return None
    grey = np.clip((grey - low) / (high - low), 0, 1)
    frame = np.zeros(grey.shape, bool)
    frame[[0, -1]] = frame[:, [0, -1]] = True
    for _ in range(_ROUNDS):
        light = _even_light(grey, frame)
        frame = border_regions(np.abs(grey - light) <= _TOLERANCE, least_area=0.01)
        if min(side.mean() for side in (frame[0], frame[-1], frame[:, 0], frame[:, -1])) < _LEAST_BORDER:
            return None
    film = _film_rectangle(frame)
    if film is None or not _is_film(light - grey, frame, film):
        return None
    outside = np.ones(frame.shape, bool)
    outside[film] = False
    return _enlarged(outside | _with_blurred_edge(frame), pixels.shape)


def _even_light(grey: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """The second-degree surface [H, W] through the grey levels of the frame."""
    rows, columns = np.meshgrid(*(np.linspace(-1, 1, length) for length in grey.shape), indexing="ij")
    terms = np.stack([np.ones_like(rows), rows, columns, rows**2, columns**2, rows * columns], axis=-1)
    coefficients, *_ = np.linalg.lstsq(terms[frame], grey[frame], rcond=None)
    return terms @ coefficients


def _film_rectangle(frame: np.ndarray) -> tuple[slice, slice] | None:
    """Rows and columns of the largest region that is not frame."""
    from scipy import ndimage

    labels, count = ndimage.label(~frame)
    if count == 0:
        return None
    largest = int(np.argmax(np.bincount(labels.ravel())[1:]))
    return ndimage.find_objects(labels)[largest]


def _is_film(darker: np.ndarray, frame: np.ndarray, film: tuple[slice, slice]) -> bool:
    """Whether the rectangle has the size of a film, is filled by it, and is darker than the light behind it."""
    inside = frame[film]
    if not _FILM[0] <= inside.size / frame.size <= _FILM[1] or min(inside.shape) < _SMALLEST // 2:
        return False
    return float(inside.mean()) <= _MOST_INSIDE and float(np.median(darker[film])) >= _STEP


def _with_blurred_edge(frame: np.ndarray) -> np.ndarray:
    """The frame with the pixels that scaling has mixed from frame and film."""
    from scipy import ndimage

    return ndimage.binary_dilation(frame)


def _enlarged(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The mask at the size of the picture it was found on."""
    rows, columns = (np.arange(length) * small // length for length, small in zip(shape, mask.shape, strict=True))
    return mask[np.ix_(rows, columns)]
