"""The part of the logic that shows things: layout, rendering, overlays, charts, annotations."""

from __future__ import annotations

from typing import Any

import vtk

from ..application import Application
from ..scene import comparison_nodes, density_sequence
from ..scene.comparison_nodes import Comparison
from ..scene.provenance_attributes import get_record, is_synthetic
from ..scene.volume_nodes import slice_count
from . import comparison_chart, uncertainty_overlay, volume_rendering
from .annotations import SyntheticAnnotations
from .layout import RADIOGRAPH, REAL, SYNTHETIC, ViewLayout


class ViewControl:
    """Everything about views. Needs ``self.application``; nothing here computes, and nothing fails without views."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.layout = ViewLayout(application)
        self._annotations: SyntheticAnnotations | None = None
        self._chosen: Comparison | None = None
        self._sliceObserver: tuple[Any, int] | None = None

    @property
    def isLayoutShown(self) -> bool:
        """Whether the module's layout is the present one."""
        return self.layout.isShown

    def showLayout(self, radiographNode: Any = None, volumeNode: Any = None, referenceNode: Any = None) -> None:
        """Switch to the module's layout and show these nodes in it; None leaves a view as it is."""
        self.layout.show()
        self.startAnnotations()
        if radiographNode is not None:
            self.layout.showVolume(RADIOGRAPH, radiographNode)
        if volumeNode is not None:
            self.showVolume(volumeNode)
        if referenceNode is not None:
            self.showReference(referenceNode)
        self._followSlice()

    def restoreLayout(self) -> None:
        """Back to the layout that was there before."""
        self.layout.restore()

    def showVolume(self, volumeNode: Any) -> None:
        """Show a pseudo-MRI in its view."""
        self.layout.showVolume(SYNTHETIC, volumeNode)
        if volumeNode is not None and slice_count(volumeNode):
            self.layout.middleDepth(volumeNode)

    def showReference(self, referenceNode: Any) -> None:
        """Show a real MRI in its view, in the plane of the pseudo-MRI when there is one."""
        self.layout.showVolume(REAL, referenceNode)
        composite = self.layout.compositeNode(SYNTHETIC)
        if composite is not None and composite.GetBackgroundVolumeID():
            self.layout.alignRealView()

    def setVolumeRendering(self, volumeNode: Any, visible: bool) -> bool:
        """Show or hide a volume in the 3-D views. Returns whether volume rendering is there."""
        if volumeNode is None:
            return False
        done = volume_rendering.set_visible(self.application, volumeNode, visible) is not None
        if done and visible and self.layout.renderingViewNode is not None:
            volume_rendering.look_from_front(self.application, self.layout.renderingViewNode, volumeNode)
        return done

    def setUncertaintyVisible(
        self, volumeNode: Any, visible: bool, threshold: float | None = None, opacity: float = 0.6
    ) -> bool:
        """Lay the standard deviation over the pseudo-MRI. Returns False when this volume has none.

        ``threshold`` is in stored units (grey times 4095); None shows the upper quarter.
        """
        deviation = uncertainty_overlay.deviation_of(volumeNode)
        if deviation is None:
            return False
        if visible:
            uncertainty_overlay.show_above(deviation, threshold)
        self.layout.overlay(SYNTHETIC, deviation if visible else None, opacity)
        return True

    def setDifferenceVisible(
        self,
        comparison: Comparison,
        visible: bool,
        form: str = "signed",
        threshold: float | None = None,
        opacity: float = 0.6,
    ) -> bool:
        """Lay the edge difference over both MR views; ``form`` is "signed" or "paper".

        ``threshold`` is a share of the window, 0 to 1; None hides the lower quarter. Returns False without such a map.
        """
        node = comparison_nodes.set_difference_threshold(comparison, form, threshold) if visible else None
        for tag in (SYNTHETIC, REAL):
            self.layout.overlay(tag, node, opacity)
        return node is not None or not visible

    def showComparison(self, comparison: Comparison) -> None:
        """Show chart, real MRI and pseudo-MRI of a comparison in the module's layout."""
        self._chosen = comparison
        self.layout.show()
        if comparison.volumeNode is not None:
            self.showVolume(comparison.volumeNode)
        if comparison.alignedNode is not None:
            self.showReference(comparison.alignedNode)
        view = self.layout.chartViewNode
        if view is not None and comparison.chartNode is not None:
            view.SetPlotChartNodeID(comparison.chartNode.GetID())
        self._followSlice()
        self._markSlice()

    def chartMetric(self, comparison: Comparison, name: str) -> bool:
        """Show another figure (one of ``comparison.metrics``) in the chart."""
        return comparison_chart.choose_metric(comparison, name)

    def isSynthetic(self, node: Any) -> bool:
        """Whether a node is a volume that this program made, or a map computed from one."""
        return is_synthetic(node)

    def syntheticVolumes(self) -> list[Any]:
        """All complete pseudo-MRI volumes of the scene, also those from a saved scene; maps do not count."""
        scene = self.application.scene
        nodes = [scene.GetNthNodeByClass(n, "vtkMRMLScalarVolumeNode")
                 for n in range(scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode"))]  # fmt: skip
        deviations = {id(uncertainty_overlay.deviation_of(node)) for node in nodes}
        return [node for node in nodes if is_synthetic(node) and get_record(node) and id(node) not in deviations]

    def comparisons(self, volumeNode: Any = None) -> list[Comparison]:
        """All comparisons of the scene, or those of one volume."""
        scene = self.application.scene
        tables = [scene.GetNthNodeByClass(n, "vtkMRMLTableNode")
                  for n in range(scene.GetNumberOfNodesByClass("vtkMRMLTableNode"))]  # fmt: skip
        found = [comparison for table in tables if (comparison := Comparison.ofTable(table)) is not None]
        return [item for item in found if volumeNode is None or item.volumeNode is volumeNode]

    def densities(self, volumeNode: Any) -> list[int]:
        """The numbers of slices in which a volume exists, in rising order."""
        return density_sequence.densities(volumeNode)

    def density(self, volumeNode: Any) -> int:
        """The number of slices that a volume shows now."""
        return slice_count(volumeNode)

    def selectDensity(self, volumeNode: Any, slices: int) -> bool:
        """Show another density that was made before. Returns whether it was there."""
        if slices == slice_count(volumeNode):
            return True
        return density_sequence.select(volumeNode, slices, self.application.moduleLogic("Sequences"))

    def startAnnotations(self) -> None:
        """Begin to mark every view that shows a synthetic volume."""
        if self._annotations is None:
            self._annotations = SyntheticAnnotations(self.application)
        self._annotations.refresh()

    def refreshAnnotations(self) -> None:
        """Look at all views again; happens by itself when what they show changes."""
        self.startAnnotations()

    def annotatedViews(self) -> list[str]:
        """IDs of the view nodes that say "synthetic" now."""
        return [] if self._annotations is None else self._annotations.annotatedViews()

    def closeViews(self) -> None:
        """Stop following the scene and the views."""
        if self._annotations is not None:
            self._annotations.close()
            self._annotations = None
        if self._sliceObserver is not None:
            node, tag = self._sliceObserver
            node.RemoveObserver(tag)
            self._sliceObserver = None
        self._chosen = None

    def _followSlice(self) -> None:
        node = self.layout.sliceNode(SYNTHETIC)
        if node is None or (self._sliceObserver is not None and self._sliceObserver[0] is node):
            return
        if self._sliceObserver is not None:
            former, tag = self._sliceObserver
            former.RemoveObserver(tag)
        self._sliceObserver = (node, node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._markSlice()))

    def _markSlice(self) -> None:
        if self._chosen is not None and self._chosen.volumeNode is not None:
            comparison_chart.mark_slice(self._chosen, self.layout.depthIndex(self._chosen.volumeNode))
