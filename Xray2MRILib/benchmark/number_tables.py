"""The benchmark's medians and its paired tests as tables of the page."""

from __future__ import annotations

from html import escape
from typing import Any

from ..comparison.evaluation import MEASURES

NAMES = {
    "edge_mm": "Edge distance, mm",
    "f1": "Edge F1 within 2 pixels",
    "psnr_db": "PSNR, dB",
    "ssim": "SSIM",
    "psnr_joint_db": "PSNR of the joint, dB",
    "ssim_joint": "SSIM of the joint",
    "rssim": "RSSIM (the paper's)",
    "paper_psnr_db_artefact": "8-bit “PSNR”, dB",
}
_ARTEFACT = "paper_psnr_db_artefact"
_DIGITS = {"psnr_db": 1, "psnr_joint_db": 1, _ARTEFACT: 1, "rssim": 3}
_TESTED = ("edge_mm", "f1", "ssim", "psnr_db", "rssim")


def medians_table(found: dict[str, Any], methods: list[str]) -> str:
    """Measures across, methods and controls down."""
    columns = list(found["measures"]["edge_mm"])
    lines = ["<div class='wide'><table class='numbers'><tr><th></th>"
             + "".join(_head(measure) for measure in MEASURES) + "</tr>"]  # fmt: skip
    for name in columns:
        cells = []
        for measure, higher in MEASURES.items():
            value = found["measures"][measure][name]
            medians = [found["measures"][measure][n]["median"] for n in methods]
            known = [m for m in medians if m is not None] if measure != _ARTEFACT else []
            best = name in methods and known and value["median"] == (max(known) if higher else min(known))
            cells.append(f"<td class='{'best' if best else ''}'>{_with_interval(value, measure, found['knees'])}</td>")
        quiet = "" if name in methods else " class='quiet'"
        lines.append(f"<tr{quiet}><td>{escape(name)}</td>{''.join(cells)}</tr>")
    return "".join(lines) + "</table></div><p>Bold: the best method of a column. Grey: controls, which know nothing "\
        "of the knee; a measure in which a control wins says nothing about the methods. The last column is no measure "\
        "of quality: differences and squares wrap in 8-bit arithmetic, which gives the 28 to 29 dB of the paper; two "\
        "pictures of noise reach 27.9 dB that way.</p>"  # fmt: skip


def _head(measure: str) -> str:
    return f"<th>{escape(NAMES[measure])}<small>{sense(measure)}</small></th>"


def sense(measure: str) -> str:
    """Which way a measure is to be read."""
    if measure == _ARTEFACT:
        return "an artefact"
    if measure == "rssim":
        return "won by an empty volume"
    return "higher is closer" if MEASURES[measure] else "lower is closer"


def _with_interval(value: dict[str, Any], measure: str, knees: int) -> str:
    if value["median"] is None:
        return "undefined"
    digits = _DIGITS.get(measure, 2)
    low, high = (f"{value[end]:.{digits}f}" for end in ("low", "high"))
    gaps = f"<small>{value['knees']} of {knees} knees</small>" if value["knees"] < knees else ""
    return f"{value['median']:.{digits}f}<small>{low} to {high}</small>{gaps}"


def tests_table(found: dict[str, Any]) -> str:
    """The first method against every other column on the same knees."""
    first, lines = found["first"], []
    for name in found["measures"]["edge_mm"]:
        if name == first:
            continue
        cells = []
        for measure in _TESTED:
            test, digits = found["measures"][measure][name]["first_against_it"], _DIGITS.get(measure, 2)
            if test["p_holm"] is None:
                cells.append("<td>undefined</td>")
                continue
            gap, low, high = (f"{test[k]:+.{digits}f}" for k in ("difference", "low", "high"))
            p = "&lt; 0.001" if test["p_holm"] < 0.001 else f"{test['p_holm']:.3f}"
            cells.append(f"<td class='{'best' if test['p_holm'] < 0.05 else ''}'>{gap}<small>{low} to {high}<br>closer "
                         f"on {test['closer_share']:.0%}, p {p}</small></td>")  # fmt: skip
        lines.append(f"<tr><td>{escape(name)}</td>{''.join(cells)}</tr>")
    if not lines:
        return "<p>There is nothing to test against.</p>"
    heads = "".join(_head(measure) for measure in _TESTED)
    return (
        f"<p>Median over knees of {escape(first)}'s figure less that of the row, with its 95 % interval; on how many "
        f"knees {escape(first)} is the closer one; p of Wilcoxon's signed-rank test, Holm's correction over the rows. "
        f"Bold: p below 0.05.</p><div class='wide'><table class='numbers'><tr><th>{escape(first)} less</th>{heads}</tr>"
        f"{''.join(lines)}</table></div>"
    )
