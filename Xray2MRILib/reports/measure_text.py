"""Values and directions of measures as text: the same decimals and the same words on every page."""

from __future__ import annotations

import math
from typing import Any, TypeGuard

from ..comparison.evaluation import MEASURES, PSEUDO, REFERENCE
from ..metrics.metric_names import ARTEFACT, METRIC_NAMES

UNDEFINED = "–"
_DIGITS = {"psnr_db": 1, "psnr_joint_db": 1, ARTEFACT: 1, "rssim": 3}
_VOLUME_NAMES = {PSEUDO: "pseudo-MRI", REFERENCE: "real MRI"}


def is_defined(value: Any) -> TypeGuard[float]:
    """Whether there is a finite number."""
    return isinstance(value, (int, float)) and math.isfinite(value)


def number_text(value: Any, measure: str = "", sign: str = "") -> str:
    """The value in the decimals that mean something (two by default), a dash for anything else than a finite number.

    ``sign`` is "+" where a plus sign is wanted.
    """
    return f"{value:{sign}.{_DIGITS.get(measure, 2)}f}" if is_defined(value) else UNDEFINED


def direction(measure: str) -> str:
    """How a measure is to be read; empty for one that is neither better high nor low."""
    if measure == ARTEFACT:
        return "not a similarity measure"
    if measure == "rssim":
        return "an empty volume scores highest"
    if measure not in MEASURES:
        return ""
    return "higher is closer" if MEASURES[measure] else "lower is closer"


def metric_label(measure: str) -> str:
    """The measure's name with its unit and remark; a readable key for one that has no name."""
    return METRIC_NAMES[measure].label if measure in METRIC_NAMES else measure.replace("_", " ")


def volume_label(name: str) -> str:
    """What a column of a table is called on a page; a percent sign stays on the line of its number."""
    return _VOLUME_NAMES.get(name, name.replace("_", " ")).replace(" %", "\N{NO-BREAK SPACE}%")
