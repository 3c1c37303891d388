"""What every file reader hands over: grey pixels and what the file says about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

_LUMINANCE = (0.30, 0.59, 0.11)


@dataclass
class DecodedRadiograph:
    """One grey-scale picture as stored.

    Attributes
    ----------
    pixels
        [H, W] float32.
    photometric
        "MONOCHROME1", "MONOCHROME2" or None when the file does not say.
    pixel_spacing_mm
        (row, column) as recorded, or None.
    side, side_evidence
        "left", "right", "both" or None, and the header field that says so.
    padding
        Mask [H, W] of pixels that the file declares as padding, or None.
    record
        JSON-able facts without identifiers.
    warnings
        Sentences for the user, Notice where a setting answers them.
    pixel_aspect
        Height of a pixel divided by its width, or None when the file does not say.
    """

    pixels: np.ndarray
    photometric: str | None = None
    pixel_spacing_mm: tuple[float, float] | None = None
    side: str | None = None
    side_evidence: str | None = None
    padding: np.ndarray | None = None
    record: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    pixel_aspect: float | None = None


def luminance(array: np.ndarray) -> np.ndarray:
    """[H, W, 1 to 4] as grey [H, W] float32: red, green, blue weigh 0.30, 0.59, 0.11; alpha is dropped."""
    channels = array.shape[-1]
    if channels < 3:
        return array[..., 0].astype(np.float32)
    grey = array[..., 0] * np.float32(_LUMINANCE[0])
    for channel in (1, 2):
        grey += array[..., channel] * np.float32(_LUMINANCE[channel])
    return grey
