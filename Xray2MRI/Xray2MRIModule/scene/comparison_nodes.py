"""The nodes of a comparison with a real MRI: maps, tables, a chart.

The table of the slices refers to all other nodes, so that a comparison is found again in a saved scene.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

import numpy as np
import slicer
from slicer.util import arrayFromVolume

from ..translation import tr as _
from .difference_colours import create_signed_colours, set_clear_share
from .metric_labels import METRICS, SUMMARY_MEASURES, VOLUMES, in_reading_order, measure_text
from .provenance_attributes import PREFIX, mark_synthetic
from .subject_folder import remove_node
from .volume_nodes import load_volume, reading_window, remove, sample_voxels, show_coloured, show_grey

COMPARISON = f"{PREFIX}.comparison"
# columns of the table of the slices
DEPTH, FIRST_MEASURE = 1, 2
_SAVED = ("per_slice", "summary", "verdict", "warnings", "difference_noise")
# without a measured noise, e.g. of an older scene
_CLEAR_SHARE = 0.25
_PAPER_COLOUR = "vtkMRMLColorTableNodeIron"


class Comparison:
    """The nodes of one comparison. Each is looked up at every use; a deleted one is None.

    ``result`` is the worker's answer; after a reload of the scene it has no paths of files.
    """

    def __init__(self, scene: Any, table_id: str, result: dict[str, Any]) -> None:
        self._scene = scene
        self._tableId = table_id
        self.result = result

    @classmethod
    def ofTable(cls, node: Any) -> Comparison | None:
        """The comparison that a table of the scene belongs to; None for other tables."""
        try:
            result = json.loads(node.GetAttribute(COMPARISON) or "")
        except ValueError:
            return None
        return cls(node.GetScene(), node.GetID(), result)

    @property
    def tableNode(self) -> Any:
        """One row per slice of the pseudo-MRI."""
        return self._scene.GetNodeByID(self._tableId)

    def node(self, role: str) -> Any:
        """Another node: aligned, difference, paper, transform, summary, chart, marker, volume, reference, colours."""
        table = self.tableNode
        return None if table is None else table.GetNodeReference(f"{PREFIX}.{role}")

    alignedNode = property(lambda self: self.node("aligned"), doc="The real MRI on the grid of the pseudo-MRI.")
    differenceNode = property(lambda self: self.node("difference"), doc="Signed difference of the edges.")
    paperDifferenceNode = property(lambda self: self.node("paper"), doc="The one-sided form of the paper.")
    transformNode = property(lambda self: self.node("transform"), doc="The registration that was found.")
    summaryTableNode = property(lambda self: self.node("summary"), doc="The measures next to their controls.")
    chartNode = property(lambda self: self.node("chart"), doc="A measure per slice, with the current slice marked.")
    volumeNode = property(lambda self: self.node("volume"), doc="The pseudo-MRI that was compared.")
    referenceNode = property(lambda self: self.node("reference"), doc="The real MRI that it was compared with.")

    @property
    def verdict(self) -> str:
        """One sentence."""
        return self.result.get("verdict", "")

    @property
    def warnings(self) -> list[str]:
        """Sentences for the user."""
        return list(self.result.get("warnings") or [])

    @property
    def metrics(self) -> list[str]:
        """Names of the measures that at least one slice has."""
        rows = self.result.get("per_slice") or []
        return [name for name in METRICS if any(row.get(name) is not None for row in rows)]

    @property
    def reportPath(self) -> str | None:
        """The worker's HTML report; a temporary file."""
        return self.result.get("report")

    @property
    def csvPath(self) -> str | None:
        """The table as CSV; a temporary file."""
        return self.result.get("table")


def create_comparison(scene: Any, volume: Any, reference: Any, result: dict[str, Any]) -> Comparison:
    """Create the nodes of a finished comparison. If it raises OSError or ValueError, it leaves no node."""
    steps = comparison_steps(scene, volume, reference, result)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def comparison_steps(
    scene: Any, volume: Any, reference: Any, result: dict[str, Any]
) -> Generator[None, None, Comparison]:
    """As create_comparison, in steps between which the window responds; the last one gives the comparison."""
    made: list[Any] = []
    finished = False
    try:
        table = _slice_table(scene, result, made)
        for role, node in (("volume", volume), ("reference", reference)):
            if node is not None:
                table.SetNodeReferenceID(f"{PREFIX}.{role}", node.GetID())
        makers = {
            "aligned": _aligned, "difference": _signed, "paper": _one_sided, "transform": _transform,
            "summary": _summary_table,
        }  # fmt: skip
        for role, make in makers.items():
            yield
            node = make(scene, result, made)
            if node is not None:
                table.SetNodeReferenceID(f"{PREFIX}.{role}", node.GetID())
        colours = table.GetNodeReference(f"{PREFIX}.difference").GetDisplayNode().GetColorNode()
        table.SetNodeReferenceID(f"{PREFIX}.colours", colours.GetID())
        table.SetAttribute(COMPARISON, json.dumps({name: result.get(name) for name in _SAVED}, separators=(",", ":")))
        finished = True
    finally:
        # also when the steps are cancelled
        if not finished:
            _remove(scene, made)
    return Comparison(scene, table.GetID(), result)


