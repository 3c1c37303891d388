"""The benchmark as one self-contained page: verdict, tables, pictures, box plots, correlation curves, budgets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..benchmark.findings import verdict
from ..benchmark.runner import BenchmarkResult
from ..files.atomic_write import AtomicFiles
from .benchmark_charts import box_plots, correlation_charts
from .benchmark_pictures import pictures_by_grade
from .benchmark_tables import budgets_table, differences_table, medians_table, specificity_table
from .page_templates import render_page


def write_benchmark_report(result: BenchmarkResult, found: dict[str, Any], path: Path) -> Path:
    """Write the page of a benchmark and its summary (benchmark.tables.summary); it appears complete or not at all."""
    page = render_page("benchmark_report.html.j2", benchmark_context(result, found))
    with AtomicFiles() as transaction:
        transaction.stage(path).write_text(page, encoding="utf-8", newline="\n")
    return path


def benchmark_context(result: BenchmarkResult, found: dict[str, Any]) -> dict[str, Any]:
    """All that the template shows, as plain data."""
    methods = list(result.plan.models)
    pictured_slice, grades = pictures_by_grade(result)
    return {
        "verdict": verdict(result, found),
        "settings": found["settings"],
        "knees": found["knees"],
        "slices_without_joint_line": sum(result.without_region),
        "slices_of_references": len(result.knees) * found["settings"]["slices"],
        "first": found["first"],
        "medians": medians_table(found, methods),
        "differences": differences_table(found),
        "pictured_slice": pictured_slice,
        "grades": grades,
        "box_plots": box_plots(result),
        "correlation_charts": correlation_charts(result),
        "correlation_knees": min(result.plan.density_knees, len(result.knees)),
        "specificity": specificity_table(found),
        "specificity_knees": next((value["pairs"] for value in found["specificity"].values()), 0),
        "budgets": budgets_table(found),
        "equal_budgets": _equal_budgets(found["training"]),
    }


def _equal_budgets(budgets: dict[str, dict[str, Any]]) -> bool | None:
    """Whether all methods had the same budget; None where a model card does not say what its training was."""
    compared = {tuple(budget[key] for key in ("steps", "per_step", "slice_size", "sampling")) for budget in
                budgets.values()}  # fmt: skip
    if any(value is None for budget in compared for value in budget):
        return None
    return len(compared) == 1
