"""Everything that the module shows in views: layout, rendering, overlays, charts, annotations."""

from __future__ import annotations

from typing import Any

import vtk

from ..application import Application
from ..scene import activation_map, comparison_nodes, synthetic_course
from ..scene.comparison_nodes import Comparison
from ..scene.volume_nodes import copy_window, show_for_reading, slice_count
from . import comparison_chart, uncertainty_overlay, volume_rendering
from .annotations import SyntheticAnnotations
from .layout import RADIOGRAPH, REAL, SLICE_VIEWS, SYNTHETIC, ViewLayout
from .slice_readings import SliceReadings, readings_of


class ViewControl:
    """Shows nodes. Nothing here computes, and nothing fails without views."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self.layout = ViewLayout(application)
        self._annotations: SyntheticAnnotations | None = None
        self._chosen: Comparison | None = None
        self._readings = SliceReadings(application)
        self._readingsWanted = True
        self._sliceObservers: list[tuple[Any, int]] = []

    @property
    def isLayoutShown(self) -> bool:
        """Whether the module's layout is shown."""
        return self.layout.isShown

    def showLayout(self, radiographNode: Any = None, volumeNode: Any = None, referenceNode: Any = None) -> None:
        """Switch to the module's layout and show these nodes in it; None leaves a view as it is."""
        self._showViews()
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
        if referenceNode is not None and slice_count(referenceNode):
            show_for_reading(referenceNode)
        self.layout.showVolume(REAL, referenceNode)
        if self.layout.backgroundVolume(SYNTHETIC) is not None:
            self.layout.alignRealView()

    def showBeforeAfter(self, measuredNode: Any, enhancedNode: Any, orientation: str) -> None:
        """Show a volume before (right) and after (left) its enhancement in linked views of one plane.

        ``orientation`` is Sagittal, Axial or Coronal.
        """
        self._showViews()
        self.startAnnotations()
        self.layout.showVolume(SYNTHETIC, enhancedNode)
        self.showReference(measuredNode)
        self.layout.reformat(orientation)

    def showCourse(self, browserNode: Any) -> None:
        """Show the radiographs of a course in the view of the radiograph, and its volumes in that of the pseudo-MRI."""
        self._showViews()
        self.startAnnotations()
        self.layout.showVolume(RADIOGRAPH, synthetic_course.film_of(browserNode))
        volume = synthetic_course.volume_of(browserNode)
        if volume is not None:
            self.showVolume(volume)

    def isCourseShown(self, browserNode: Any) -> bool:
        """Whether the view of the radiograph shows this course."""
        return (
            browserNode is not None
            and self.layout.backgroundVolume(RADIOGRAPH) is not None
            and (self.layout.backgroundVolume(RADIOGRAPH) is synthetic_course.film_of(browserNode))
        )

    def setEarlyMapVisible(self, radiographNode: Any, visible: bool, opacity: float = 1.0) -> bool:
        """Show the map of early osteoarthritis over its radiograph. Returns False if there is none."""
        node = activation_map.map_of(radiographNode)
        if node is not None and visible and self.layout.backgroundVolume(RADIOGRAPH) is not radiographNode:
            self.showLayout(radiographNode)
        self.layout.overlay(RADIOGRAPH, node if visible else None, opacity)
        return node is not None

    def realVolume(self) -> Any:
        """The real MRI that is shown next to the pseudo-MRI; None without one."""
        return self.layout.backgroundVolume(REAL)

    def showSameWindow(self, volumeNode: Any) -> bool:
        """Give the real MRI that is shown the window of a pseudo-MRI. Returns False when no real MRI is shown."""
        real = self.realVolume()
        if real is None or volumeNode is None:
            return False
        copy_window(volumeNode, real)
        return True

    def setVolumeRendering(self, volumeNode: Any, visible: bool) -> bool:
        """Show or hide a volume in the 3-D views. Returns whether volume rendering is available."""
        if volumeNode is None:
            return False
        done = volume_rendering.set_visible(self._application, volumeNode, visible) is not None
        if done and visible:
            self._cutAtSlice()
            self._lookFromFront(volumeNode)
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
        self._showViews()
        if comparison.volumeNode is not None:
            self.showVolume(comparison.volumeNode)
        if comparison.alignedNode is not None:
            self.showReference(comparison.alignedNode)
        view = self.layout.chartViewNode
        if view is not None and comparison.chartNode is not None:
            view.SetPlotChartNodeID(comparison.chartNode.GetID())
        self.followComparison(comparison)

    def followComparison(self, comparison: Comparison | None) -> None:
        """Keep the chart of this comparison at the slice that is shown; None follows none."""
        self._chosen = comparison
        self._followSlice()
        self._markSlice()

    def chartMetric(self, comparison: Comparison, name: str) -> bool:
        """Show another measure (one of ``comparison.metrics``) in the chart."""
        return comparison_chart.choose_metric(comparison, name)

    def metricOfChart(self, comparison: Comparison) -> str | None:
        """The measure that the chart shows now; None without a chart."""
        return comparison_chart.shown_metric(comparison)

    def setReadingsVisible(self, visible: bool) -> None:
        """Show or hide the measures of the slice in the view of the pseudo-MRI."""
        if visible != self._readingsWanted:
            self._readingsWanted = visible
            self._markSlice()

    @property
    def readings(self) -> str:
        """What the view of the pseudo-MRI says about its slice; empty when it says nothing."""
        return self._readings.text

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
        self._unfollowSlice()
        self._readings.close()
        self._chosen = None

    def forgetAll(self) -> None:
        """The scene was closed: the chart belongs to no comparison."""
        self._readings.close()
        self._chosen = None

    def _showViews(self) -> None:
        # new views get their size later than they are filled: what was fitted before is cut off then
        if self.layout.show():
            self._application.callSoon(self._fitViews)

    def _fitViews(self) -> None:
        if not self.layout.isShown:
            return
        for tag in SLICE_VIEWS:
            self.layout.fit(tag)
        volume = self.layout.backgroundVolume(SYNTHETIC)
        if volume is None:
            return
        self.layout.middleDepth(volume)
        if self.layout.backgroundVolume(REAL) is not None:
            self.layout.alignRealView()
        if volume_rendering.is_visible(self._application, volume):
            self._lookFromFront(volume)

    def _lookFromFront(self, volumeNode: Any) -> None:
        if self.layout.renderingViewNode is not None:
            volume_rendering.look_from_front(self._application, self.layout.renderingViewNode, volumeNode)

    def _followSlice(self) -> None:
        """Notice another slice, and another volume, in the view of the pseudo-MRI."""
        nodes = [self.layout.sliceNode(SYNTHETIC), self.layout.compositeNode(SYNTHETIC)]
        if None in nodes or nodes == [node for node, _tag in self._sliceObservers]:
            return
        self._unfollowSlice()
        event = vtk.vtkCommand.ModifiedEvent
        self._sliceObservers = [(node, node.AddObserver(event, self._onSlice)) for node in nodes]

    def _unfollowSlice(self) -> None:
        for node, tag in self._sliceObservers:
            node.RemoveObserver(tag)
        self._sliceObservers = []

    def _onSlice(self, *_: Any) -> None:
        self._markSlice()
        self._cutAtSlice()

    def _cutAtSlice(self) -> None:
        """Open the rendering of the pseudo-MRI at the slice that its view shows; in another plane it stays whole."""
        volume = self.layout.backgroundVolume(SYNTHETIC)
        if volume is not None and volume_rendering.is_visible(self._application, volume):
            volume_rendering.cut_in_front(self._application, volume, self.layout.coronalPlace())

    def _markSlice(self) -> None:
        comparison, text = self._chosen, ""
        volume = None if comparison is None else comparison.volumeNode
        if comparison is not None and volume is not None:
            index = self.layout.depthIndex(volume)
            depth = comparison_chart.depth_of_slice(comparison, index, slice_count(volume))
            comparison_chart.mark_depth(comparison, depth)
            if self._readingsWanted and self.layout.backgroundVolume(SYNTHETIC) is volume:
                text = readings_of(comparison, depth)
        self._readings.show(text)
