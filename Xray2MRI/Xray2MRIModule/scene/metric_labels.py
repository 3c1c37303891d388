"""Names of the measures of a comparison and of the control volumes, as the user reads them.

The order is the reading order: edges first, then grey levels, then the measures of the paper, which must not be read
alone.
"""

from __future__ import annotations

from ..translation import tr as _

# measures of each slice
METRICS = {
    "edge_mm": _("Edge distance (mm)"),
    "f1": _("Edge F1"),
    "ssim": "SSIM",
    "psnr_db": _("PSNR (dB)"),
    "rssim": "RSSIM",
    "correlation": _("Slice correlation"),
    "correlation_reference": _("Slice correlation, real MRI"),
}

# measures of the whole volume, medians over its slices
SUMMARY_MEASURES = {
    "edge_mm": METRICS["edge_mm"],
    "f1": METRICS["f1"],
    "ssim": METRICS["ssim"],
    "ssim_joint": _("SSIM at the joint"),
    "psnr_db": METRICS["psnr_db"],
    "psnr_joint_db": _("PSNR at the joint (dB)"),
    "rssim": METRICS["rssim"],
    "correlation": METRICS["correlation"],
    "correlation_in_leg": _("Slice correlation in the leg"),
    "paper_psnr_db_artefact": _("8-bit PSNR (dB), artefact"),
}

VOLUMES = {
    "pseudo": _("pseudo-MRI"),
    "other knee": _("another knee"),
    "training mean": _("mean training knee"),
    "shuffled pairing": _("pseudo-MRI against another knee"),
    "constant 10 %": _("uniform grey"),
    "blank": _("empty volume"),
    "reference": _("real MRI"),
}


def in_reading_order(names: list[str], known: dict[str, str]) -> list[str]:
    """Known names in their order, then the others."""
    return [name for name in known if name in names] + [name for name in names if name not in known]


def measure_text(name: str, value: float | None) -> str:
    """A value with the meaningful decimals of its measure; a dash if it is undefined."""
    if value is None:
        return "–"
    return f"{value:.{2 if name.endswith('mm') else 1 if '_db' in name else 3}f}"
