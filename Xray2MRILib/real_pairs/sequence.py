"""Which MR series is the one that the paper learnt from: coronal 3-D FLASH with water excitation.

In the OAI it is called COR_T1_3D_FLASH_RIGHT (or _LEFT): TR 20 ms, TE 7.57 ms, 12 degrees, 80 slices of 1.5 mm (Peterfy
et al. 2008). Descriptions are written by hand at every site, so the parameters have to fit as well.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..radiograph.laterality import side_from_words

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

# attribute -> lowest and highest value of this sequence, where the header says it
PARAMETERS = {"RepetitionTime": (14.0, 28.0), "EchoTime": (4.0, 12.0), "FlipAngle": (8.0, 25.0)}
_DESCRIPTIONS = ("SeriesDescription", "ProtocolName", "SequenceName")
_FLASH = re.compile(r"flash|\bfl3d|spgr|t1[\s_-]*ffe", re.IGNORECASE)
_CORONAL = re.compile(r"cor", re.IGNORECASE)
_OTHER_PLANE = re.compile(r"\b(sag|ax|tra|mpr)", re.IGNORECASE)


def description_of(header: Dataset) -> str:
    """The words with which a scanner describes a series."""
    return " ".join(str(header.get(name) or "") for name in _DESCRIPTIONS).replace("_", " ")


def is_coronal_flash(header: Dataset) -> bool:
    """Whether a header describes the coronal 3-D FLASH by its words and its parameters."""
    if str(header.get("Modality") or "MR") != "MR":
        return False
    words = description_of(header)
    named = bool(_FLASH.search(words) and _CORONAL.search(words) and not _OTHER_PLANE.search(words))
    return named and not parameter_fault(header)


def parameter_fault(header: Dataset) -> str | None:
    """What contradicts the sequence, as a clause behind "The MR series"; None when nothing does."""
    for name, (low, high) in PARAMETERS.items():
        value = _number(header.get(name))
        if value is not None and not low <= value <= high:
            return f"has a {name} of {value:.4g}, where the coronal 3-D FLASH has {low:g} to {high:g}"
    return None


def series_side(header: Dataset) -> str | None:
    """The side that the header of an MR series states, in a field of its own or in its description."""
    for name in ("ImageLaterality", "Laterality"):
        if side := side_from_words(str(header.get(name) or "")):
            return side
    return side_from_words(description_of(header))


def scan_parameters(header: Dataset) -> dict[str, float]:
    """Parameters of the scan for the pair's record: numbers that do not identify anybody."""
    names = (*PARAMETERS, "MagneticFieldStrength", "PixelBandwidth", "SliceThickness")
    found = {name: _number(header.get(name)) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
