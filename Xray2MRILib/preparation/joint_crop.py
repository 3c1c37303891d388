"""From a radiograph to the network's input: square crop, area-averaged size, normalised grey levels, right-knee space.

Training and simulation use `normalise_crop` of this file too, so that networks meet in use what they learnt from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..localization.knee_box import KneeBox
from ..radiograph.collimation import collimated_margins
from ..radiograph.resampling import resample
from ..volume.geometry import CROP_FRAME

if TYPE_CHECKING:
    from ..radiograph.reading import Radiograph

SIZE = CROP_FRAME.pixels
PERCENTILES = (0.5, 99.5)
SMALLEST_BOX = 32  # radiograph pixels: below that, a joint space is less than one pixel
_COARSE_BOX = 100  # radiograph pixels: below that, a joint space is some two pixels
_MUCH_PADDING = 0.45
_LEAST_ON_RADIOGRAPH = 0.3  # share of a box that must lie on the radiograph


@dataclass
class PreparedRadiograph:
    """The network's input.

    Attributes
    ----------
    image
        [1, 256, 256] float32 in [-1, 1], bright bone, in right-knee space: left knees are mirrored (A22).
    side
        "left" or "right", the knee on the radiograph.
    mirrored
        True for left knees; volumes must be mirrored back.
    record
        What was done, JSON-able and free of identifiers: ``side``, ``side_source``, ``mirrored``, ``box`` (as
        given, or None), ``square`` (the part taken: x, y, width in radiograph pixels; it is square on the
        detector), ``padding_fraction`` (share of the square beyond the radiograph), ``collimated_fraction``,
        ``normalisation``, ``size``, ``radiograph`` (the record of reading), ``warnings`` (sentences for the
        user, those of the radiograph first).
    """

    image: np.ndarray
    side: str
    mirrored: bool
    record: dict[str, Any] = field(default_factory=dict)


def prepare_radiograph(
    radiograph: Radiograph, box: KneeBox | None, side: str, side_source: str, size: int = SIZE
) -> PreparedRadiograph:
    """Cut, scale and normalise one knee of a radiograph.

    Parameters
    ----------
    radiograph
        The radiograph.
    box
        The knee on it; made square, may reach beyond the radiograph, where the radiograph's edge is repeated. None
        takes a square as wide as the radiograph around the radiograph's centre.
    side
        "left" or "right".
    side_source
        Where the side comes from; goes into the record.
    size
        Pixels along each edge of the result.

    Raises InputError when the box lies mostly beyond the radiograph, is under 32 pixels, or shows no contrast.
    """
    if side not in ("left", "right"):
        raise InputError(
            f"The side of a knee cannot be {side!r}.", code="bad-option", hint="Choose left or right.", field="side"
        )
    rows, columns = radiograph.pixels.shape
    aspect = radiograph.pixel_aspect
    height = columns / aspect
    square = (box or KneeBox(0.0, (rows - height) / 2, columns, height, confidence=0.0)).square(aspect)
    if box is not None:
        _check_box(box, rows, columns)
    crop = resample(radiograph.pixels, (square.y, square.x), (square.height, square.width), (size, size))
    image, margins, limits = _normalised(crop)
    mirrored = side == "left"
    warnings = list(radiograph.record.get("warnings", ()))
    if square.width < _COARSE_BOX:
        warnings.append(
            f"The knee covers only {square.width:.0f} pixels of the radiograph; fine detail is not reliable."
        )
    padding = max(0.0, 1.0 - square.share_on_radiograph(rows, columns))
    if padding > _MUCH_PADDING:
        warnings.append(
            f"{padding:.0%} of the square around the knee is outside the radiograph and repeats its edge pixels."
        )
    record = {
        "side": side,
        "side_source": side_source,
        "mirrored": mirrored,
        "box": None if box is None else asdict(box),
        "square": [float(square.x), float(square.y), float(square.width)],
        "padding_fraction": round(padding, 4),
        "collimated_fraction": round(float(margins.mean()), 4),
        "normalisation": {"percentiles": list(PERCENTILES), "film_values": list(limits)},
        "size": size,
        "film": dict(radiograph.record),
        "warnings": warnings,
    }
    if mirrored:
        image = image[:, ::-1]
    return PreparedRadiograph(np.ascontiguousarray(image)[None], side, mirrored, record)


def normalise_crop(crop: np.ndarray, size: int = SIZE) -> np.ndarray:
    """A joint crop [h, w] with bright bone as the networks see it: float32 [size, size] in [-1, 1].

    The crop is area-averaged (bilinear when it is smaller than ``size``; a crop that is not square is stretched), then
    percentiles 0.5 and 99.5 of all that is not collimated become -1 and +1. Collimated margins become -1.
    Raises InputError when nothing but one grey level is left.
    """
    crop = np.asarray(crop, np.float32)
    if crop.shape != (size, size):
        crop = resample(crop, (0.0, 0.0), crop.shape, (size, size))
    return _normalised(crop)[0]


def box_from_rectangle(
    rectangle: Sequence[float], radiograph_shape: tuple[int, int], pixel_aspect: float = 1.0
) -> KneeBox:
    """The square box around a user's rectangle x, y, width, height in radiograph pixels.

    ``radiograph_shape`` is rows, columns; with pixels that are not square, ``pixel_aspect`` times as high as wide, the
    box is square on the detector. Raises InputError when the rectangle is not four finite numbers, is smaller
    than 32 pixels across, or lies mostly beyond the radiograph.
    """
    numbers = [float(value) for value in rectangle]
    if len(numbers) != 4 or not np.isfinite(numbers).all():
        raise InputError(
            "The rectangle of the knee is not four numbers.",
            code="bad-option",
            hint="Give x, y, width and height in radiograph pixels.",
            field="roi",
        )
    x, y, width, height = numbers
    box = KneeBox(x, y, width, height, confidence=1.0)
    _check_box(box, *radiograph_shape)
    return box.square(pixel_aspect)


def _normalised(crop: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """Image in [-1, 1], mask of collimated margins, and the grey levels that became -1 and +1."""
    margins = collimated_margins(crop)
    shown = crop[~margins]
    low, high = (float(value) for value in np.percentile(shown if shown.size else crop, PERCENTILES))
    if not high > low:
        raise InputError(
            "The part of the radiograph that should show the knee has a single grey level.",
            code="no-contrast",
            hint="Choose the knee's rectangle, or export the radiograph again.",
            field="roi",
        )
    image = np.clip((crop - low) * (2.0 / (high - low)) - 1.0, -1.0, 1.0).astype(np.float32)
    image[margins] = -1.0
    return image, margins, (low, high)


def _check_box(box: KneeBox, rows: int, columns: int) -> None:
    shown = f"{box.x:.0f},{box.y:.0f},{box.width:.0f},{box.height:.0f}"
    hint = f"Give x, y, width and height in pixels from the top left corner; the radiograph has {columns} x {rows}."
    if max(box.width, box.height) < SMALLEST_BOX or min(box.width, box.height) <= 0:
        raise InputError(
            f"The rectangle {shown} is smaller than {SMALLEST_BOX} radiograph pixels.",
            code="bad-option",
            hint=hint,
            field="roi",
        )
    if box.share_on_radiograph(rows, columns) < _LEAST_ON_RADIOGRAPH:
        raise InputError(
            f"The rectangle {shown} is mostly outside the radiograph.", code="bad-option", hint=hint, field="roi"
        )
