"""Turn a radiograph upright when its file says how it lies: image left towards the patient's right, top towards the
head."""

from __future__ import annotations

import numpy as np

_OPPOSITE = {"L": "R", "R": "L", "A": "P", "P": "A", "H": "F", "F": "H"}
NOT_FRONTAL = "According to the file this is not a frontal radiograph."


def steps_to_upright(across: str, down: str) -> list[str] | None:
    """Steps that make rows run towards the patient's left and columns towards the feet.

    Parameters
    ----------
    across, down
        Patient direction (L, R, A, P, H, F) in which the column index and the row index grow.

    Returns
    -------
    Any of "transpose", "mirror" and "upside down", in that order; empty for an upright radiograph, None for one that is
    not frontal. A picture in the axial plane by convention (no orientation is known) counts as upright.
    """
    if "L" in (across, down) or "R" in (across, down):
        across, down = ({"P": "F", "A": "H"}.get(letter, letter) for letter in (across, down))
    steps = []
    if down in ("L", "R") and across in ("H", "F"):
        across, down = down, across
        steps.append("transpose")
    if across not in ("L", "R") or down not in ("H", "F"):
        return None
    if across == "R":
        steps.append("mirror")
    if down == "H":
        steps.append("upside down")
    return steps


def turned(array: np.ndarray, steps: list[str]) -> np.ndarray:
    """The array [H, W] after the steps."""
    for step in steps:
        array = {"transpose": array.T, "mirror": array[:, ::-1], "upside down": array[::-1]}[step]
    return np.ascontiguousarray(array)


def direction_letter(vector: tuple[float, ...]) -> str:
    """The patient direction that a vector in LPS millimetres follows most closely."""
    axis = int(np.argmax(np.abs(vector)))
    letter = "LPH"[axis]
    return letter if vector[axis] >= 0 else _OPPOSITE[letter]
