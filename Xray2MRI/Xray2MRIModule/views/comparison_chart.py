"""The chart of a comparison: one measure over the depth, with a line at the current slice."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer

from ..scene.comparison_nodes import DEPTH, FIRST_MEASURE, Comparison
from ..scene.metric_labels import METRICS
from ..scene.provenance_attributes import PREFIX
from ..translation import tr as _


def create_chart(scene: Any, comparison: Comparison) -> Any:
    """The chart node with its series, showing the first known measure."""
    chart = scene.AddNewNodeByClass("vtkMRMLPlotChartNode", scene.GenerateUniqueName(_("Comparison by depth")))
    marker_table = scene.AddNewNodeByClass("vtkMRMLTableNode", scene.GenerateUniqueName(_("Current slice")))
    marker_table.SetHideFromEditors(True)
    slicer.util.updateTableFromArray(marker_table, [np.zeros(2), np.zeros(2)], [_("depth (mm)"), "value"])
    measure = _series(scene, comparison.tableNode, _("Pseudo-MRI"), DEPTH, (0.91, 0.55, 0.15), 2.5)
    marker = _series(scene, marker_table, _("Current slice"), 0, (0.35, 0.35, 0.35), 1.5)
    marker.SetYColumnName("value")
    for node in (measure, marker):
        chart.AddAndObservePlotSeriesNodeID(node.GetID())
    chart.SetXAxisTitle(_("Depth (mm, from posterior to anterior)"))
    chart.SetLegendVisibility(False)
    for role, node in (("chart", chart), ("marker", marker_table), ("series", measure), ("markerSeries", marker)):
        comparison.tableNode.SetNodeReferenceID(f"{PREFIX}.{role}", node.GetID())
    if comparison.metrics:
        choose_metric(comparison, comparison.metrics[0])
    return chart


def choose_metric(comparison: Comparison, name: str) -> bool:
    """Show another measure. Returns False if no slice has it."""
    series, chart = comparison.node("series"), comparison.chartNode
    if name not in comparison.metrics or series is None or chart is None:
        return False
    # by its position: the scene may have been saved in another language
    series.SetYColumnName(comparison.tableNode.GetColumnName(FIRST_MEASURE + list(METRICS).index(name)))
    series.SetName(METRICS[name])
    chart.SetTitle(METRICS[name])
    chart.SetYAxisTitle(METRICS[name])
    values = np.array([row[name] for row in comparison.result["per_slice"] if row.get(name) is not None], float)
    low, high = float(values.min()), float(values.max())
    margin = 0.08 * (high - low) or max(abs(high) * 0.1, 0.05)
    chart.SetYAxisRangeAuto(False)
    chart.SetYAxisRange(low - margin, high + margin)
    _marker_reaches(comparison, low - margin, high + margin)
    return True


def shown_metric(comparison: Comparison) -> str | None:
    """The measure that the chart shows now; None without a chart."""
    series, table = comparison.node("series"), comparison.tableNode
    if series is None or table is None:
        return None
    for place, name in enumerate(METRICS):
        if table.GetColumnName(FIRST_MEASURE + place) == series.GetYColumnName():
            return name
    return None


def depth_of_slice(comparison: Comparison, index: int | None, slices: int) -> float | None:
    """The depth (mm) of a slice of the volume as it is shown now, which may have more slices than were compared."""
    rows = comparison.result.get("per_slice") or []
    if index is None or not rows:
        return None
    first, last = float(rows[0]["depth_mm"]), float(rows[-1]["depth_mm"])
    return first + (last - first) * index / max(slices - 1, 1)


def mark_depth(comparison: Comparison, depth_mm: float | None) -> None:
    """Move the line to a depth; None leaves it where it is."""
    marker = comparison.node("marker")
    if marker is None or depth_mm is None:
        return
    column = marker.GetTable().GetColumn(0)
    if column.GetValue(0) == depth_mm:
        return
    for place in range(2):
        column.SetValue(place, depth_mm)
    marker.GetTable().Modified()
    marker.Modified()


def _marker_reaches(comparison: Comparison, low: float, high: float) -> None:
    marker = comparison.node("marker")
    if marker is None:
        return
    marker.GetTable().GetColumn(1).SetValue(0, low)
    marker.GetTable().GetColumn(1).SetValue(1, high)
    marker.GetTable().Modified()
    marker.Modified()


def _series(scene: Any, table: Any, name: str, depth: int, colour: tuple[float, float, float], width: float) -> Any:
    node = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", scene.GenerateUniqueName(name))
    node.SetAndObserveTableNodeID(table.GetID())
    node.SetXColumnName(table.GetColumnName(depth))
    node.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
    node.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleNone)
    node.SetLineWidth(width)
    node.SetColor(*colour)
    return node