def set_difference_threshold(comparison: Comparison, form: str, threshold: float | None) -> Any:
    """Show only differences beyond a share (0 to 1) of the window. Returns the map's node.

    None chooses the noise that was measured in air for the signed form, and a quarter for the paper's.
    """
    node = comparison.differenceNode if form == "signed" else comparison.paperDifferenceNode
    if node is None:
        return None
    share = _CLEAR_SHARE if threshold is None else float(np.clip(threshold, 0.0, 0.99))
    if form == "signed":
        if threshold is None:
            share = _noise_share(comparison.result, _limit(node))
        colours = comparison.node("colours")
        if colours is not None:
            set_clear_share(colours, share)
    else:
        limit = _limit(node)
        show_coloured(node, _PAPER_COLOUR, 0.0, limit, (share * limit, max(float(arrayFromVolume(node).max()), limit)))
    return node


def _remove(scene: Any, made: list[Any]) -> None:
    for node in made:
        if node.IsA("vtkMRMLVolumeNode"):
            remove(scene, node)
        else:
            remove_node(scene, node)


def _add(scene: Any, made: list[Any], node_class: str, name: str) -> Any:
    node = scene.AddNewNodeByClass(node_class, scene.GenerateUniqueName(name))
    made.append(node)
    return node


def _slice_table(scene: Any, result: dict[str, Any], made: list[Any]) -> Any:
    rows = result["per_slice"]
    node = _add(scene, made, "vtkMRMLTableNode", _("Comparison per slice"))
    names = [_("slice"), _("depth (mm)"), *METRICS.values()]
    keys = ["index", "depth_mm", *METRICS]
    columns = [np.array([np.nan if row.get(key) is None else row[key] for row in rows], float) for key in keys]
    slicer.util.updateTableFromArray(node, columns, names)
    node.SetDescription(_("Pseudo-MRI compared with a real MRI; the pseudo-MRI is synthetic, not for diagnosis"))
    return node


def _summary_table(scene: Any, result: dict[str, Any], made: list[Any]) -> Any:
    import vtk

    summary = result.get("summary") or {}
    names = in_reading_order(list(summary), SUMMARY_MEASURES)
    volumes = in_reading_order([name for values in summary.values() for name in values], VOLUMES)
    node = _add(scene, made, "vtkMRMLTableNode", _("Comparison and controls"))
    measures = vtk.vtkStringArray()
    measures.SetName(_("measure"))
    for name in names:
        measures.InsertNextValue(SUMMARY_MEASURES.get(name, name))
    node.AddColumn(measures)
    for volume in dict.fromkeys(volumes):
        column = vtk.vtkStringArray()
        column.SetName(VOLUMES.get(volume, volume))
        for name in names:
            column.InsertNextValue(measure_text(name, summary[name].get(volume)))
        node.AddColumn(column)
    node.SetDescription(result.get("verdict", ""))
    return node


def _aligned(scene: Any, result: dict[str, Any], made: list[Any]) -> Any:
    node = load_volume(scene, result["aligned"], _("Real MRI resampled to the pseudo-MRI"))
    made.append(node)
    show_grey(node, *reading_window(node))
    return node


def _signed(scene: Any, result: dict[str, Any], made: list[Any]) -> Any:
    node = load_volume(scene, result["difference"], _("Edge difference, signed"))
    made.append(node)
    mark_synthetic(node, "Edges of pseudo-MRI and real MRI: signed difference, both smoothed to one resolution")
    limit = _limit(node)
    colours = create_signed_colours(scene, "Xray2MRI difference", _noise_share(result, limit))
    made.append(colours)
    show_coloured(node, colours.GetID(), -limit, limit, None)
    return node


def _one_sided(scene: Any, result: dict[str, Any], made: list[Any]) -> Any:
    if not result.get("difference_paper"):
        return None
    node = load_volume(scene, result["difference_paper"], _("Edge difference, one-sided"))
    made.append(node)
    mark_synthetic(node, "Edges of pseudo-MRI and real MRI: one-sided difference of the paper")
    limit = _limit(node)
    show_coloured(node, _PAPER_COLOUR, 0.0, limit, (0.25 * limit, max(float(arrayFromVolume(node).max()), limit)))
    return node


def _transform(scene: Any, result: dict[str, Any], made: list[Any]) -> Any:
    if result.get("transform") is None:
        return None
    node = _add(scene, made, "vtkMRMLLinearTransformNode", _("Registration of the real MRI"))
    flip = np.diag((-1.0, -1.0, 1.0, 1.0))
    matrix = flip @ np.reshape(result["transform"], (4, 4)).astype(float) @ flip
    node.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    return node


def _noise_share(result: dict[str, Any], limit: float) -> float:
    """The share of a map's window that is noise."""
    noise = result.get("difference_noise")
    return _CLEAR_SHARE if noise is None else float(np.clip(noise / limit, 0.05, 0.9))


def _limit(node: Any) -> float:
    """Half the window of a difference: 99.5 % of all differences are smaller."""
    return float(max(np.percentile(np.abs(sample_voxels(node)), 99.5), 1e-6))
