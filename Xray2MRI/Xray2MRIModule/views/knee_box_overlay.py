"""The frame around the detected knee in the view of the radiograph. It cannot be dragged and is never saved.

A box that the user sets manually is another node, see scene.radiograph_node.roi_from_rectangle.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..scene.radiograph_node import place_roi, roi_from_rectangle
from ..scene.subject_folder import remove_node
from ..translation import tr as _
from .layout import RADIOGRAPH

_COLOUR = (1.0, 0.8, 0.2)
_VIEW = f"vtkMRMLSliceNode{RADIOGRAPH}"


def show_in_radiograph_view_only(roi: Any) -> None:
    """Show a box in the view of the radiograph and nowhere else: a radiograph has no position in the body."""
    display = roi.GetDisplayNode()
    if display is not None and list(display.GetViewNodeIDs()) != [_VIEW]:
        display.RemoveAllViewNodeIDs()
        display.AddViewNodeID(_VIEW)


class KneeBoxOverlay:
    """One frame, created for the first knee and removed with the panel."""

    def __init__(self, scene: Any) -> None:
        self._scene = scene
        self._node: Any = None
        self._place: tuple | None = None

    @property
    def node(self) -> Any:
        """The frame's node; None before the first knee and after its removal from the scene."""
        return self._node if self._node is not None and self._node.GetScene() is self._scene else None

    def show(self, radiograph: Any, rectangle: Sequence[float]) -> None:
        """Put the frame around a rectangle x, y, width, height in radiograph pixels."""
        node, place = self.node, (radiograph.GetID(), *rectangle)
        if node is None:
            node = roi_from_rectangle(self._scene, radiograph, rectangle, _("Detected knee"))
            node.SetHideFromEditors(True)
            node.SetSaveWithScene(False)
            node.SetSelectable(False)
            node.SetLocked(True)
            display = node.GetDisplayNode()
            display.SetSaveWithScene(False)
            display.SetHandlesInteractive(False)
            display.SetPointLabelsVisibility(False)
            display.SetColor(*_COLOUR)
            display.SetSelectedColor(*_COLOUR)
            # the control point of a box is its centre: a dot on the joint
            node.SetNthControlPointVisibility(0, False)
            show_in_radiograph_view_only(node)
            self._node = node
        elif place != self._place:
            place_roi(node, radiograph, rectangle)
        self._place = place
        node.GetDisplayNode().SetVisibility(True)

    def hide(self) -> None:
        """Hide the frame."""
        node = self.node
        if node is not None and node.GetDisplayNode() is not None:
            node.GetDisplayNode().SetVisibility(False)

    def remove(self) -> None:
        """Remove the frame from the scene."""
        node = self.node
        self._node = None
        if node is not None:
            display = node.GetDisplayNode()
            remove_node(self._scene, node)
            if display is not None and display.GetScene() is self._scene:
                self._scene.RemoveNode(display)
