"""The charts of the benchmark's page: box plots over knees, correlation of neighbouring slices."""

from __future__ import annotations

import numpy as np

from ..benchmark.density_curves import INTERPOLATED, REFERENCE
from ..benchmark.runner import BLANK, CONSTANT, BenchmarkResult
from ..comparison.evaluation import MEASURES
from .box_plot import box_plot
from .line_chart import Curve, line_chart
from .measure_text import direction, metric_label
from .svg import Svg

_METHOD_COLOURS = 10  # series-0 to series-9 of the style sheet
_SERIES = {REFERENCE: "reference", INTERPOLATED: "empty"}


def box_plots(result: BenchmarkResult) -> list[Svg]:
    """One plot per measure; controls in grey."""
    controls = frozenset(column for column in result.scores if column not in result.plan.models)
    plots = []
    for measure in MEASURES:
        columns = {name: values[measure] for name, values in result.scores.items()}
        # 10 mm and 0 by definition; drawn, they would compress the other boxes
        if measure in ("edge_mm", "f1"):
            columns = {name: values for name, values in columns.items() if name not in (BLANK, CONSTANT)}
        plots.append(box_plot(f"{metric_label(measure)}: {direction(measure)}", columns, controls))
    return [plot for plot in plots if plot]


def correlation_charts(result: BenchmarkResult) -> list[Svg]:
    """Correlation of neighbouring slices against the number of slices, mean over knees; empty when not measured."""
    charts = []
    for where, found in (("whole slices", result.correlation), ("within the leg", result.correlation_in_leg)):
        curves = []
        for place, (name, curve) in enumerate(found.items()):
            series = _SERIES.get(name, f"series-{place % _METHOD_COLOURS}")
            values = [float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
                      for values in curve.values()]  # fmt: skip
            curves.append(Curve(name, list(curve), values, series, dashed=name == INTERPOLATED, dots=True))
        if curves:
            ticks = sorted({density for curve in found.values() for density in curve})
            title = f"Correlation of neighbouring slices, {where}"
            charts.append(line_chart(title, "number of slices", curves, ceiling=1.0, ticks=ticks))
    return [chart for chart in charts if chart]
