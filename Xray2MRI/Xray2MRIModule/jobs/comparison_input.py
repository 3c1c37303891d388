"""The input of a comparison: the real MRI as a file, and its placement by the user."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk

from ..failure import Failure, JobFailed
from ..scene.provenance_attributes import is_synthetic
from ..scene.volume_nodes import write_volume
from ..translation import tr as _

ALIGNMENTS = ("rigid", "similarity", "none")
_FLIP = np.diag((-1.0, -1.0, 1.0, 1.0))


def check_reference(volume: Any, reference: Any) -> None:
    """Refuse what cannot be compared. Raises JobFailed with the reason."""
    if reference is None or reference.GetScene() is None:
        raise JobFailed(Failure("no-reference", _("No real MRI is selected."), _("Select or load one.")))
    if is_synthetic(reference):
        raise JobFailed(Failure(
            "reference-synthetic", _("“{name}” is synthetic.").format(name=reference.GetName()),
            _("Select a real MRI."),
        ))  # fmt: skip
    image = reference.GetImageData()
    if reference.GetClassName() != "vtkMRMLScalarVolumeNode" or image is None or image.GetDimensions()[2] < 2:
        raise JobFailed(Failure(
            "reference-not-volume",
            _("“{name}” is not a greyscale volume with several slices.").format(name=reference.GetName()),
            _("Select a real MRI."),
        ))  # fmt: skip


def write_reference(reference: Any, folder: Path) -> Path:
    """Write the real MRI under a neutral name. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "reference.nrrd"
    write_volume(reference, path)
    return path


def initial_matrix(volume: Any, reference: Any, initial: Any) -> list[float] | None:
    """The user's placement of the real MRI relative to the pseudo-MRI, as 16 numbers: LPS mm, row by row.

    ``initial`` is a linear transform node, 16 such numbers, or None. Parent transforms of the volumes count.
    Returns None for the identity. Raises JobFailed for a transform that is not linear.
    """
    if initial is not None and isinstance(initial, Sequence):
        return [float(value) for value in initial]
    matrix = np.linalg.inv(_to_world(volume.GetParentTransformNode()))
    under = reference.GetParentTransformNode()
    if initial is not None and not _has_parent(under, initial):
        matrix = matrix @ _to_world(initial)
    matrix = _FLIP @ matrix @ _to_world(under) @ _FLIP
    return None if np.allclose(matrix, np.eye(4), atol=1e-9) else [float(value) for value in matrix.ravel()]


def _has_parent(node: Any, transform: Any) -> bool:
    while node is not None:
        if node is transform:
            return True
        node = node.GetParentTransformNode()
    return False


def _to_world(transform: Any) -> np.ndarray:
    if transform is None:
        return np.eye(4)
    if not transform.IsTransformToWorldLinear():
        raise JobFailed(Failure(
            "transform-not-linear", _("A parent transform of a volume is not linear."),
            _("Harden or remove the transform."),
        ))  # fmt: skip
    matrix = vtk.vtkMatrix4x4()
    transform.GetMatrixTransformToWorld(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)
