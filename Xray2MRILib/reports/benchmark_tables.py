"""The tables of the benchmark's page: medians, paired differences, specificity, training budgets."""

from __future__ import annotations

from typing import Any

from ..comparison.evaluation import MEASURES
from ..metrics.metric_names import ARTEFACT
from .measure_text import direction, metric_label, number_text

_TESTED = ("edge_mm", "f1", "ssim", "psnr_db", "rssim")
_SIGNIFICANT = 0.05
_BUDGET_COLUMNS = {
    "preset": "preset",
    "steps": "training steps",
    "per_step": "slices per step",
    "learning_rate": "learning rate",
    "variants": "variants per knee",
    "slice_size": "rows of a slice",
    "sampling": "sampling",
}

Table = dict[str, Any]


def medians_table(found: dict[str, Any], methods: list[str]) -> Table:
    """Medians over knees with 95 % intervals: measures across, methods and controls down."""
    rows = []
    for name in found["measures"]["edge_mm"]:
        cells = []
        for measure, higher in MEASURES.items():
            value = found["measures"][measure][name]
            medians = [found["measures"][measure][method]["median"] for method in methods]
            known = [median for median in medians if median is not None] if measure != ARTEFACT else []
            best = name in methods and known and value["median"] == (max(known) if higher else min(known))
            cells.append(_median_cell(value, measure, found["knees"], "best" if best else ""))
        rows.append(_row(name, cells, "" if name in methods else "control"))
    return {"corner": "", "columns": [_measure_column(measure) for measure in MEASURES], "rows": rows}


def differences_table(found: dict[str, Any]) -> Table | None:
    """The first method against every other column on the same knees; None when there is no other."""
    first, rows = found["first"], []
    for name in found["measures"]["edge_mm"]:
        if name != first:
            cells = [_test_cell(found["measures"][m][name]["first_against_it"], m) for m in _TESTED]
            rows.append(_row(name, cells))
    if not rows:
        return None
    columns = [_measure_column(measure) for measure in _TESTED]
    return {"corner": f"{first} minus", "columns": columns, "rows": rows}


def specificity_table(found: dict[str, Any]) -> Table | None:
    """How often a volume is closest to the reference of its own knee; None when it was not measured."""
    if not found["specificity"]:
        return None
    rows = []
    for title, value in found["specificity"].items():
        low, high = value["auc_interval"]
        cells = [
            _cell(f"{value['rank_1']:.0%}", [f"chance {1 / value['pairs']:.0%}"]),
            _cell(f"{value['auc']:.2f}", [f"{low:.2f} to {high:.2f}", "chance 0.5"]),
        ]
        rows.append(_row(title, cells))
    headings = ("own reference is the closest of all", "own reference is closer than another (AUC)")
    return {"corner": "", "columns": [{"name": heading, "notes": []} for heading in headings], "rows": rows}


def budgets_table(found: dict[str, Any]) -> Table:
    """How each method was trained and how long it takes per volume."""
    rows = []
    for title, budget in found["training"].items():
        texts = ["unknown" if budget[key] is None else str(budget[key]) for key in _BUDGET_COLUMNS]
        texts.append(f"{found['seconds_per_volume'][title]:.1f}")
        rows.append(_row(title, [_cell(text) for text in texts]))
    headings = (*_BUDGET_COLUMNS.values(), "seconds per volume")
    return {"corner": "", "columns": [{"name": heading, "notes": []} for heading in headings], "rows": rows}


def _row(name: str, cells: list[dict[str, Any]], kind: str = "") -> dict[str, Any]:
    return {"name": name, "notes": [], "kind": kind, "cells": cells}


def _cell(value: str, notes: list[str] | None = None, kind: str = "") -> dict[str, Any]:
    return {"value": value, "notes": notes or [], "kind": kind}


def _measure_column(measure: str) -> dict[str, Any]:
    return {"name": metric_label(measure), "notes": [direction(measure)]}


def _median_cell(value: dict[str, Any], measure: str, knees: int, kind: str) -> dict[str, Any]:
    if value["median"] is None:
        return _cell("undefined")
    low, high = (number_text(value[end], measure) for end in ("low", "high"))
    notes = [f"{low} to {high}"]
    if value["knees"] < knees:
        notes.append(f"{value['knees']} of {knees} knees")
    return _cell(number_text(value["median"], measure), notes, kind)


def _test_cell(test: dict[str, Any], measure: str) -> dict[str, Any]:
    if test["p_holm"] is None:
        return _cell("undefined")
    gap, low, high = (number_text(test[key], measure, "+") for key in ("difference", "low", "high"))
    p = "p < 0.001" if test["p_holm"] < 0.001 else f"p = {test['p_holm']:.3f}"
    notes = [f"{low} to {high}", f"closer on {test['closer_share']:.0%}", p]
    return _cell(gap, notes, "best" if test["p_holm"] < _SIGNIFICANT else "")
