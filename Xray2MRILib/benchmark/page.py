"""The benchmark as one page that stands alone: verdict, table, pictures, box plots, correlation curves, budgets."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from ..comparison.evaluation import MEASURES
from ..reports.box_plot import box_plot
from ..reports.line_chart import Curve, line_chart
from ..reports.report_page import STYLE
from ..volume.provenance import notice
from .density_curves import INTERPOLATED, REFERENCE
from .findings import verdict
from .number_tables import NAMES, medians_table, sense, tests_table
from .picture_table import picture_table
from .runner import BLANK, CONSTANT, BenchmarkResult

_COLOURS = (
    "#0b6e4f",
    "#c4591a",
    "#1f6fb4",
    "#7a5ea8",
    "#b3261e",
    "#7d6608",
    "#00838f",
    "#5d4037",
    "#9e9d24",
    "#ad1457",
)
_EXTRA = """
.legend{margin:2px 0 12px}.legend span{margin-right:16px;font-size:13px}
.legend i{display:inline-block;width:24px;margin-right:5px;vertical-align:middle}
.legend b{display:inline-block;width:9px;height:9px;border-radius:50%;margin-right:5px;vertical-align:-1px}
td.best{font-weight:700}td.best small{font-weight:400}.quiet td{color:#5f6670}
.wide{overflow-x:auto}.wide th,.wide td{vertical-align:top}td small,th small{display:block;font-size:11.5px;
font-weight:400;color:#5f6670;white-space:nowrap}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr));gap:14px}
svg.chart{width:100%;max-width:600px;height:auto}svg .grid{stroke:#e3e6ea}svg .mark{stroke:#9aa2ad}
.tiles{display:flex;flex-wrap:wrap;gap:10px}.tiles figure{margin:0;width:170px}.tiles img{width:100%}
.tiles figcaption{min-height:38px;display:flex;align-items:flex-end;color:#1c1e21;line-height:1.2;padding-bottom:3px}
b.adds{color:#d55e00}b.lacks{color:#005ab5}
@media (max-width:760px){.tiles figure{width:calc(33.3% - 7px)}.numbers{font-size:12px}th,td{padding:3px 5px}
td small,th small{font-size:10.5px}}
"""


def write_page(result: BenchmarkResult, found: dict[str, Any], path: Path) -> Path:
    """Write the page; it appears complete or not at all."""
    methods = list(result.plan.models)
    quiet = frozenset(column for column in result.scores if column not in methods)
    parts = [
        f"<p class='notice'>{escape(notice())}</p><h1>Methods on held-out simulated knees</h1>",
        "".join(f"<p class='verdict'>{escape(sentence)}</p>" for sentence in verdict(result, found)),
        f"<p>{_circumstances(result, found)}</p>",
        "<h2>Medians over knees with 95 % intervals</h2>", medians_table(found, methods),
        "<h2>Differences on the same knees</h2>", tests_table(found),
        "<h2>Pictures</h2>", picture_table(result),
        "<h2>Spread over knees</h2>", _boxes(result, quiet),
        "<h2>How alike neighbouring slices are, against the number of slices</h2>", _correlations(result),
        "<h2>Is a volume closer to its own knee?</h2>", _specificity(found),
        "<h2>Training</h2>", _budgets(found),
    ]  # fmt: skip
    html = (
        "<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        "<title>Benchmark of pseudo-MRI methods</title>"
        f"<style>{STYLE}{_EXTRA}</style></head><body>{''.join(parts)}</body></html>\n"
    )
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(html, encoding="utf-8")
    temporary.replace(path)
    return path


def _circumstances(result: BenchmarkResult, found: dict[str, Any]) -> str:
    settings = found["settings"]
    p = "the simulated grade, smeared" if settings["grades"] == "truth" else "the shipped classifier"
    gaps, slices = sum(result.without_region), len(result.knees) * settings["slices"]
    steps = f"{settings['steps']} denoising step{'s' * (settings['steps'] > 1)}"
    return escape(
        f"{found['knees']} knees that no method was trained on, {settings['slices']} slices each, {steps}, one seed "
        f"({settings['seed']}); grade probabilities from {p}. Volumes are compared in the frame of the radiograph, "
        "unregistered. A knee's figure is the median over its slices, intervals come from resampling knees. "
        f"{gaps} of {slices} slices of the references show no joint line; RSSIM is undefined there and left out. The "
        "knees are simulated: what is true of them need not be of patients."
    )


def _boxes(result: BenchmarkResult, quiet: frozenset[str]) -> str:
    plots = []
    for measure in MEASURES:
        columns = {name: values[measure] for name, values in result.scores.items()}
        if measure in ("edge_mm", "f1"):  # by definition 10 mm and 0, which would press the others together
            columns = {name: values for name, values in columns.items() if name not in (BLANK, CONSTANT)}
        plots.append(box_plot(f"{NAMES[measure]} ({sense(measure)})", columns, quiet))
    words = (
        "<p>Box: quartiles and median over knees; lines to the last knee within 1.5 boxes; circles: knees beyond. "
        "Empty volumes have an edge distance of 10 mm and an edge F1 of 0 and are left out there.</p>"
    )
    return f"{words}<div class='charts'>{''.join(f'<div>{plot}</div>' for plot in plots if plot)}</div>"


def _correlations(result: BenchmarkResult) -> str:
    charts = []
    for where, found in (("whole slices", result.correlation), ("within the leg", result.correlation_in_leg)):
        curves = []
        for place, (name, curve) in enumerate(found.items()):
            colour = (
                "#222" if name == REFERENCE else "#8a8f98" if name == INTERPOLATED else _COLOURS[place % len(_COLOURS)]
            )
            values = [float(np.nanmean(values)) for values in curve.values()]
            curves.append(Curve(name, list(curve), values, colour, dashed=name == INTERPOLATED, dots=True))
        if curves:
            charts.append(line_chart(f"Adjacent-slice correlation, {where}", "number of slices", curves, ceiling=1.0,
                                     ticks=sorted({d for curve in found.values() for d in curve})))  # fmt: skip
    if not charts:
        return "<p>Not measured in this run.</p>"
    knees = min(result.plan.density_knees, len(result.knees))
    return (
        f"<p>Mean over {knees} knee{'s' * (knees > 1)}. The reference has 50 slices and no others. Compare equal "
        "numbers of slices only; higher than the reference is not better: interpolated slices are alike.</p>"
        f"<div class='charts'>{''.join(f'<div>{chart}</div>' for chart in charts)}</div>"
    )


def _specificity(found: dict[str, Any]) -> str:
    if not found["specificity"]:
        return "<p>Not measured: it takes two knees.</p>"
    count = next(iter(found["specificity"].values()))["pairs"]
    lines = [f"<p>Every volume against the references of {count} knees, by edge distance: a method that ignores the "
             "radiograph reaches chance.</p><table class='numbers'><tr><th></th>"
             "<th>own reference is the closest of all</th><th>own closer than another one (AUC)</th></tr>"]  # fmt: skip
    for title, value in found["specificity"].items():
        low, high = value["auc_interval"]
        lines.append(
            f"<tr><td>{escape(title)}</td><td>{value['rank_1']:.0%}, chance {1 / value['pairs']:.0%}</td>"
            f"<td>{value['auc']:.2f} <small>({low:.2f} to {high:.2f})</small>, chance 0.5</td></tr>"
        )
    return "".join(lines) + "</table>"


def _budgets(found: dict[str, Any]) -> str:
    heading = {"preset": "preset", "steps": "training steps", "per_step": "slices per step",
               "learning_rate": "learning rate", "variants": "variants of a knee",
               "slice_size": "rows of a slice", "sampling": "sampling"}  # fmt: skip
    heads = "".join(f"<th>{words}</th>" for words in (*heading.values(), "seconds per volume"))
    lines = [f"<div class='wide'><table class='numbers'><tr><th></th>{heads}</tr>"]
    budgets = found["training"]
    for title, entries in budgets.items():
        cells = "".join(f"<td>{'unknown' if entries[h] is None else entries[h]}</td>" for h in heading)
        lines.append(f"<tr><td>{escape(title)}</td>{cells}<td>{found['seconds_per_volume'][title]:.1f}</td></tr>")
    kinds = {tuple(entries[h] for h in ("steps", "per_step", "slice_size", "sampling")) for entries in budgets.values()}
    equal = (
        "All methods had the same number of steps, slices per step, resolution and sampling."
        if len(kinds) == 1
        else "Training budgets or sampling differ, so that the table compares models and not methods alone."
    )
    return "".join(lines) + f"</table></div><p>{equal}</p>"
