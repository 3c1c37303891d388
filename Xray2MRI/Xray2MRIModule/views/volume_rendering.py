"""Volume rendering of the pseudo-MRI. Slicer's presets assume intensities of a scanner; these are relative."""

from __future__ import annotations

from typing import Any

import vtk

from ..application import Application
from ..scene.volume_nodes import grey_window

# share of the grey range -> opacity: background, bone and fat (dark in this sequence) stay clear, cartilage is solid
_OPACITIES = ((0.0, 0.0), (0.22, 0.0), (0.4, 0.06), (0.6, 0.2), (0.8, 0.5), (1.0, 0.75))
_COLOURS = ((0.0, (0.0, 0.0, 0.0)), (0.35, (0.45, 0.36, 0.30)), (0.7, (0.88, 0.82, 0.72)), (1.0, (1.0, 1.0, 0.97)))


def set_visible(application: Application, volume: Any, visible: bool) -> Any:
    """Show or hide a volume in the 3-D views; returns its display node, None without volume rendering."""
    logic = application.moduleLogic("VolumeRendering")
    if logic is None:
        return None
    display = logic.GetFirstVolumeRenderingDisplayNode(volume)
    if display is None:
        if not visible:
            return None
        display = logic.CreateDefaultVolumeRenderingNodes(volume)
        _set_transfer_functions(display.GetVolumePropertyNode().GetVolumeProperty(), *grey_window(volume))
    display.SetVisibility(visible)
    return display


def is_visible(application: Application, volume: Any) -> bool:
    """Whether a volume is shown in the 3-D views."""
    logic = application.moduleLogic("VolumeRendering")
    display = None if logic is None else logic.GetFirstVolumeRenderingDisplayNode(volume)
    return display is not None and bool(display.GetVisibility())


def _set_transfer_functions(property_: vtk.vtkVolumeProperty, low: float, high: float) -> None:
    opacity = vtk.vtkPiecewiseFunction()
    for share, value in _OPACITIES:
        opacity.AddPoint(low + share * (high - low), value)
    colour = vtk.vtkColorTransferFunction()
    for share, rgb in _COLOURS:
        colour.AddRGBPoint(low + share * (high - low), *rgb)
    property_.SetScalarOpacity(opacity)
    property_.SetColor(colour)
    property_.SetInterpolationTypeToLinear()
    property_.ShadeOn()
    property_.SetAmbient(0.35)
    property_.SetDiffuse(0.7)
    property_.SetSpecular(0.1)


def look_from_front(application: Application, view: Any, volume: Any) -> None:
    """Point the camera of a 3-D view at the whole knee from the front and slightly from the side."""
    logic = application.moduleLogic("Cameras")
    camera = None if logic is None else logic.GetViewActiveCameraNode(view)
    if camera is None:
        return
    bounds = [0.0] * 6
    volume.GetRASBounds(bounds)
    centre = [(bounds[2 * axis] + bounds[2 * axis + 1]) / 2 for axis in range(3)]
    reach = max(bounds[2 * axis + 1] - bounds[2 * axis] for axis in range(3))
    camera.SetFocalPoint(*centre)
    camera.SetPosition(centre[0] + 0.9 * reach, centre[1] + 2.5 * reach, centre[2] + 0.5 * reach)
    camera.SetViewUp(0.0, 0.0, 1.0)
    camera.ResetClippingRange()
