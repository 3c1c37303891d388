"""Everything that the module shows in views: layout, rendering, overlays, charts, annotations."""

from __future__ import annotations

from typing import Any

import vtk

from ..application import Application
from ..scene import comparison_nodes
from ..scene.comparison_nodes import Comparison
from ..scene.volume_nodes import slice_count
from . import comparison_chart, uncertainty_overlay, volume_rendering
from .annotations import SyntheticAnnotations
from .layout import RADIOGRAPH, REAL, SYNTHETIC, ViewLayout


class ViewControl:
    """Shows nodes. Nothing here computes, and nothing fails without views."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self.layout = ViewLayout(application)
        self._annotations: SyntheticAnnotations | None = None
        self._chosen: Comparison | None = None
        self._sliceObserver: tuple[Any, int] | None = None

    @property
    def isLayoutShown(self) -> bool:
        """Whether the module's layout is shown."""
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
        """Restore the previous layout."""
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
        """Show or hide a volume in the 3-D views. Returns whether volume rendering is available."""
        if volumeNode is None:
            return False
        done = volume_rendering.set_visible(self._application, volumeNode, visible) is not None
        if done and visible and self.layout.renderingViewNode is not None:
            volume_rendering.look_from_front(self._application, self.layout.renderingViewNode, volumeNode)
        return done

    def setUncertaintyVisible(
        self, volumeNode: Any, visible: bool, threshold: float | None = None, opacity: float = 0.6
    ) -> bool:
        """Show the standard deviation over the pseudo-MRI. Returns False if this volume has none.

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
        """Show the edge difference over both MR views; ``form`` is "signed" or "paper".

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
        """Show another measure (one of ``comparison.metrics``) in the chart."""
        return comparison_chart.choose_metric(comparison, name)

    def startAnnotations(self) -> None:
        """Mark every view that shows a synthetic volume, now and whenever the views change."""
        if self._annotations is None:
            self._annotations = SyntheticAnnotations(self._application)
        self._annotations.refresh()

    def annotatedViews(self) -> list[str]:
        """IDs of the view nodes that say "synthetic" now."""
        return [] if self._annotations is None else self._annotations.annotatedViews()

    def close(self) -> None:
        """Stop following the scene and the views."""
        if self._annotations is not None:
            self._annotations.close()
            self._annotations = None
        if self._sliceObserver is not None:
            node, tag = self._sliceObserver
            node.RemoveObserver(tag)
            self._sliceObserver = None
        self._chosen = None

    def forgetAll(self) -> None:
        """The scene was closed: the chart belongs to no comparison."""
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
