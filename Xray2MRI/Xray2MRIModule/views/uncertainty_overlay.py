"""Where several samples disagree: the voxel-wise standard deviation, in colours over the pseudo-MRI."""

from __future__ import annotations

from typing import Any

import numpy as np
from slicer.util import arrayFromVolume

from ..scene.provenance_attributes import PREFIX, get_record, mark_synthetic, set_record
from ..scene.volume_nodes import DEVIATION_CONTENT, load_volume, sample_voxels, show_coloured
from ..translation import tr as _

DEVIATION_ROLE = f"{PREFIX}.deviation"
COLOUR = "vtkMRMLColorTableNodeIron"


def load_deviation(scene: Any, path: str, volume: Any) -> Any:
    """The standard deviation of a volume as a node of its own, referenced by the volume. Raises OSError."""
    node = load_volume(scene, path, _("{volume}, standard deviation").format(volume=volume.GetName()))
    mark_synthetic(node, DEVIATION_CONTENT)
    record = get_record(volume)
    if record is not None:
        set_record(node, record)
    volume.SetNodeReferenceID(DEVIATION_ROLE, node.GetID())
    show_above(node, None)
    return node


def deviation_of(volume: Any) -> Any:
    """The node with the standard deviation of a volume; None if it has none."""
    return None if volume is None else volume.GetNodeReference(DEVIATION_ROLE)


def show_above(deviation: Any, threshold: float | None) -> float:
    """Colour values above a threshold (stored integers, as in the volume); None chooses the upper quarter.

    Returns the threshold.
    """
    values = sample_voxels(deviation)
    highest = float(arrayFromVolume(deviation).max())
    if threshold is None:
        # the empty background has no deviation and would lower the percentile
        inside = values[values > 0]
        threshold = float(np.percentile(inside, 75)) if inside.size else 1.0
    show_coloured(deviation, COLOUR, 0.0, max(float(np.percentile(values, 99.5)), 1.0),
                  (threshold, max(highest, threshold)))  # fmt: skip
    return threshold
