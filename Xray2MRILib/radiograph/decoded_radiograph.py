"""What every file reader hands over: grey pixels and what the file says about them, and the limits they share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import InputError

SMALLEST_EDGE = 32
LARGEST_EDGE = 12_000
MOST_PIXELS = 100_000_000
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
    """

    pixels: np.ndarray
    photometric: str | None = None
    pixel_spacing_mm: tuple[float, float] | None = None
    side: str | None = None
    side_evidence: str | None = None
    padding: np.ndarray | None = None
    record: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def unreadable(name: str, fault: str, hint: str = "", code: str = "unreadable-radiograph") -> InputError:
    """The error for a file that cannot be used: ``fault`` continues the sentence "The radiograph NAME ..."."""
    printable = "".join(sign if sign.isprintable() else "?" for sign in name)
    return InputError(f"The radiograph {printable} {fault}.", code=code, hint=hint)


def damaged(name: str, format_name: str) -> InputError:
    """The error for a file that stops or goes wrong while it is decoded."""
    return unreadable(
        name, f"is damaged or incomplete ({format_name})", "Copy or export it again.", "damaged-radiograph"
    )


def check_size(rows: int, columns: int, name: str) -> None:
    """Refuse radiographs that are too small to show a knee or too large to be one; to be asked before decoding."""
    if min(rows, columns) < SMALLEST_EDGE:
        raise unreadable(
            name,
            f"has only {columns} x {rows} pixels",
            f"Export it at full size, with at least {SMALLEST_EDGE} pixels along each edge.",
            "radiograph-too-small",
        )
    if max(rows, columns) > LARGEST_EDGE or rows * columns > MOST_PIXELS:
        raise unreadable(
            name,
            f"has {columns} x {rows} pixels, too many for a radiograph",
            f"Scale it down to at most {LARGEST_EDGE} pixels along each edge.",
            "radiograph-too-large",
        )


def luminance(array: np.ndarray) -> np.ndarray:
    """[H, W, 1 to 4] as grey [H, W] float32: red, green, blue weigh 0.30, 0.59, 0.11; alpha is dropped."""
    channels = array.shape[-1]
    if channels < 3:
        return array[..., 0].astype(np.float32)
    grey = array[..., 0] * np.float32(_LUMINANCE[0])
    for channel in (1, 2):
        grey += array[..., channel] * np.float32(_LUMINANCE[channel])
    return grey
