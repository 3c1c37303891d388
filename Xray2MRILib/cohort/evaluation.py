"""The measures of a comparison with a real MRI that the table of a cohort shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MEASURES = ("edge_mm", "f1", "ssim", "psnr_db")
_CONTROL = "other knee"


def evaluation_measures(result: Mapping[str, Any]) -> dict[str, Any]:
    """Medians over slices of a result of ``comparison.compare``, of the pseudo-MRI and of the control "other knee"."""
    from ..volume.provenance import plain

    found: dict[str, Any] = {}
    for measure in MEASURES:
        medians = result["summary"].get(measure, {})
        found[f"mri_{measure}"] = _rounded(medians.get("pseudo"))
        found[f"mri_{measure}_other_knee"] = _rounded(medians.get(_CONTROL))
    return plain(found)


def _rounded(value: Any) -> float | None:
    return None if value is None or value != value else round(float(value), 4)
