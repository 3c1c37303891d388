"""The VOI window of DICOM PS3.3 C.11.2.1: which values of a radiograph are shown between black and white."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Window(NamedTuple):
    """Centre and width in the units of the rescaled values, and one of LINEAR, LINEAR_EXACT, SIGMOID."""

    centre: float
    width: float
    function: str = "LINEAR"


def first_window(dataset: Any) -> Window | None:
    """The first window of a DICOM data set, None when there is none that the standard allows."""
    centre, width = (first_number(dataset.get(keyword)) for keyword in ("WindowCenter", "WindowWidth"))
    function = str(dataset.get("VOILUTFunction") or "LINEAR").strip().upper()
    if centre is None or width is None or not np.isfinite([centre, width]).all():
        return None
    if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID") or width <= 0 or (function == "LINEAR" and width < 1):
        return None
    return Window(centre, width, function)


def apply_window(values: np.ndarray, window: Window) -> np.ndarray:
    """Values [H, W] through the window, as float32 in [0, 1] (equations of C.11.2.1.2.1, .3.1 and .3.2)."""
    values = values.astype(np.float64)
    if window.function == "SIGMOID":
        shown = 1.0 / (1.0 + np.exp(np.clip(-4.0 * (values - window.centre) / window.width, -700, 700)))
    elif window.function == "LINEAR_EXACT":
        shown = (values - window.centre) / window.width + 0.5
    elif window.width == 1:
        shown = (values > window.centre - 0.5).astype(np.float64)
    else:
        shown = (values - (window.centre - 0.5)) / (window.width - 1.0) + 0.5
    return np.clip(shown, 0.0, 1.0).astype(np.float32)


def first_number(value: Any) -> float | None:
    """A number, or the first of several; None for anything else."""
    if value is None or isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        values = [value]
    else:
        values = list(value)
    try:
        return float(values[0]) if values else None
    except (TypeError, ValueError):
        return None
