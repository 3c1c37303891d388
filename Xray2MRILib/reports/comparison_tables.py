"""The table of measures of a comparison: measures down, pseudo-MRI and controls across."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..comparison.controls import BLANK, CONSTANT, MEAN, OTHER, SHUFFLED
from ..comparison.evaluation import MEASURES, PSEUDO, REFERENCE
from ..metrics.metric_names import ARTEFACT
from .measure_text import direction, is_defined, metric_label, number_text, volume_label

if TYPE_CHECKING:
    from ..comparison.evaluation import Evaluation

_ORDER = (PSEUDO, OTHER, SHUFFLED, MEAN, BLANK, CONSTANT, REFERENCE)


def score_table(evaluation: Evaluation) -> dict[str, Any]:
    """Medians with quartiles. How many slices are undefined is reported once where all volumes share it."""
    table = medians_table(
        {measure: {name: value.median for name, value in values.items()} for measure, values in
         evaluation.summary.items() if measure in MEASURES}
    )  # fmt: skip
    for row in table["rows"]:
        measure, values = row["measure"], evaluation.summary[row["measure"]]
        own = values[PSEUDO]
        # the reference alone decides where a measure is undefined; only the shuffled pairing has another reference
        shared = len({values[name].undefined for name in table["names"] if name != SHUFFLED}) == 1
        for name, cell in zip(table["names"], row["cells"], strict=True):
            value = values[name]
            low, high = number_text(value.lower_quartile, measure), number_text(value.upper_quartile, measure)
            cell["notes"].append(f"{low}–{high}")
            if value.undefined and (name == SHUFFLED or not shared):
                cell["notes"].append(f"{value.undefined} of {value.slices} undefined")
        if shared and own.undefined:
            row["notes"].append(f"undefined in {own.undefined} of {own.slices} slices")
    return table


def medians_table(medians: dict[str, dict[str, float | None]]) -> dict[str, Any]:
    """Measure -> volume -> median as data of the macro ``scores``.

    A control that is at least as close to the reference as the pseudo-MRI has the kind "beaten".
    """
    found = list(dict.fromkeys(name for values in medians.values() for name in values))
    names = [name for name in _ORDER if name in found] + [name for name in found if name not in _ORDER]
    rows = [
        {
            "measure": measure,
            "name": metric_label(measure),
            "notes": [direction(measure)] if direction(measure) else [],
            "kind": "artefact" if measure == ARTEFACT else "",
            "cells": [
                {"value": number_text(values.get(name), measure), "notes": [], "kind": _kind(measure, name, values)}
                for name in names
            ],
        }
        for measure, values in medians.items()
    ]
    return {
        "corner": "",
        "names": names,
        "columns": [{"name": volume_label(name), "notes": []} for name in names],
        "rows": rows,
    }


def _kind(measure: str, name: str, values: dict[str, float | None]) -> str:
    if name == PSEUDO:
        return "own"
    own, other = values.get(PSEUDO), values.get(name)
    if name in (SHUFFLED, REFERENCE) or measure not in MEASURES or not (is_defined(own) and is_defined(other)):
        return ""
    return "beaten" if (other >= own if MEASURES[measure] else other <= own) else ""


def remarks(evaluation: Evaluation) -> list[str]:
    """What was undefined, how many other knees are farther from the reference, what the controls are."""
    region = evaluation.target.region
    texts = [
        f"A joint line was found in {region.valid.sum()} of {region.valid.size} slices of the reference. "
        "RSSIM is undefined in the others.",
    ]
    if region.box is None:
        texts.append("No slice shows a joint line, so the edges are measured in a nominal box.")
    count = evaluation.closer_than.get("edge_mm", (0, 0))[1]
    if count > 1:
        ranks = ", ".join(
            f"{evaluation.closer_than[measure][0]} {words}"
            for measure, words in (("edge_mm", "by edge distance"), ("f1", "by edge F1"), ("ssim", "by SSIM"))
            if measure in evaluation.closer_than
        )
        texts.append(f"The pseudo-MRI is closer to the reference than so many of {count} other knees: {ranks}.")
    controls = "; ".join(f"{control.name}: {control.description}" for control in evaluation.controls)
    texts.append(f"Controls: {controls}; {SHUFFLED}: the pseudo-MRI compared with the other knee as its reference.")
    return texts
