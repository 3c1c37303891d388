"""From stored values of a DICOM image to the grey levels that it is displayed with (PS3.3 C.11.1 and C.11.2)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .display_window import apply_window, first_number, first_window
from .lookup_table import first_table

_LEAST_WITHIN = 0.1  # share of pixels between black and white; less means that the window hides the picture


class GreyLevels(NamedTuple):
    """Grey levels [H, W], what display step was applied (None for none), and sentences about steps left out."""

    pixels: np.ndarray
    display: dict[str, Any] | None
    warnings: list[str]


def displayed(stored: np.ndarray, padding: np.ndarray | None, dataset: Any) -> GreyLevels:
    """Modality table or rescale, then display table or window.

    A step that cannot be used, or that hides the picture, is left out with a sentence. ``padding`` [H, W] does not
    count.
    """
    values, warnings = _rescaled(stored, dataset)
    window = first_window(dataset)
    table = first_table(dataset, "VOILUTSequence", values)
    if table is None and "VOILUTSequence" in dataset and dataset.VOILUTSequence:
        warnings.append("The display table in the header is incomplete; it was not used.")
    applied: dict[str, Any]
    if table is not None:
        shown, applied = table.apply(values), {"kind": "table"}
    elif window is not None:
        shown, applied = apply_window(values, window), {"kind": window.function.lower(), "window": list(window[:2])}
    else:
        return GreyLevels(values, None, warnings)
    visible = shown if padding is None else shown[~padding]
    within = np.mean((visible > visible.min()) & (visible < visible.max()))
    if within < _LEAST_WITHIN and len(np.unique(values[::7, ::7])) > 8:
        kind = "window" if table is None else "table"
        warnings.append(f"The display {kind} in the header hides the image; it was not used.")
        return GreyLevels(values, None, warnings)
    return GreyLevels(shown, applied, warnings)


def _rescaled(stored: np.ndarray, dataset: Any) -> tuple[np.ndarray, list[str]]:
    """Values after ModalityLUTSequence, or RescaleSlope and RescaleIntercept."""
    if dataset.get("ModalityLUTSequence"):
        table = first_table(dataset, "ModalityLUTSequence", stored)
        if table is not None:
            return table.apply(stored), []
        return stored, ["The modality table in the header is incomplete; it was not used."]
    slope, intercept = (first_number(dataset.get(keyword)) for keyword in ("RescaleSlope", "RescaleIntercept"))
    present = any(dataset.get(keyword) not in (None, "") for keyword in ("RescaleSlope", "RescaleIntercept"))
    slope, intercept = 1.0 if slope is None else slope, 0.0 if intercept is None else intercept
    if not np.isfinite([slope, intercept]).all() or slope == 0:
        return stored, ["The rescale slope or intercept in the header is useless; it was not used."]
    return (stored * slope + intercept if present else stored), []
