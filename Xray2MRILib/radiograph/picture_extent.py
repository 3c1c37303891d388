"""What of a radiograph's pixels is picture: constant margins and single values far from all others are not.

A shutter or padding that the file does not declare often has a value far from the picture's, and so do dead pixels and
text that is burnt in. Left in, they would set the scale of grey levels.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .bright_frame import bright_frame
from .collimation import border_regions

_USUAL = (1e-3, 1e9)  # largest grey level; beyond, sums and products leave the range of float32

_PERCENTILES = (0.5, 99.5)
_FAR_MARGIN = 0.5  # of the range of the other grey levels
_FAR_VALUE = 3.0  # of the range between the percentiles below
_BULK = (1, 99)  # percentiles
_LEAST_PICTURE = 0.05  # share of the pixels


class PictureExtent(NamedTuple):
    """Pixels [H, W] float32 of usual size, the mask of what is no picture (None for nothing), and facts for the record.

    What is no picture has the smallest grey level of the picture, single far values the nearest one.
    """

    pixels: np.ndarray
    hidden: np.ndarray | None
    record: dict[str, Any]


def picture_extent(pixels: np.ndarray, padding: np.ndarray | None) -> PictureExtent:
    """The part of a radiograph [H, W] that is picture, beyond what the file declares as ``padding``.

    The record may gain ``margin_fraction`` (constant margins), ``frame_fraction`` (bright frame of a photographed film)
    and ``far_values`` (number of pixels).
    """
    shown = np.ones(pixels.shape, bool) if padding is None else ~padding
    scale = float(np.abs(pixels[shown]).max())
    pixels = pixels if _USUAL[0] < scale < _USUAL[1] else pixels / np.float32(scale)
    record: dict[str, Any] = {}
    margins = constant_margins(pixels, shown)
    if margins.any():
        record["margin_fraction"] = round(float(margins.mean()), 4)
        shown = shown & ~margins
    limits = far_limits(pixels[shown])
    if limits is not None:
        record["far_values"] = int(np.count_nonzero(((pixels < limits[0]) | (pixels > limits[1])) & shown))
        pixels = np.clip(pixels, *limits)
    if shown.all():
        frame = bright_frame(pixels)
        if frame is not None:
            record["frame_fraction"] = round(float(frame.mean()), 4)
            shown = ~frame
    if shown.all():
        return PictureExtent(pixels, None, record)
    return PictureExtent(np.where(shown, pixels, pixels[shown].min()), ~shown, record)


def constant_margins(pixels: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Mask [H, W] of the margins that hold the smallest or largest value and lie far from all other values.

    ``shown`` is the mask of what else is picture. Near values stay: black air beside the knee is part of it.
    """
    margins = np.zeros(pixels.shape, bool)
    values = pixels[shown]
    for extreme, end in ((values.min(), 0), (values.max(), 1)):
        rest = values[values != extreme]
        if rest.size < _LEAST_PICTURE * pixels.size:
            continue
        limits = [float(limit) for limit in np.percentile(rest, _PERCENTILES)]
        if abs(float(extreme) - limits[end]) > _FAR_MARGIN * (limits[1] - limits[0]) > 0:
            margins |= border_regions(shown & (pixels == extreme))
    return margins


def far_limits(values: np.ndarray) -> tuple[float, float] | None:
    """Smallest and largest grey level that belongs to the picture, given all values; None when all do."""
    low, high = (float(limit) for limit in np.percentile(values, _BULK))
    reach = _FAR_VALUE * (high - low)
    if not reach > 0 or (values.min() >= low - reach and values.max() <= high + reach):
        return None
    picture = values[(values >= low - reach) & (values <= high + reach)]
    return float(picture.min()), float(picture.max())
