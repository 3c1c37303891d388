"""The report of a comparison: one page that stands alone and opens with the verdict in words."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from ..comparison.controls import BLANK, CONSTANT, MEAN, OTHER, SHUFFLED
from ..comparison.evaluation import MEASURES, PSEUDO, REFERENCE
from ..comparison.verdict import gains
from ..metrics.adjacent_correlation import LAGS
from ..volume import geometry
from ..volume.provenance import notice, without_identifiers
from .line_chart import Curve, line_chart
from .report_wording import HEADINGS, HOW_TO_READ, MEASURE_NAMES, STYLE
from .slice_pictures import evenly_chosen, grey, grid, one_sided, signed, with_region

if TYPE_CHECKING:
    from ..comparison.compare import Comparison
    from ..comparison.evaluation import Evaluation

_COLOURS = {PSEUDO: "#0b6e4f", OTHER: "#c4591a", MEAN: "#7a5ea8", BLANK: "#8a8f98", REFERENCE: "#222"}
_PICTURED_SLICES = 5
_ACROSS = "front  ←  mm from the middle of the volume  →  back"
_HONEST = 1.2  # error over standard deviation that still counts as agreement
_COLUMN_NAMES = {PSEUDO: "pseudo-MRI"}
_DIGITS = {"edge_mm": 2, "psnr_db": 1, "psnr_joint_db": 1, "paper_psnr_db_artefact": 1}


def report_html(comparison: Comparison) -> str:
    """The page; it names neither file nor patient."""
    result, evaluation = comparison.result, comparison.evaluation
    warnings = "".join(f"<li>{escape(text)}</li>" for text in result["warnings"])
    parts = [
        f"<p class='notice'>{escape(notice())}</p>",
        _verdict(result["verdict"], _tone(evaluation)),
        f"<section class='warnings'><h2>Before you read on</h2><ul>{warnings}</ul></section>" if warnings else "",
        "<h2>The pseudo-MRI beside volumes that know nothing of this knee</h2>",
        _medians(evaluation),
        _table(evaluation),
        _remarks(evaluation),
        "<h2>Slices</h2>",
        _pictures(comparison),
        "<h2>Slice by slice, from front to back</h2>",
        _per_slice_charts(comparison),
        "<h2>How alike neighbouring slices are</h2>",
        _lag_chart(evaluation),
        _calibration(evaluation, "deviation_sampling" in (comparison.volume.provenance.get("sampling") or {})),
        "<h2>How it was made</h2>",
        _details(comparison),
        HOW_TO_READ,
    ]
    return (
        "<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>Pseudo-MRI beside a real MRI</title><style>{STYLE}</style></head><body><main>"
        f"<h1>Pseudo-MRI beside its reference</h1>{''.join(parts)}</main></body></html>\n"
    )


def _verdict(text: str, tone: str) -> str:
    """The first sentence large, the others one below the other."""
    first, *others = re.split(r"(?<=[.]) (?=[A-Z])", text)
    rest = "".join(f"<li>{escape(sentence)}</li>" for sentence in others)
    return f"<section class='verdict {tone}'><h2>Verdict</h2><p>{escape(first)}</p><ul>{rest}</ul></section>"


def _tone(evaluation: Evaluation) -> str:
    """Colour of the verdict: closer than another knee by its outlines, or not."""
    signs = gains(evaluation, OTHER)
    return "closer" if max(signs.get("edge_mm", 0), signs.get("f1", 0)) > 0 else "not-closer"


def _shown(value: float, measure: str) -> str:
    return "–" if value != value else f"{value:.{_DIGITS.get(measure, 2)}f}"


def _table(evaluation: Evaluation) -> str:
    """Measures down, volumes across; a control that is at least as close as the pseudo-MRI is marked."""
    names = [name for name in (PSEUDO, OTHER, SHUFFLED, MEAN, BLANK, CONSTANT) if name in evaluation.summary["edge_mm"]]
    head = "".join(f"<th>{escape(_COLUMN_NAMES.get(name, name))}</th>" for name in names)
    rows = []
    for measure, higher in MEASURES.items():
        values = evaluation.summary[measure]
        own = values[PSEUDO].median
        # what is undefined for all, for the reference's sake, is told once
        missing_everywhere = len({values[name].undefined for name in names if name != SHUFFLED}) == 1
        cells = []
        for name in names:
            median = values[name].median
            beaten = name not in (PSEUDO, SHUFFLED) and (median >= own if higher else median <= own)
            kind = "own" if name == PSEUDO else "beaten" if beaten else ""
            spread = values[name]
            detail = f"<small>{_shown(spread.lower_quartile, measure)}–{_shown(spread.upper_quartile, measure)}</small>"
            told = spread.undefined and not (missing_everywhere and name != SHUFFLED)
            missing = f"<small>{spread.undefined} of {spread.slices} undefined</small>" if told else ""
            cells.append(f"<td class='{kind}'>{_shown(median, measure)}{detail}{missing}</td>")
        arrow = "higher is closer" if higher else "lower is closer"
        if "artefact" in measure:
            arrow = "no measure of closeness"
        gaps = values[PSEUDO]
        if missing_everywhere and gaps.undefined:
            arrow += f"; undefined in {gaps.undefined} of {gaps.slices} slices"
        kind = " class='artefact'" if "artefact" in measure else ""
        rows.append(f"<tr{kind}><th>{MEASURE_NAMES[measure]}<small>{arrow}</small></th>{''.join(cells)}</tr>")
    return (
        f"<div class='wide'><table><thead><tr><th></th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
        "<p class='legend'><span><i class='swatch'></i>a volume that knows nothing of this knee does at least as well"
        "</span></p>"
    )


def _medians(evaluation: Evaluation) -> str:
    return (
        f"<p class='small'>Large: median over the {len(evaluation.image)} slices; small: first and third quartile. "
        "A figure means something only beside those to its right.</p>"
    )


def _remarks(evaluation: Evaluation) -> str:
    """Medians, what was undefined, how many knees are farther."""
    valid = evaluation.target.region.valid
    texts = [
        f"A joint line was found in {valid.sum()} of {valid.size} slices of the reference; "
        "elsewhere RSSIM is undefined.",
    ]
    if evaluation.target.region.box is None:
        texts.append("Without any joint line the edges are measured in a nominal box.")
    count = evaluation.closer_than.get("edge_mm", (0, 0))[1]
    if count > 1:
        ranks = ", ".join(
            f"{words} {evaluation.closer_than[measure][0]}"
            for measure, words in (("edge_mm", "by edge distance"), ("f1", "by edge F1"), ("ssim", "by SSIM"))
            if measure in evaluation.closer_than
        )
        texts.append(f"Of {count} other knees, the pseudo-MRI is closer to the reference than: {ranks}.")
    controls = "; ".join(f"{escape(control.name)}: {escape(control.description)}" for control in evaluation.controls)
    texts.append(
        f"Controls: {controls}; {SHUFFLED}: the pseudo-MRI against the other knee as if that were its reference."
    )
    return f"<p class='small'>{' '.join(texts)}</p>"


def _pictures(comparison: Comparison) -> str:
    evaluation = comparison.evaluation
    target, difference = evaluation.target, evaluation.difference
    chosen = evenly_chosen(target.region.valid, _PICTURED_SLICES)
    rows = [
        [with_region(grey(target.volume[k]), target.region.rows[k], target.box) for k in chosen],
        [grey(evaluation.image[k]) for k in chosen],
        [signed(difference[k]) for k in chosen],
        [one_sided(difference[k]) for k in chosen],
    ]
    place = [geometry.depth_to_mm(float(comparison.volume.depth_positions[k])) for k in chosen]
    captions = "".join(
        f"<span>slice {k}, {abs(y):.0f} mm {'posterior' if y > 0 else 'anterior'}</span>"
        for k, y in zip(chosen, place, strict=True)
    )
    labels = "".join(f"<span>{text}</span>" for text in HEADINGS)
    side = "The patient's right is at the left of each picture. Yellow corners: joint box; green ticks: rows of RSSIM."
    return f"<p class='small'>{side}</p>" + (
        f"<div class='pictures'><div class='labels'>{labels}</div><div><img src='{grid(rows)}' alt='Slices of the "
        f"reference, the pseudo-MRI and their differences'><div class='captions'>{captions}</div></div></div>"
    )


def _per_slice_charts(comparison: Comparison) -> str:
    evaluation = comparison.evaluation
    places = [geometry.depth_to_mm(float(u)) for u in comparison.volume.depth_positions]
    rival = next((name for name in evaluation.per_slice if name.startswith(OTHER)), None)
    charts = []
    for measure, rivals in (
        ("edge_mm", (rival,)),
        ("f1", (rival,)),
        ("ssim", (rival, MEAN)),
        ("rssim", (rival, BLANK)),
    ):
        names = [PSEUDO, *(name for name in rivals if name in evaluation.per_slice)]
        curves = [
            Curve(
                _COLUMN_NAMES.get(name, name),
                places,
                evaluation.per_slice[name][measure].tolist(),
                _COLOURS.get(name, _COLOURS[OTHER]),
                dashed=name != PSEUDO,
            )
            for name in names
        ]
        charts.append(line_chart(MEASURE_NAMES[measure], _ACROSS, curves, floor=0.0))
    return f"<div class='charts'>{''.join(f'<div>{chart}</div>' for chart in charts if chart)}</div>"


def _lag_chart(evaluation: Evaluation) -> str:
    charts = []
    for title, ending in (("Correlation over whole slices", ""), ("Correlation within the leg", " in leg")):
        curves = [
            Curve(
                _COLUMN_NAMES.get(name, name), list(found), list(found.values()), _COLOURS[name], name != PSEUDO, True
            )
            for name in (PSEUDO, REFERENCE)
            for found in [evaluation.lags[f"{name}{ending}"]]
        ]
        charts.append(line_chart(title, "slices apart", curves, ceiling=1.0, ticks=LAGS))
    text = (
        "<p>The nearer the two curves, the better. Higher is <em>not</em> better: interpolated slices are more alike "
        "than real ones, equal slices alike altogether. Compare volumes with the same number of slices only.</p>"
    )
    return f"{text}<div class='charts'>{''.join(f'<div>{chart}</div>' for chart in charts if chart)}</div>"


def _calibration(evaluation: Evaluation, sampled_otherwise: bool = False) -> str:
    """Chart and words; ``sampled_otherwise`` when the samples were not made as the volume was."""
    found = evaluation.calibration
    if found is None:
        return ""
    if not np.isfinite((found.spearman, found.ratio)).all():
        return "<p class='small'>The standard deviation over seeds or the error is the same everywhere; whether one " \
               "predicts the other cannot be said.</p>"  # fmt: skip
    curve = Curve(
        "a tenth of the voxels each, by standard deviation",
        found.predicted.tolist(),
        found.observed.tolist(),
        _COLOURS[PSEUDO],
        dots=True,
    )
    chart = line_chart("Error (root mean square) by standard deviation", "standard deviation over seeds", [curve],
                       diagonal=True)  # fmt: skip
    sense = "the model is about as sure as it should be"
    if not 1 / _HONEST < found.ratio < _HONEST:
        sense = f"the model is {'surer than it should be' if found.ratio > 1 else 'less sure than it could be'}"
    if sampled_otherwise:
        sense += " (the samples were drawn without guidance and with all noise, unlike the volume)"
    return (
        "<h2>Does the standard deviation over seeds predict the error?</h2>"
        f"<p>Rank correlation over voxels of the leg (Spearman): <strong>{found.spearman:.2f}</strong>. The error is "
        f"{found.ratio:.1f} times the standard deviation: {sense}. On the dotted diagonal both agree; "
        "above it the error is larger than the spread over seeds admits. Grey values from 0 to 1.</p>"
        f"<div class='charts'><div>{chart}</div></div>"
    )


def _details(comparison: Comparison) -> str:
    result, record = comparison.result, without_identifiers(comparison.volume.provenance)
    matrix = comparison.alignment.matrix
    scale = float(np.cbrt(np.linalg.det(matrix[:3, :3])))
    turn = float(np.degrees(np.arccos(np.clip((np.trace(matrix[:3, :3]) / scale - 1) / 2, -1, 1))))
    native = comparison.reference.image
    model, sampling = record.get("model") or {}, record.get("sampling") or {}
    box = result["joint_box"]
    rows: list[tuple[str, Any]] = [
        ("pseudo-MRI", f"model {model.get('name', 'unknown')}, {comparison.volume.num_slices} slices, seed "
                       f"{sampling.get('seed', sampling.get('seeds', 'unknown'))}, {comparison.volume.side} knee, made "
                       f"{record.get('created_utc', 'at an unknown time')}"),
        ("reference", f"{' x '.join(map(str, native.GetSize()))} voxels of "
                      f"{' x '.join(f'{step:.2f}' for step in native.GetSpacing())} mm; covers "
                      f"{result['covered_share']:.0%} of the pseudo-MRI"),
        ("alignment", f"reference turned by {turn:.1f} degrees and scaled by {scale:.3f}; 4 x 4 matrix (LPS, mm): "
                      + "; ".join(" ".join(f"{v:.3f}" for v in line) for line in matrix)),
        ("grey values", "reference: percentiles 0.5 and 99.5 of the volume to 0 and 1; pseudo-MRI as it was written"),
        ("joint box", f"rows {box[0]} to {box[1]}, columns {box[2]} to {box[3]}, from the reference alone"
                      + ("; bone is brighter than the joint line" if result["bright_bone"] else "")),
        ("compared", result["created_utc"]),
    ]  # fmt: skip
    cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in rows)
    return f"<table class='details'>{cells}</table>"
