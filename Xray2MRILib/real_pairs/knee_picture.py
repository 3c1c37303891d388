"""One knee of a radiograph for a pair: the joint crop with a margin around it, and what speaks against using it.

The margin lets a training move, turn and bend the crop. The crop in its middle is the one that ``generate`` would cut.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..generation.prepared_knee import prepare_knee
from ..generation.settings import GenerationSettings
from ..localization.knee_box import KneeBox
from ..preparation.joint_crop import SIZE
from ..preparation.view_check import left_probability
from ..radiograph.reading import Radiograph, read_radiograph
from ..radiograph.resampling import resample
from .implant import shows_implant

MARGIN = SIZE // 8  # pixels on each side of the crop
_WRONG_SIDE = 0.98  # how sure the picture must be to contradict the table


@dataclass(frozen=True)
class KneePicture:
    """The knee on the radiograph.

    Attributes
    ----------
    pixels
        [320, 320] float32, bright bone, in the radiograph's own units, in right-knee space: the crop of 256 x 256 in
        the middle of a margin of 32 pixels.
    crop
        [256, 256] float32 in [-1, 1]: the prepared crop.
    record
        JSON-able facts without identifiers.
    doubts
        Sentences for the report; the knee is usable in spite of them.
    """

    pixels: np.ndarray
    crop: np.ndarray
    record: dict[str, Any]
    doubts: list[str]


def read_knee_picture(
    path: Path, side: str, box: tuple[float, float, float, float] | None = None, *, strict: bool = False
) -> KneePicture:
    """The knee of the given side on a radiograph.

    ``box`` (x, y, width, height) replaces the detector; ``strict`` refuses what does not look like a frontal knee
    instead of doubting it. Raises InputError for a radiograph that cannot be read, without a knee, of the other side,
    or with an implant.
    """
    radiograph = read_radiograph(path)
    knee = prepare_knee(radiograph, GenerationSettings(side=side, roi=box))
    if knee.box is None:
        raise refusal(path, "shows no knee that the detector finds", "Give the knee's box in the table.")
    if knee.box.side is not None and knee.box.side != side:
        raise refusal(path, f"shows no {side} knee", "Give the knee's box in the table, or correct the side.")
    crop = knee.prepared.image
    if _likely_left(crop) >= _WRONG_SIDE:  # in right-knee space
        raise refusal(path, f"does not look like a {side} knee", "Check the side and whether it is mirrored.")
    pixels = with_margin(radiograph, knee.box, side)
    if shows_implant(pixels[MARGIN:-MARGIN, MARGIN:-MARGIN]):
        raise refusal(path, "shows an implant", "Leave the knee out.")
    # which knee of two was taken is no doubt, because the table says which one is wanted
    warnings = [str(warning) for warning in knee.warnings if getattr(warning, "field", "") != "knee"]
    doubts = list(dict.fromkeys(warnings))
    if not knee.plausibility.plausible:
        reasons = "; ".join(knee.plausibility.reasons)
        if strict or knee.plausibility.score == 0:
            raise refusal(path, f"does not show a usable frontal knee ({reasons})", "Look at it.")
    record = {
        "box": asdict(knee.box),
        "box_source": knee.box_source,
        "pixel_spacing_mm": radiograph.record.get("pixel_spacing_mm"),
        "frontal_score": knee.plausibility.score,
        "margin_px": MARGIN,
    }
    return KneePicture(pixels, crop[0], record, doubts)


def with_margin(radiograph: Radiograph, box: KneeBox, side: str) -> np.ndarray:
    """The square around a knee and its margin [320, 320] float32, mirrored for left knees."""
    square = box.square(radiograph.pixel_aspect)
    more = MARGIN / SIZE
    start = square.y - more * square.height, square.x - more * square.width
    extent = (1 + 2 * more) * square.height, (1 + 2 * more) * square.width
    pixels = resample(radiograph.pixels, start, extent, (SIZE + 2 * MARGIN, SIZE + 2 * MARGIN))
    return np.ascontiguousarray(pixels[:, ::-1]) if side == "left" else pixels


def _likely_left(crop: np.ndarray) -> float:
    return float(left_probability(crop))


def refusal(path: Path, clause: str, hint: str) -> InputError:
    """The refusal of a radiograph."""
    return InputError(f"The radiograph {path.name} {clause}.", code="unsuitable-radiograph", hint=hint)
