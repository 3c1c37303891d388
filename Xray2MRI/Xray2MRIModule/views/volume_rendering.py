"""Volume rendering of the pseudo-MRI: a solid knee that is cut open at the slice that is read.

In this sequence bone and fat are dark, so a translucent rendering shows a stump of muscle and hides the joint. Slicer's
presets also assume intensities of a scanner; these are relative.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import vtk

from ..application import Application
from ..scene.volume_nodes import grey_window

# share of the grey window -> opacity: air and its noise stay clear, all tissue is solid, the dark bone too
_OPACITIES = ((0.0, 0.0), (0.09, 0.0), (0.15, 0.35), (0.22, 0.95), (1.0, 1.0))
_COLOURS = ((0.0, (0.0, 0.0, 0.0)), (1.0, (1.0, 1.0, 0.97)))
_LEAST_REST = 0.1  # share of the volume's depth that a cut leaves


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
        _add_cut(logic, display, volume)
    display.SetVisibility(visible)
    return display


def cut_in_front(application: Application, volume: Any, anterior_mm: float | None) -> None:
    """Show only what lies behind a coronal plane of a volume that is shown; None shows all of it.

    ``anterior_mm`` is where the plane lies on the axis from posterior to anterior (the A of RAS). The section shows the
    volume's own grey values. Without volume rendering nothing happens.
    """
    logic = application.moduleLogic("VolumeRendering")
    display = None if logic is None else logic.GetFirstVolumeRenderingDisplayNode(volume)
    roi = None if display is None else display.GetROINode()
    if roi is None:
        return
    bounds = [0.0] * 6
    volume.GetRASBounds(bounds)
    low, high = bounds[2], bounds[3]
    front = high if anterior_mm is None else min(max(anterior_mm, low + _LEAST_REST * (high - low)), high)
    size = [bounds[1] - bounds[0], front - low, bounds[5] - bounds[4]]
    centre = [(bounds[0] + bounds[1]) / 2, (low + front) / 2, (bounds[4] + bounds[5]) / 2]
    before = [0.0] * 3
    roi.GetCenter(before)
    if not np.allclose((*before, *roi.GetSize()), (*centre, *size), atol=1e-3):
        roi.SetSize(size)
        roi.SetCenter(centre)


def is_visible(application: Application, volume: Any) -> bool:
    """Whether a volume is shown in the 3-D views."""
    logic = application.moduleLogic("VolumeRendering")
    display = None if logic is None else logic.GetFirstVolumeRenderingDisplayNode(volume)
    return display is not None and bool(display.GetVisibility())


def _add_cut(logic: Any, display: Any, volume: Any) -> None:
    """A box around the volume whose front can move; the user finds it in the module Volume Rendering."""
    roi = display.GetROINode() or logic.CreateROINode(display)
    if roi is None:
        return
    roi.SetName(f"{volume.GetName()} cut")
    roi.SetDisplayVisibility(False)
    display.SetCroppingEnabled(True)


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
    property_.ShadeOff()  # shading follows the noise of a section and hides its grey values


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
