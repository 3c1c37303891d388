"""Radiographs as volume nodes: which nodes can be one, the knee box on it, and the file that the worker reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.util import arrayFromVolume

from ..application import Application
from ..failure import Failure
from ..translation import tr as _
from .provenance_attributes import is_synthetic

_SMALLEST = 32  # pixels; the worker's own limit for a knee
_KINDS = ("vtkMRMLScalarVolumeNode", "vtkMRMLVectorVolumeNode")


class RadiographError(Exception):
    """A file that is not a radiograph; the text is one sentence for the user."""


def is_radiograph(node: Any) -> Failure | None:
    """Why a node cannot be a radiograph; None when it can."""
    if node is None or node.GetScene() is None:
        return Failure("no-radiograph", _("No radiograph is selected."), _("Select or load one."))
    if node.GetClassName() not in _KINDS:
        return _refused(node, _("“{name}” is not an image."))
    image = node.GetImageData()
    if image is None or image.GetNumberOfPoints() == 0:
        return _refused(node, _("“{name}” is empty."))
    columns, rows, slices = image.GetDimensions()
    if slices != 1:
        return _refused(node, _("“{name}” has {count} slices; a radiograph has one."), count=slices)
    if min(columns, rows) < _SMALLEST:
        return _refused(node, _("“{name}” is too small ({columns} x {rows} pixels)."), columns=columns,
                        rows=rows)  # fmt: skip
    if image.GetNumberOfScalarComponents() not in (1, 3, 4):
        return _refused(node, _("“{name}” is neither greyscale nor RGB."))
    return None


def loaded_radiographs(scene: Any) -> list[Any]:
    """All radiographs of the scene in the order of loading; hidden nodes and what this program made are none."""
    found = []
    for kind in _KINDS:
        nodes = scene.GetNodesByClass(kind)
        found += [nodes.GetItemAsObject(place) for place in range(nodes.GetNumberOfItems())]
    once = {node.GetID(): node for node in found}
    numbers = {scene.GetNthNode(place).GetID(): place for place in range(scene.GetNumberOfNodes())}
    chosen = [node for node in once.values()
              if not node.GetHideFromEditors() and not is_synthetic(node) and is_radiograph(node) is None]  # fmt: skip
    return sorted(chosen, key=lambda node: numbers[node.GetID()])


def radiograph_size(node: Any) -> tuple[int, int]:
    """Columns and rows."""
    return node.GetImageData().GetDimensions()[:2]


def load_radiograph(application: Application, path: str | Path) -> Any:
    """Load an image file as a radiograph. If it raises RadiographError, it leaves no node."""
    name = Path(path).name
    if not Path(path).is_file():
        raise RadiographError(_("The file {name} does not exist.").format(name=name))
    # the file's name may be the patient's
    node = application.loadVolume(str(path), _("Radiograph"))
    if node is None:
        sentence = _("The file {name} cannot be read as an image. Choose a PNG, JPEG, TIFF or DICOM file.")
        raise RadiographError(sentence.format(name=name))
    failure = is_radiograph(node)
    if failure is not None:
        application.scene.RemoveNode(node)
        sentence = _("The file {name} is not a radiograph: it has several slices or no pixels. Choose another one.")
        raise RadiographError(sentence.format(name=name))
    return node


def roi_from_rectangle(scene: Any, radiograph: Any, rectangle: Sequence[float], name: str) -> Any:
    """A draggable box around a rectangle x, y, width, height in radiograph pixels."""
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", name)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetFillOpacity(0.0)
    display.SetHandlesInteractive(True)
    display.SetPropertiesLabelVisibility(False)
    place_roi(node, radiograph, rectangle)
    return node


def place_roi(node: Any, radiograph: Any, rectangle: Sequence[float]) -> None:
    """Move a box to a rectangle x, y, width, height in radiograph pixels."""
    x, y, width, height = (float(value) for value in rectangle)
    matrix = vtk.vtkMatrix4x4()
    radiograph.GetIJKToRASMatrix(matrix)
    # pixel (0, 0) reaches from -0.5 to 0.5 around its centre
    centre = matrix.MultiplyPoint((x + width / 2 - 0.5, y + height / 2 - 0.5, 0.0, 1.0))
    spacing = radiograph.GetSpacing()
    axes = vtk.vtkMatrix4x4()
    for axis in range(3):
        for row in range(3):
            axes.SetElement(row, axis, matrix.GetElement(row, axis) / spacing[axis])
    if np.linalg.det(slicer.util.arrayFromVTKMatrix(axes)[:3, :3]) < 0:
        for row in range(3):
            axes.SetElement(row, 2, -axes.GetElement(row, 2))
    with slicer.util.NodeModify(node):
        node.SetAndObserveTransformNodeID(radiograph.GetTransformNodeID())
        node.GetObjectToNodeMatrix().DeepCopy(axes)
        node.SetCenter(centre[:3])
        node.SetSize(width * spacing[0], height * spacing[1], max(spacing[2], 1.0) * 4)


def rectangle_of_roi(node: Any, radiograph: Any) -> list[float]:
    """The rectangle x, y, width, height in radiograph pixels under a box, clipped to the radiograph."""
    to_ijk = vtk.vtkMatrix4x4()
    radiograph.GetRASToIJKMatrix(to_ijk)
    to_world = node.GetObjectToWorldMatrix()
    from_world = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(None, radiograph.GetParentTransformNode(), from_world)
    half = [size / 2 for size in node.GetSize()]
    corners = []
    for across in (-1, 1):
        for down in (-1, 1):
            world = to_world.MultiplyPoint((across * half[0], down * half[1], 0.0, 1.0))[:3]
            corners.append(to_ijk.MultiplyPoint((*from_world.TransformPoint(world), 1.0))[:2])
    columns, rows = radiograph_size(radiograph)
    left, top = (min(corner[axis] for corner in corners) + 0.5 for axis in (0, 1))
    right, bottom = (max(corner[axis] for corner in corners) + 0.5 for axis in (0, 1))
    left, right = np.clip((left, right), 0, columns)
    top, bottom = np.clip((top, bottom), 0, rows)
    return [float(left), float(top), float(right - left), float(bottom - top)]


def radiograph_file(application: Application, node: Any, folder: Path) -> Path:
    """The file for the worker: the radiograph's own one if the node still shows it, otherwise its pixels.

    A file holds more than its pixels: side, view and photometric interpretation in the header. ``folder`` is for the
    pixels.
    Raises OSError.
    """
    own = _original_file(application, node)
    if own is not None:
        return own
    folder.mkdir(parents=True, exist_ok=True)
    return write_pixels(node, folder)


def write_pixels(node: Any, folder: Path) -> Path:
    """Write the pixels of a radiograph, first row on top, under a neutral name. Raises OSError."""
    pixels = arrayFromVolume(node)[0]
    if pixels.ndim == 3:
        from PIL import Image

        path = folder / "radiograph.png"
        Image.fromarray(np.ascontiguousarray(_eight_bits(pixels[..., :3]))).save(path)
        return path
    path = folder / "radiograph.nrrd"
    pixels = np.ascontiguousarray(
        pixels, "<f4" if pixels.dtype.kind == "f" else f"<{pixels.dtype.kind}{pixels.itemsize}"
    )
    kind = {"f": "float", "u": f"uint{8 * pixels.itemsize}", "i": f"int{8 * pixels.itemsize}"}[pixels.dtype.kind]
    header = f"NRRD0004\ntype: {kind}\ndimension: 2\nsizes: {pixels.shape[1]} {pixels.shape[0]}\n"
    across, down, _ = node.GetSpacing()
    if across != down:  # the knee keeps its proportions
        header += f"spacings: {across} {down}\n"
    path.write_bytes(f"{header}endian: little\nencoding: raw\n\n".encode("ascii") + pixels.tobytes())
    return path


def _original_file(application: Application, node: Any) -> Path | None:
    if node.GetModifiedSinceRead():
        return None
    uids = (node.GetAttribute("DICOM.instanceUIDs") or "").split()
    storage = node.GetStorageNode()
    path = application.dicomFile(uids[0]) if len(uids) == 1 else None
    if path is None and not uids and storage is not None and storage.GetNumberOfFileNames() == 0:
        path = storage.GetFullNameFromFileName()
    return Path(path) if path and Path(path).is_file() else None


def _eight_bits(colours: np.ndarray) -> np.ndarray:
    if colours.dtype == np.uint8:
        return colours
    low, high = float(colours.min()), float(colours.max())
    return np.rint((colours.astype(np.float64) - low) * (255.0 / max(high - low, 1e-9))).astype(np.uint8)


def _refused(node: Any, sentence: str, **values: int) -> Failure:
    return Failure("volume-not-radiograph", sentence.format(name=node.GetName(), **values), _("Select a radiograph."))
