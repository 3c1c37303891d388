"""Tables of a benchmark: one CSV file of values per knee, one of medians and tests, and the latter as JSON."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from ..comparison.evaluation import MEASURES
from ..files.json_files import write_json
from ..metrics.specificity import specificity
from ..volume.geometry import OAI_FIELD
from ..volume.provenance import plain
from .runner import BenchmarkResult
from .statistics import interval, paired_tests


def summary(result: BenchmarkResult) -> dict[str, Any]:
    """All numbers of the report page: the interval per metric and column, and the test against the first method."""
    first = next(iter(result.plan.models))
    measures: dict[str, Any] = {}
    for measure, higher in MEASURES.items():
        columns = {name: values[measure] for name, values in result.scores.items()}
        tests = paired_tests(columns[first], {n: v for n, v in columns.items() if n != first}, higher_is_closer=higher)
        measures[measure] = {
            name: {**interval(values).__dict__, "first_against_it": tests[name].__dict__ if name in tests else None}
            for name, values in columns.items()
        }
    curves = {
        where: {
            name: {str(density): interval(values).__dict__ for density, values in found.items()}
            for name, found in curve.items()
        }
        for where, curve in (("whole", result.correlation), ("in leg", result.correlation_in_leg))
    }
    return plain(
        {
            "knees": len(result.knees),
            "grades": result.grades,
            "slices_without_joint_line": sum(result.without_region),
            "settings": {k: v for k, v in result.plan.signature().items() if k != "pairs"},
            "first": first,
            "measures": measures,
            "adjacent_correlation": curves,
            "specificity": {
                title: specificity(matrix, higher_is_closer=False).__dict__
                for title, matrix in result.specificity.items()
            },
            "training": {title: budget(card) for title, card in result.cards.items()},
            "seconds_per_volume": result.seconds,
        }
    )


def budget(card: dict[str, Any]) -> dict[str, Any]:
    """Training budget from the model card: steps, slices or volumes per step, variants, resolution, sampling."""
    recipe = card.get("recipe", {})
    per_step = recipe.get("batch_size") or recipe.get("knees_per_batch", 0) * recipe.get("depths_per_knee", 0)
    return {
        "method": card.get("method", {}).get("title"),
        "preset": card.get("preset"),
        "steps": recipe.get("steps"),
        "per_step": per_step or None,
        "learning_rate": recipe.get("learning_rate"),
        "variants": recipe.get("variants"),
        "slice_size": _slice_size(recipe),
        "sampling": _sampling(card),
    }


def _sampling(card: dict[str, Any]) -> str:
    """The model's sampling settings in words."""
    from ..diffusion.sampling_settings import PAPER_DEFAULTS, sampling_of_model

    own = sampling_of_model(card)
    if own == PAPER_DEFAULTS:
        return "as in the paper"
    guided = f"guidance {own['guidance_scale']:g} in {own['guidance_share']:.0%} of the steps"
    renewed = f", {own['renewed_noise']:.0%} of the late noise renewed" if own["renewed_noise"] else ""
    return f"{guided}, noise times {own['noise_scale']:g}{renewed}"


def _slice_size(recipe: dict[str, Any]) -> int | None:
    """Rows of the training slices; None if the card contains no recipe."""
    if not recipe:
        return None
    return recipe.get("changes", {}).get("radiograph_encoder", {}).get("slice_size", OAI_FIELD.pixels)


def write_tables(result: BenchmarkResult, found: dict[str, Any], folder: Path) -> list[Path]:
    """Write per_knee.csv, summary.csv and summary.json; returns their paths."""
    paths = [folder / name for name in ("per_knee.csv", "summary.csv", "summary.json")]
    rows = [
        (knee, grade, column, *(f"{values[measure][place]:.5g}" for measure in MEASURES))
        for place, (knee, grade) in enumerate(zip(result.knees, result.grades, strict=True))
        for column, values in result.scores.items()
    ]
    _write(paths[0], ("knee", "kl_grade", "column", *MEASURES), rows)
    lines = []
    for measure, columns in found["measures"].items():
        for name, value in columns.items():
            test = value["first_against_it"] or {}
            lines.append(
                (measure, name, value["knees"], *(_number(value[k]) for k in ("median", "low", "high")),
                 *(_number(test.get(k)) for k in ("difference", "low", "high", "closer_share", "p_value", "p_holm")))
            )  # fmt: skip
    heading = ("measure", "column", "knees", "median", "ci_low", "ci_high", "first_less_this", "difference_ci_low",
               "difference_ci_high", "first_closer_share", "p_wilcoxon", "p_holm")  # fmt: skip
    _write(paths[1], heading, lines)
    write_json(paths[2], found)
    return paths


def _write(path: Path, heading: tuple[str, ...], rows: list[tuple]) -> None:
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([heading, *rows])
    temporary.replace(path)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"
