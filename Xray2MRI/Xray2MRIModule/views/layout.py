"""The module's own layout: pseudo-MRI and real MRI above, radiograph, volume rendering and chart below.

No row has more than two slice views: the slider of each makes it 330 pixels wide at least, and three of them with the
panel need a window wider than 1,280 pixels. The views have their own tags, so that no other views change. The two MR
views are linked; the view of the radiograph is not, because a radiograph has no position in the body.
"""

from __future__ import annotations

from typing import Any

import slicer
import vtk

from ..application import Application
from ..scene.provenance_attributes import PREFIX

RADIOGRAPH, SYNTHETIC, REAL = "Xray2MRIRadiograph", "Xray2MRISynthetic", "Xray2MRIReal"
RENDERING, CHART = "Xray2MRIRendering", "Xray2MRIChart"
SLICE_VIEWS = (RADIOGRAPH, SYNTHETIC, REAL)
LAYOUT_ID = 23712
_FORMER = f"{PREFIX}.formerLayout"
# with the default group, other views would follow these
_RADIOGRAPH_GROUP, _MR_GROUP = 23711, 23712
_CORONAL = 0.98  # least cosine between a view's normal and the axis from posterior to anterior


def _view(node_class: str, tag: str, **properties: object) -> str:
    inner = "".join(
        f'<property name="{name}" action="default">{value}</property>' for name, value in properties.items()
    )
    return f'<item><view class="{node_class}" singletontag="{tag}">{inner}</view></item>'


def layout_description() -> str:
    """The layout as XML."""
    radiograph = _view("vtkMRMLSliceNode", RADIOGRAPH, orientation="Axial", viewlabel="X", viewcolor="#808080",
                 viewgroup=_RADIOGRAPH_GROUP)  # fmt: skip
    synthetic = _view("vtkMRMLSliceNode", SYNTHETIC, orientation="Coronal", viewlabel="S", viewcolor="#E8A33D",
                      viewgroup=_MR_GROUP)  # fmt: skip
    real = _view("vtkMRMLSliceNode", REAL, orientation="Coronal", viewlabel="R", viewcolor="#6EB04B",
                 viewgroup=_MR_GROUP)  # fmt: skip
    rendering = _view("vtkMRMLViewNode", RENDERING, viewlabel="3D")
    chart = _view("vtkMRMLPlotViewNode", CHART, viewlabel="C")
    return (
        '<layout type="vertical" split="true">'
        f'<item><layout type="horizontal" split="true">{synthetic}{real}</layout></item>'
        f'<item><layout type="horizontal" split="true">{radiograph}{rendering}{chart}</layout></item>'
        "</layout>"
    )


