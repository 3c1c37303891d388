"""Which knee is it: from the user, the header, the file name, the place of the fibula, or an assumption (A22)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import InputError, Notice, ProcessingError
from ..radiograph.laterality import EXPLICIT_FIELDS

if TYPE_CHECKING:
    from ..radiograph.reading import Radiograph

_CONFIDENCE = {"user": 1.0, "header": 1.0, "position on the radiograph": 0.97, "file name": 0.95}
_SURE = 0.8  # below, the side read from the picture is given with a warning
_CONTRADICTION = 0.98  # the picture must be this sure to question what was written down


class SideDecision(NamedTuple):
    """Side ("left" or "right"), where it comes from, confidence in [0, 1], and sentences for the user."""

    side: str
    source: str
    confidence: float
    warnings: list[str]


def decide_side(radiograph: Radiograph, crop_image: np.ndarray, user_side: str = "auto") -> SideDecision:
    """The side of one knee.

    Parameters
    ----------
    radiograph
        The radiograph, with the side that header or file name gave.
    crop_image
        [1, 256, 256] in [-1, 1], the knee as it lies on the radiograph (not mirrored).
    user_side
        "auto", "left" or "right".

    Returns
    -------
    The user's side, else the header's, else the file name's, else the picture's, else right with a warning.
    Raises InputError when the user contradicts a header that states the side.
    """
    if user_side not in ("auto", "left", "right"):
        raise InputError(
            f"The side cannot be {user_side!r}.", code="bad-option", hint="Choose auto, left or right.", field="side"
        )
    known, source = radiograph.side, radiograph.side_source
    warnings: list[str] = []
    if user_side != "auto":
        if known is not None and known != user_side and source == "header":
            _check_user(user_side, known, radiograph.record.get("side_evidence"))
            warnings.append(f"The header describes a {known} knee; the chosen side, {user_side}, was used.")
        known, source = user_side, "user"
    left = _left_probability(crop_image)
    if known is not None:
        seen = "left" if left is not None and left > 0.5 else "right"
        if left is not None and seen != known and max(left, 1 - left) >= _CONTRADICTION:
            sentence = (
                f"The knee looks like a {seen} knee but was processed as a {known} one ({source}). "
                "Check whether the radiograph is mirrored or the side is wrong."
            )
            warnings.append(Notice(sentence, field="side"))
        return SideDecision(known, source, _CONFIDENCE.get(source, 0.9), warnings)
    if left is None:
        warnings.append(Notice("The side of the knee is unknown; right was assumed. Choose the side.", field="side"))
        return SideDecision("right", "assumed", 0.5, warnings)
    side, confidence = ("left", left) if left > 0.5 else ("right", 1 - left)
    if confidence < _SURE:
        sentence = f"The side of the knee is uncertain on this radiograph; {side} was assumed. Choose the side."
        warnings.append(Notice(sentence, field="side"))
    return SideDecision(side, "image", float(confidence), warnings)


def _check_user(user_side: str, known: str, tag: str | None) -> None:
    if tag in EXPLICIT_FIELDS:
        raise InputError(
            f"The header of the radiograph says {known} ({tag}), but the chosen side is {user_side}.",
            code="side-against-header",
            hint="Choose auto to use the header's side, or have the header corrected.",
            field="side",
        )


def _left_probability(crop_image: np.ndarray) -> float | None:
    """Probability of a left knee by the radiograph-check network; None where that network is not installed."""
    try:
        from .view_check import left_probability

        return float(left_probability(crop_image))
    except (ImportError, ProcessingError):
        return None
