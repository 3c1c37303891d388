"""Attributes that say that a volume is synthetic and how it was made; the scene saves them with the node.

The names follow the headers of the files that the library writes, e.g. ``Xray2MRI.sampling.seed``. The whole side-car
is kept too, because the worker needs it to add slices to a volume from a saved scene.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

PREFIX = "Xray2MRI"
SYNTHETIC = f"{PREFIX}.synthetic"
RECORD = f"{PREFIX}.record"
NOT_FOR_DIAGNOSIS = "synthetic, not for diagnosis"
ENHANCED_CONTENT = "Enhanced volume with computed detail"
COURSE_CONTENT = "Synthetic course of a knee, not a forecast"
MAP_CONTENT = "Map of places that speak for early osteoarthritis"
_LONGEST_LIST = 16  # as in the headers; longer ones are in the record


def is_synthetic(node: Any) -> bool:
    """Whether a node is a volume that this program made, or a map computed from one."""
    return node is not None and node.GetAttribute(SYNTHETIC) == "true"


def is_enhanced(node: Any) -> bool:
    """Whether a node is a volume whose finer voxels were computed from measured ones."""
    return _has_content(node, ENHANCED_CONTENT)


def is_course(node: Any) -> bool:
    """Whether a node is a radiograph or a pseudo-MRI of a synthetic course."""
    return _has_content(node, COURSE_CONTENT)


def is_activation_map(node: Any) -> bool:
    """Whether a node is a map that explains a network's answer about a radiograph."""
    return _has_content(node, MAP_CONTENT)


def _has_content(node: Any, content: str) -> bool:
    return is_synthetic(node) and node.GetAttribute(f"{PREFIX}.content") == content


def mark_synthetic(node: Any, content: str) -> None:
    """Mark a node before its provenance is known; ``content`` says in words what it shows."""
    node.SetAttribute(SYNTHETIC, "true")
    node.SetAttribute(f"{PREFIX}.content", content)
    node.SetDescription(f"{content}: {NOT_FOR_DIAGNOSIS}")


def set_record(node: Any, record: dict[str, Any]) -> None:
    """Attach the provenance of a side-car to its volume node, flat for readers and whole for the worker."""
    from slicer.util import NodeModify

    # one event for all attributes: each event makes every view and selector check the node
    with NodeModify(node):
        for name, text in _flat(PREFIX, record):
            node.SetAttribute(name, text)
        node.SetAttribute(RECORD, json.dumps(record, separators=(",", ":"), ensure_ascii=True))
        notice = record.get("notice", "")
        node.SetDescription(f"{node.GetAttribute(f'{PREFIX}.content')}: {NOT_FOR_DIAGNOSIS}. {notice}".strip())


def get_record(node: Any) -> dict[str, Any] | None:
    """The whole provenance of a volume node; None when it has none."""
    try:
        record = json.loads(node.GetAttribute(RECORD) or "")
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def is_intact(node: Any, record: dict[str, Any] | None = None) -> bool:
    """Whether the voxels of a node are those that the worker wrote, by its ``record``, by default the node's own."""
    import numpy as np
    from slicer.util import arrayFromVolume

    record = record or get_record(node)
    if record is None or node.GetImageData() is None:
        return False
    voxels = arrayFromVolume(node)
    if voxels.dtype != np.int16:
        return False
    found = hashlib.sha256(np.ascontiguousarray(voxels, dtype="<i2")).hexdigest()
    return found == record.get("volume", {}).get("voxels_sha256")


def _flat(name: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [pair for key, item in value.items() for pair in _flat(f"{name}.{key}", item)]
    if isinstance(value, list):
        return [(name, json.dumps(value))] if len(value) <= _LONGEST_LIST else []
    if value is None:
        return [(name, "unknown")]
    if isinstance(value, bool):
        return [(name, "true" if value else "false")]
    return [(name, " ".join(str(value).split())[:1000])]
