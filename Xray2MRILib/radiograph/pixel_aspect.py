"""Pixels that are not square: the detector's or scanner's rows are farther apart than its columns, or nearer."""

from __future__ import annotations

import math

_SQUARE = 1e-3  # relative; below, rounded numbers differ
_MOST = 4.0  # beyond, the file's numbers are mistaken


def accepted_aspect(aspect: float | None) -> tuple[float, list[str]]:
    """Height of a pixel divided by its width as it is used, and sentences for the user.

    Square pixels where the file does not say, or says what no radiograph has.
    """
    if aspect is None or not math.isfinite(aspect) or aspect <= 0:
        return 1.0, []
    if abs(math.log(aspect)) < _SQUARE:
        return 1.0, []
    if not 1 / _MOST <= aspect <= _MOST:
        sentence = f"The file states pixels {aspect:.3g} times as high as wide; they were taken as square."
        return 1.0, [sentence]
    return float(aspect), []
