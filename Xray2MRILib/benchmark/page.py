"""The benchmark as one page that stands alone: verdict, table, pictures, box plots, correlation curves, budgets."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from ..comparison.evaluation import MEASURES
from ..comparison.line_chart import Curve, line_chart
from ..comparison.slice_pictures import data_uri, grey, signed
from ..export.report_page import STYLE
from ..metrics.sobel_difference import signed_sobel_difference
from ..volume.provenance import notice
from .box_plot import box_plot
from .course import BenchmarkResult, stored_volume, volume_file
from .density_curves import INTERPOLATED, REFERENCE
from .held_out import chosen_files, depth_choice, held_out_knee

_NAMES = {
    "edge_mm": "edge distance in mm (lower is closer)",
    "f1": "boundary F1 at 2 px",
    "psnr_db": "PSNR in dB",
    "ssim": "SSIM",
    "psnr_joint_db": "PSNR at the joint in dB",
    "ssim_joint": "SSIM at the joint",
    "rssim": "RSSIM of the paper (won by an empty picture)",
    "paper_psnr_db_artefact": "artefact: “PSNR” in wrapping 8-bit arithmetic, no quality",
}
_PICTURED_GRADES = (0, 2, 4)
_COLOURS = ("#0b6e4f", "#c4591a", "#1f6fb4", "#7a5ea8", "#b3261e", "#7d6608", "#00838f", "#5d4037", "#9e9d24")
_EXTRA = ".legend span{margin-right:16px;font-size:13px}.legend i{display:inline-block;width:24px;margin-right:5px;" \
         "vertical-align:middle}td.best{font-weight:700}.quiet td{color:#777}"  # fmt: skip


def write_page(result: BenchmarkResult, found: dict[str, Any], path: Path) -> Path:
    """Write the page; it appears complete or not at all."""
    methods = list(result.plan.models)
    quiet = frozenset(column for column in result.scores if column not in methods)
    parts = [
        f"<p class='notice'>{escape(notice())}</p><h1>Methods on held-out simulated knees</h1>",
        "".join(f"<p class='verdict'>{escape(sentence)}</p>" for sentence in verdict(result, found)),
        f"<p>{_circumstances(result, found)}</p>",
        "<h2>Medians over knees with 95 % intervals</h2>", _table(found, methods),
        "<h2>Pictures</h2>", _pictures(result),
        "<h2>Spread over knees</h2>",
        "".join(
            box_plot(_NAMES[measure], {name: values[measure] for name, values in result.scores.items()}, quiet)
            for measure in MEASURES
        ),
        "<h2>How alike neighbouring slices are, against the number of slices</h2>", _correlations(result),
        "<h2>Is a volume closer to its own knee?</h2>", _specificity(found),
        "<h2>Training</h2>", _budgets(found),
    ]  # fmt: skip
    html = (
        "<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'><title>Benchmark of pseudo-MRI methods</title>"
        f"<style>{STYLE}{_EXTRA}</style></head><body>{''.join(parts)}</body></html>\n"
    )
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(html, encoding="utf-8")
    temporary.replace(path)
    return path


def verdict(result: BenchmarkResult, found: dict[str, Any]) -> list[str]:
    """What the figures say, in sentences: the order of the methods, what is significant, what the controls reach."""
    edges = found["measures"]["edge_mm"]
    methods = [name for name in result.plan.models if edges[name]["median"] is not None]
    if not methods:
        return ["No method could be measured."]
    order = sorted(methods, key=lambda name: edges[name]["median"])
    sentences = [
        "By edge distance at the joint, closest first: "
        + "; ".join(f"{name} {edges[name]['median']:.2f} mm" for name in order)
        + "."
    ]
    first = found["first"]
    compared = [(name, value["first_against_it"]) for name, value in edges.items() if name != first]
    for sign, words in ((-1, "closer than"), (1, "farther than")):
        named = [n for n, test in compared if test["p_holm"] is not None and test["p_holm"] < 0.05
                 and test["difference"] * sign > 0]  # fmt: skip
        if named:
            sentences.append(f"{first} is {words} {', '.join(named)} (Wilcoxon's test, Holm's correction, p < 0.05).")
    open_ones = [n for n, test in compared if test["p_holm"] is None or test["p_holm"] >= 0.05]
    if open_ones:
        sentences.append(f"Not settled on {found['knees']} knees: {first} against {', '.join(open_ones)}.")
    controls = [name for name in edges if name not in result.plan.models and edges[name]["median"] is not None]
    if controls:
        best = min(controls, key=lambda name: edges[name]["median"])
        beaten = [name for name in methods if edges[name]["median"] >= edges[best]["median"]]
        sentences.append(
            f"The best control, {best}, reaches {edges[best]['median']:.2f} mm"
            + (f"; {', '.join(beaten)} {'is' if len(beaten) == 1 else 'are'} no better." if beaten else ".")
        )
    return sentences


def _circumstances(result: BenchmarkResult, found: dict[str, Any]) -> str:
    settings = found["settings"]
    p = "the simulated grade, smeared" if settings["grades"] == "truth" else "the shipped classifier"
    steps = f"{settings['steps']} denoising step{'s' * (settings['steps'] > 1)}"
    return escape(
        f"{found['knees']} knees that no method was trained on, {settings['slices']} slices each, {steps}, one seed "
        f"({settings['seed']}); grade probabilities from {p}. Volumes are compared in the frame of the film without "
        "any alignment. A knee's figure is the median over its slices, intervals come from resampling knees. The knees "
        "are simulated: what is true of them need not be of patients."
    )


def _table(found: dict[str, Any], methods: list[str]) -> str:
    columns = list(found["measures"]["edge_mm"])
    lines = ["<table class='numbers'><tr><th></th>" + "".join(f"<th>{escape(_NAMES[m])}</th>" for m in MEASURES)]
    for name in columns:
        cells = []
        for measure, higher in MEASURES.items():
            value = found["measures"][measure][name]
            medians = [found["measures"][measure][n]["median"] for n in methods]
            known = [m for m in medians if m is not None]
            best = name in methods and known and value["median"] == (max(known) if higher else min(known))
            cells.append(f"<td class='{'best' if best else ''}'>{_with_interval(value)}</td>")
        quiet = "" if name in methods else " class='quiet'"
        lines.append(f"<tr{quiet}><td>{escape(name)}</td>{''.join(cells)}</tr>")
    return "".join(lines) + "</table><p>Bold: the best method of a column. Grey: controls, which know nothing of the "\
        "knee. A measure in which a control wins says nothing about the methods.</p>"  # fmt: skip


def _with_interval(value: dict[str, Any]) -> str:
    if value["median"] is None:
        return "undefined"
    return f"{value['median']:.3g} <small>({value['low']:.3g} to {value['high']:.3g})</small>"


def _pictures(result: BenchmarkResult) -> str:
    plan, parts = result.plan, []
    files = {path.stem: path for path in chosen_files(plan.pairs, plan.knees)}
    middle = plan.slices // 2
    for grade in _PICTURED_GRADES:
        name = next((k for k, g in zip(result.knees, result.grades, strict=True) if g == grade), None)
        if name is None:
            continue
        knee = held_out_knee(files[name])
        truth = knee.volume[depth_choice(plan.slices)][middle : middle + 1]
        figures = [
            _figure("film", (knee.crop[0] + 1) / 2, None),
            _figure("reference", truth[0], np.zeros_like(truth[0])),
        ]
        for title in plan.models:
            made = stored_volume(volume_file(plan, title, name))[middle : middle + 1]
            figures.append(_figure(title, made[0], signed_sobel_difference(truth, made)[0]))
        parts.append(f"<h3>KL {grade}</h3>{''.join(figures)}")
    return "".join(parts) + "<p>Below each slice its Sobel difference: orange what the method draws and the reference "\
        "lacks, blue the reverse.</p>"  # fmt: skip


def _figure(name: str, picture: np.ndarray, difference: np.ndarray | None) -> str:
    shown = grey(picture)
    below = np.full_like(shown, 255) if difference is None else signed(difference)
    uri = data_uri(np.concatenate((shown, below)))
    return f"<figure><img width='150' alt='{escape(name)}' src='{uri}'><figcaption>{escape(name)}</figcaption></figure>"


def _correlations(result: BenchmarkResult) -> str:
    charts = []
    for where, found in (("whole slices", result.correlation), ("within the leg", result.correlation_in_leg)):
        curves = []
        for place, (name, curve) in enumerate(found.items()):
            colour = "#222" if name == REFERENCE else "#8a8f98" if name == INTERPOLATED else _COLOURS[place % 9]
            values = [float(np.nanmean(values)) for values in curve.values()]
            curves.append(Curve(name, list(curve), values, colour, dashed=name == INTERPOLATED, dots=True))
        if curves:
            charts.append(line_chart(f"Adjacent-slice correlation, {where}", "number of slices", curves))
    words = "Compare equal numbers of slices only; higher than the reference is not better."
    return ("".join(charts) or "<p>Not measured in this run.</p>") + f"<p>{words}</p>"


def _specificity(found: dict[str, Any]) -> str:
    if not found["specificity"]:
        return "<p>Not measured: it takes two knees.</p>"
    lines = ["<table class='numbers'><tr><th></th><th>own reference is the closest of all</th>"
             "<th>own closer than another one (AUC)</th></tr>"]  # fmt: skip
    for title, value in found["specificity"].items():
        low, high = value["auc_interval"]
        lines.append(
            f"<tr><td>{escape(title)}</td><td>{value['rank_1']:.0%}, chance {1 / value['pairs']:.0%}</td>"
            f"<td>{value['auc']:.2f} <small>({low:.2f} to {high:.2f})</small>, chance 0.5</td></tr>"
        )
    return "".join(lines) + "</table>"


def _budgets(found: dict[str, Any]) -> str:
    heading = ("preset", "steps", "per_step", "learning_rate", "variants")
    lines = ["<table class='numbers'><tr><th></th>" + "".join(f"<th>{h.replace('_', ' ')}</th>" for h in heading)
             + "<th>seconds per volume</th></tr>"]  # fmt: skip
    budgets = found["training"]
    for title, entries in budgets.items():
        cells = "".join(f"<td>{'unknown' if entries[h] is None else entries[h]}</td>" for h in heading)
        lines.append(f"<tr><td>{escape(title)}</td>{cells}<td>{found['seconds_per_volume'][title]:.1f}</td></tr>")
    kinds = {(entries["steps"], entries["per_step"]) for entries in budgets.values()}
    equal = "All methods had the same number of steps and slices per step." if len(kinds) == 1 else (
        "The training budgets differ, so that the table compares models and not methods alone.")  # fmt: skip
    return "".join(lines) + f"</table><p>{equal}</p>"