class ViewLayout:
    """Shows the layout, fills its views, and restores the previous layout."""

    def __init__(self, application: Application) -> None:
        self._application = application

    @property
    def isShown(self) -> bool:
        """Whether the module's layout is shown.

        A scene can ask for its number before it is registered; the view area is blank then.
        """
        node = self._application.layoutNode
        if node is None or node.GetViewArrangement() != LAYOUT_ID:
            return False
        return node.GetCurrentLayoutDescription() == layout_description()

    def show(self) -> bool:
        """Switch to the module's layout and remember the previous one. Returns False if it was shown already."""
        node = self._application.layoutNode
        if node is None:
            return False
        self.register()
        if self.isShown:
            return False
        node.SetAttribute(_FORMER, str(node.GetViewArrangement()))
        node.SetViewArrangement(LAYOUT_ID)
        for tag in SLICE_VIEWS:
            composite = self.compositeNode(tag)
            if composite is not None:
                # loaders show what they load in all views that propagate
                composite.SetDoPropagateVolumeSelection(False)
                composite.SetLinkedControl(tag != RADIOGRAPH)
                composite.SetHotLinkedControl(tag != RADIOGRAPH)
        view = self.renderingViewNode
        if view is not None:
            # Slicer fits both to all that the views show, also to the flat radiograph, which lies elsewhere
            view.SetBoxVisible(False)
            view.SetAxisLabelsVisible(False)
            view.SetBackgroundColor(0.0, 0.0, 0.0)
            view.SetBackgroundColor2(0.0, 0.0, 0.0)
        return True

    def restore(self) -> None:
        """Restore the previous layout, if the module's one is shown."""
        node = self._application.layoutNode
        if node is None or node.GetViewArrangement() != LAYOUT_ID:
            return
        former = int(node.GetAttribute(_FORMER) or 0)
        node.SetViewArrangement(former or slicer.vtkMRMLLayoutNode.SlicerLayoutInitialView)

    def register(self) -> None:
        """Register the layout under its number. Views that a scene asked for before appear now."""
        node = self._application.layoutNode
        if node is None:
            return
        if not node.AddLayoutDescription(LAYOUT_ID, layout_description()):
            node.SetLayoutDescription(LAYOUT_ID, layout_description())
        if node.GetViewArrangement() == LAYOUT_ID:
            node.SetViewArrangement(LAYOUT_ID)

    def sliceNode(self, tag: str) -> Any:
        """The slice node of one of our views, None before it exists."""
        return self._application.scene.GetSingletonNode(tag, "vtkMRMLSliceNode")

    def sliceLogic(self, tag: str) -> Any:
        """The slice logic of one of our views, None before it exists."""
        return self._application.logic.GetSliceLogicByLayoutName(tag)

    def compositeNode(self, tag: str) -> Any:
        """What is shown in one of our slice views, None before it exists."""
        logic = self.sliceLogic(tag)
        return None if logic is None else logic.GetSliceCompositeNode()

    @property
    def renderingViewNode(self) -> Any:
        """The 3-D view node, None before it exists."""
        return self._application.scene.GetSingletonNode(RENDERING, "vtkMRMLViewNode")

    @property
    def chartViewNode(self) -> Any:
        """The plot view node, None before it exists."""
        return self._application.scene.GetSingletonNode(CHART, "vtkMRMLPlotViewNode")

    def showVolume(self, tag: str, node: Any) -> None:
        """Show one whole volume in one of the views, in the volume's own plane; None empties the view."""
        composite = self.compositeNode(tag)
        if composite is None:
            return
        composite.SetForegroundVolumeID(None)
        composite.SetBackgroundVolumeID(None if node is None else node.GetID())
        if node is None:
            return
        slice_node = self.sliceNode(tag)
        slice_node.SetOrientation("Axial" if tag == RADIOGRAPH else "Coronal")
        slice_node.RotateToVolumePlane(node)
        self.fit(tag)

    def reformat(self, orientation: str) -> None:
        """Turn both MR views to the plane of their volume that is nearest to an orientation, at the same place."""
        volume, node = self.backgroundVolume(SYNTHETIC), self.sliceNode(SYNTHETIC)
        if volume is None or node is None:
            return
        node.SetOrientation(orientation)
        node.RotateToVolumePlane(volume)
        self.fit(SYNTHETIC)
        self.middleDepth(volume)
        self.alignRealView()

    def fit(self, tag: str) -> None:
        """Fit the whole volume of one of the views into it; no effect for an empty view."""
        logic = self.sliceLogic(tag)
        if logic is not None and logic.GetSliceCompositeNode().GetBackgroundVolumeID():
            logic.FitSliceToBackground()
            logic.SnapSliceOffsetToIJK()

    def backgroundVolume(self, tag: str) -> Any:
        """The volume that one of the views shows; None for an empty view."""
        composite = self.compositeNode(tag)
        volume = None if composite is None else composite.GetBackgroundVolumeID()
        return None if not volume else self._application.scene.GetNodeByID(volume)

    def alignRealView(self) -> None:
        """Show the same plane and field of view of the real MRI as of the pseudo-MRI."""
        synthetic, real = self.sliceNode(SYNTHETIC), self.sliceNode(REAL)
        if synthetic is None or real is None:
            return
        real.GetSliceToRAS().DeepCopy(synthetic.GetSliceToRAS())
        real.SetFieldOfView(*synthetic.GetFieldOfView())
        real.UpdateMatrices()

    def overlay(self, tag: str, node: Any, opacity: float) -> None:
        """Show a map over the volume of a view; None removes it."""
        composite = self.compositeNode(tag)
        if composite is None:
            return
        composite.SetForegroundVolumeID(None if node is None else node.GetID())
        composite.SetForegroundOpacity(opacity if node is not None else 0.0)

    def middleDepth(self, volume: Any) -> None:
        """Move both MR views to the middle of a volume."""
        bounds = [0.0] * 6
        volume.GetRASBounds(bounds)
        middle = [(bounds[2 * axis] + bounds[2 * axis + 1]) / 2 for axis in range(3)]
        for tag in (SYNTHETIC, REAL):
            node = self.sliceNode(tag)
            if node is not None:
                node.JumpSliceByOffsetting(*middle)

    def depthIndex(self, volume: Any) -> int | None:
        """Index (file order) of the slice that the view of the pseudo-MRI shows; None outside the volume."""
        node = self.sliceNode(SYNTHETIC)
        if node is None or volume is None or volume.GetImageData() is None:
            return None
        matrix, to_ijk = node.GetSliceToRAS(), vtk.vtkMatrix4x4()
        volume.GetRASToIJKMatrix(to_ijk)
        position = [matrix.GetElement(row, 3) for row in range(3)]
        index = round(to_ijk.MultiplyPoint((*position, 1.0))[2])
        return index if 0 <= index < volume.GetImageData().GetDimensions()[2] else None

    def coronalPlace(self) -> float | None:
        """Where the view of the pseudo-MRI cuts the axis from posterior to anterior, mm; None in another plane."""
        node = self.sliceNode(SYNTHETIC)
        if node is None:
            return None
        matrix = node.GetSliceToRAS()
        return matrix.GetElement(1, 3) if abs(matrix.GetElement(1, 2)) > _CORONAL else None
