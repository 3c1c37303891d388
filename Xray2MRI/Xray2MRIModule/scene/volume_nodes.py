"""MRML volumes from the worker's files: single slices, whole volumes, display.

Voxels have the order of the files: [S, H, W], slice 0 the most anterior one. Files are LPS, the scene is RAS.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.util import arrayFromVolume, arrayFromVolumeModified
from vtk.util.numpy_support import vtk_to_numpy

from .provenance_attributes import PREFIX, mark_synthetic
from .subject_folder import remove_node

CONTENT = "Pseudo-MRI of a knee from one radiograph"
DEVIATION_CONTENT = "Standard deviation of a pseudo-MRI over several samples"
_NEVER_WIDER = 1e-6
# share of the white of a pseudo-MRI: as reading_window finds it for most knees
_FIRST_WINDOW = (0.07, 0.77)
_FIRST_SHOWN = f"{PREFIX}.firstWindow"
_ENOUGH_VOXELS = 200_000


def ijk_to_ras(grid: dict[str, Any]) -> vtk.vtkMatrix4x4:
    """The matrix of a grid as the worker reports it (spacing_mm, origin_lps_mm, direction_lps)."""
    direction = np.reshape(grid["direction_lps"], (3, 3))
    affine = np.eye(4)
    affine[:3, :3] = direction * grid["spacing_mm"]
    affine[:3, 3] = grid["origin_lps_mm"]
    return slicer.util.vtkMatrixFromArray(np.diag((-1.0, -1.0, 1.0, 1.0)) @ affine)


def create_streaming_volume(scene: Any, name: str, grid: dict[str, Any]) -> Any:
    """An empty int16 volume for slices that will arrive. It is not saved with the scene until it is complete."""
    columns, rows, slices = (int(count) for count in grid["size"])
    image = vtk.vtkImageData()
    image.SetDimensions(columns, rows, slices)
    image.AllocateScalars(vtk.VTK_SHORT, 1)
    vtk_to_numpy(image.GetPointData().GetScalars()).fill(0)
    node = _add_volume(scene, name)
    node.SetIJKToRASMatrix(ijk_to_ras(grid))
    node.SetAndObserveImageData(image)
    node.SetSaveWithScene(False)
    mark_synthetic(node, CONTENT)
    stored_white = (1.0 - grid["intensity_intercept"]) / grid["intensity_slope"]
    show_grey(node, *(share * stored_white for share in _FIRST_WINDOW))
    node.SetAttribute(_FIRST_SHOWN, _window_text(node.GetScalarVolumeDisplayNode()))
    return node


def insert_slice(node: Any, report: dict[str, Any]) -> None:
    """Put a final slice (a ``slice`` report of the worker) into its place; ``notify_voxels_changed`` shows it.

    Raises OSError and ValueError for a wrong file.
    """
    grid = report["grid"]
    grey = np.load(report["file"], allow_pickle=False)
    voxels = arrayFromVolume(node)
    if grey.shape != voxels.shape[1:]:
        raise ValueError(f"a slice is {grey.shape}, the volume {voxels.shape}")
    stored = np.rint((grey.astype(np.float64) - grid["intensity_intercept"]) / grid["intensity_slope"])
    voxels[report["file_index"]] = stored.astype(voxels.dtype)


def notify_voxels_changed(node: Any) -> None:
    """Tell all views of the volume that its voxels changed."""
    arrayFromVolumeModified(node)


def read_into(node: Any, path: str | Path) -> None:
    """Read a volume file into a node without linking the node to that temporary file. Raises OSError."""
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(str(path))
    storage.SetCenterImage(0)
    storage.SetSingleFile(1)
    if not storage.ReadData(node):
        raise OSError(f"The volume file {Path(path).name} cannot be read.")
    # a scene saved without its data would look for the temporary file otherwise
    node.StorableModified()


def load_volume(scene: Any, path: str | Path, name: str) -> Any:
    """A new node with the content of a volume file. If it raises OSError, it leaves no node."""
    node = _add_volume(scene, name)
    try:
        read_into(node, path)
    except OSError:
        remove(scene, node)
        raise
    return node


def write_volume(node: Any, path: str | Path) -> None:
    """Write a volume node as NRRD, uncompressed, without changing anything about the node. Raises OSError."""
    storage = slicer.vtkMRMLNRRDStorageNode()
    storage.SetFileName(str(path))
    storage.SetUseCompression(0)
    times = node.GetModifiedSinceRead()
    if not storage.WriteData(node):
        raise OSError(f"The volume {Path(path).name} cannot be written.")
    if times:
        node.StorableModified()


def show_grey(node: Any, low: float, high: float) -> None:
    """Grey values from black at ``low`` to white at ``high``."""
    display = _display(node)
    display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")
    display.SetWindowLevelMinMax(low, high)


def show_coloured(node: Any, colour: str, low: float, high: float, threshold: tuple[float, float] | None) -> None:
    """A map in colours (``colour`` is the ID of a colour node); values outside of ``threshold`` are transparent."""
    display = _display(node)
    display.SetAndObserveColorNodeID(colour)
    display.SetWindowLevelMinMax(low, high)
    if threshold is None:
        display.ApplyThresholdOff()
    else:
        display.SetThreshold(*threshold)
        display.ApplyThresholdOn()


def grey_window(node: Any) -> tuple[float, float]:
    """Black and white for an image without a natural range: its 0.5th and 99.5th percentile."""
    low, high = np.percentile(sample_voxels(node), (0.5, 99.5))
    return float(low), float(max(high, low + _NEVER_WIDER))


def reading_window(node: Any) -> tuple[float, float]:
    """Black and white for reading a gradient echo of the knee: bright muscle and cartilage, dark marrow and fat.

    Found among the voxels that are brighter than air and its noise, so that a pseudo-MRI and a real MRI of the same
    field of view look alike whatever their units.
    """
    voxels = sample_voxels(node).astype(np.float64)
    low, high = np.percentile(voxels, (0.5, 99.5))
    tissue = voxels[voxels > low + 0.06 * (high - low)]
    if tissue.size == 0:
        return grey_window(node)
    black, bright = np.percentile(tissue, (2, 95))
    # muscle is mid-grey otherwise: cartilage and fluid may be white
    return float(black), float(max(black + 0.9 * (bright - black), black + _NEVER_WIDER))


def settle_window(node: Any) -> None:
    """Replace the usual window of a volume whose slices were still arriving by its own, unless the user moved it."""
    display = node.GetScalarVolumeDisplayNode()
    if display is not None and node.GetAttribute(_FIRST_SHOWN) == _window_text(display):
        show_grey(node, *reading_window(node))
    node.RemoveAttribute(_FIRST_SHOWN)


def _window_text(display: Any) -> str:
    return f"{display.GetWindowLevelMin():.6g} {display.GetWindowLevelMax():.6g}"


def show_for_reading(node: Any) -> None:
    """The first display of a volume; a window that the user, or a DICOM file, has set stays."""
    display = node.GetScalarVolumeDisplayNode()
    if display is None or display.GetAutoWindowLevel():
        show_grey(node, *reading_window(node))


def copy_window(source: Any, target: Any) -> None:
    """Give ``target`` the window of ``source``, in its own units: as far from its black and its white."""
    display = source.GetScalarVolumeDisplayNode()
    black, white = reading_window(source)
    shares = [(value - black) / (white - black) for value in
              (display.GetWindowLevelMin(), display.GetWindowLevelMax())]  # fmt: skip
    black, white = reading_window(target)
    show_grey(target, *(black + share * (white - black) for share in shares))


def sample_voxels(node: Any) -> np.ndarray:
    """Every second voxel of a row and column, or fewer of a large volume: enough for a percentile, and fast."""
    voxels = arrayFromVolume(node)
    step = max(2, round((voxels.size / _ENOUGH_VOXELS) ** (1 / 3)))
    return voxels[:: step - 1, ::step, ::step]


def slice_count(node: Any) -> int:
    """Number of slices of a volume; 0 when it is empty."""
    image = node.GetImageData()
    return 0 if image is None else image.GetDimensions()[2]


def remove(scene: Any, node: Any) -> None:
    """Remove a volume with its display and storage nodes; no effect when it is gone."""
    if node is None or node.GetScene() is not scene:
        return
    own = [node.GetNthDisplayNode(index) for index in range(node.GetNumberOfDisplayNodes())]
    renderings = [display for display in own if display and display.IsA("vtkMRMLVolumeRenderingDisplayNode")]
    own += [rendering.GetROINode() for rendering in renderings]
    own.append(node.GetStorageNode())
    remove_node(scene, node)
    for other in own:
        if other is not None and other.GetScene() is scene:
            scene.RemoveNode(other)


def _add_volume(scene: Any, name: str) -> Any:
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", scene.GenerateUniqueName(name))
    return node


def _display(node: Any) -> Any:
    display = node.GetScalarVolumeDisplayNode()
    if display is None:
        # CreateDefaultDisplayNodes would look for a window in all voxels: a sixth of a second for 500 slices
        display = node.GetScene().AddNewNodeByClass("vtkMRMLScalarVolumeDisplayNode")
        display.AutoWindowLevelOff()
        node.SetAndObserveDisplayNodeID(display.GetID())
    display.AutoWindowLevelOff()
    return display
