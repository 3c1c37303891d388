"""Pictures that the worker computes for a part of a radiograph, as nodes in its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.util import updateVolumeFromArray


def put_over_radiograph(node: Any, picture: np.ndarray, radiograph: Any, rectangle: Sequence[float]) -> None:
    """Give a volume node the pixels of a picture [H, W] that shows a rectangle of a radiograph, and its place.

    ``rectangle`` is x, y, width, height in radiograph pixels; pixel (0, 0) reaches from -0.5 to 0.5 around its centre.
    """
    rows, columns = picture.shape
    x, y, width, height = (float(value) for value in rectangle)
    to_pixels = np.diag((width / columns, height / rows, 1.0, 1.0))
    to_pixels[:2, 3] = x + (width / columns - 1) / 2, y + (height / rows - 1) / 2
    of_radiograph = vtk.vtkMatrix4x4()
    radiograph.GetIJKToRASMatrix(of_radiograph)
    matrix = slicer.util.arrayFromVTKMatrix(of_radiograph) @ to_pixels
    updateVolumeFromArray(node, np.ascontiguousarray(picture)[np.newaxis])
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix))
    node.SetAndObserveTransformNodeID(radiograph.GetTransformNodeID())
