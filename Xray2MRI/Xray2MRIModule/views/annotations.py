""" "SYNTHETIC, not for diagnosis" on every view that shows a synthetic volume, whichever module shows it.

Courses, enhanced volumes and maps have words of their own.
"""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from slicer.util import VTKObservationMixin

from ..application import Application
from ..scene.provenance_attributes import is_activation_map, is_course, is_enhanced, is_synthetic
from ..translation import tr as _

TEXT = _("SYNTHETIC, not for diagnosis")
ENHANCED_TEXT = _("ENHANCED: detail is computed, not for diagnosis")
COURSE_TEXT = _("Synthetic course, not a forecast; not for diagnosis")
MAP_TEXT = _("COMPUTED MAP: no diagnosis, no proof of where disease is")
_WATCHED = ("vtkMRMLSliceCompositeNode", "vtkMRMLVolumeRenderingDisplayNode", "vtkMRMLSliceNode", "vtkMRMLViewNode")


class SyntheticAnnotations(VTKObservationMixin):
    """Follows the scene and keeps one text per view. Screenshots include the text, because it is drawn in the view."""

    def __init__(self, application: Application) -> None:
        VTKObservationMixin.__init__(self)
        self._application = application
        self._actors: dict[str, tuple[Any, vtk.vtkTextActor]] = {}  # view ID -> renderer, text
        scene = application.scene
        self.addObserver(scene, slicer.vtkMRMLScene.NodeAddedEvent, self._onNodeAdded)
        # while a scene is loaded nothing is drawn, and afterwards no node changes
        for event in (slicer.vtkMRMLScene.EndBatchProcessEvent, slicer.vtkMRMLScene.EndImportEvent):
            self.addObserver(scene, event, self._onChange)
        for node_class in _WATCHED:
            for node in slicer.util.getNodesByClass(node_class, scene):
                self._watch(node)

    def refresh(self) -> None:
        """Add the text to views that show a synthetic volume, and remove it from others."""
        if self._application.scene.IsBatchProcessing():
            return
        for viewNode, renderer in self._application.views():
            wanted = self._text_for(viewNode)
            known = self._actors.get(viewNode.GetID())
            if known is not None and known[0] is not renderer:
                self._actors.pop(viewNode.GetID())
                known = None
            if known is not None and wanted and known[1].GetInput() != wanted:
                known[1].SetInput(wanted)
                self._application.render(viewNode)
            if wanted and known is None:
                actor = _text_actor(wanted)
                renderer.AddViewProp(actor)
                self._actors[viewNode.GetID()] = (renderer, actor)
                self._application.render(viewNode)
            elif known is not None and not wanted:
                known[0].RemoveViewProp(known[1])
                del self._actors[viewNode.GetID()]
                self._application.render(viewNode)

    def annotatedViews(self) -> list[str]:
        """IDs of the view nodes that have the text now."""
        return sorted(self._actors)

    def close(self) -> None:
        """Remove all texts and stop following the scene."""
        self.removeObservers()
        for renderer, actor in self._actors.values():
            renderer.RemoveViewProp(actor)
        self._actors.clear()

    def _text_for(self, viewNode: Any) -> str:
        """The text of a view, empty without a synthetic volume; what is synthetic as a whole counts more."""
        shown = self._synthetic_volumes(viewNode)
        if not shown:
            return ""
        if any(is_course(node) for node in shown):
            return COURSE_TEXT
        if all(is_activation_map(node) for node in shown):
            return MAP_TEXT
        return ENHANCED_TEXT if all(is_enhanced(node) or is_activation_map(node) for node in shown) else TEXT

    def _synthetic_volumes(self, viewNode: Any) -> list[Any]:
        scene = self._application.scene
        if viewNode.IsA("vtkMRMLSliceNode"):
            return self._synthetic_in_slice(viewNode)
        found = []
        for display in slicer.util.getNodesByClass("vtkMRMLVolumeRenderingDisplayNode", scene):
            visible = display.GetVisibility() and display.IsDisplayableInView(viewNode.GetID())
            if visible and is_synthetic(display.GetDisplayableNode()):
                found.append(display.GetDisplayableNode())
        for node in slicer.util.getNodesByClass("vtkMRMLSliceNode", scene):
            if node.GetSliceVisible():
                found += self._synthetic_in_slice(node)
        return found

    def _synthetic_in_slice(self, sliceNode: Any) -> list[Any]:
        logic = self._application.logic.GetSliceLogicByLayoutName(sliceNode.GetLayoutName())
        composite = None if logic is None else logic.GetSliceCompositeNode()
        if composite is None:
            return []
        layers = [composite.GetBackgroundVolumeID(), composite.GetForegroundVolumeID(), composite.GetLabelVolumeID()]
        nodes = [self._application.scene.GetNodeByID(layer) for layer in layers if layer]
        return [node for node in nodes if is_synthetic(node)]

    def _watch(self, node: Any) -> None:
        # slice nodes change with every mouse move, but matter only when they are added or change their 3-D visibility
        if not node.IsA("vtkMRMLSliceNode") and not self.hasObserver(
            node, vtk.vtkCommand.ModifiedEvent, self._onChange
        ):
            self.addObserver(node, vtk.vtkCommand.ModifiedEvent, self._onChange)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeAdded(self, caller: Any, event: Any, node: Any) -> None:
        if any(node.IsA(node_class) for node_class in _WATCHED):
            self._watch(node)
            self.refresh()

    def _onChange(self, caller: Any, event: Any) -> None:
        self.refresh()


def _text_actor(text: str) -> vtk.vtkTextActor:
    actor = vtk.vtkTextActor()
    actor.SetInput(text)
    actor.GetPositionCoordinate().SetCoordinateSystemToNormalizedViewport()
    # Slicer writes the names of the volumes below, and those of a DICOM patient in the upper corners
    actor.SetPosition(0.5, 0.98)
    style = actor.GetTextProperty()
    style.SetJustificationToCentered()
    style.SetVerticalJustificationToTop()
    style.SetFontSize(13)
    style.SetColor(1.0, 0.8, 0.2)
    style.SetBackgroundColor(0.0, 0.0, 0.0)
    style.SetBackgroundOpacity(0.5)
    return actor
