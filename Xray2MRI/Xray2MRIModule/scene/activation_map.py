"""The map of places that speak for early osteoarthritis, as colours over its radiograph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from Xray2MRILib.rendering.activation_picture import activation_colours

from ..translation import tr as _
from .provenance_attributes import MAP_CONTENT, PREFIX, mark_synthetic
from .radiograph_part import put_over_radiograph
from .volume_nodes import show_coloured

MAP_ROLE = f"{PREFIX}.earlyMap"  # from the radiograph to its map
_COLOUR_ROLE = f"{PREFIX}.mapColours"
_RESULT = f"{PREFIX}.earlyOsteoarthritis"
_COLOURS = 128
# share of the strongest place below which nothing is drawn: the views know no half transparent colours of one map
_SHOWN_FROM = 0.35


def keep_map(scene: Any, radiograph: Any, result: dict[str, Any]) -> Any:
    """The node of a radiograph's map, new or with other content; ``result`` is the worker's, whose file is read.

    Raises OSError and ValueError for a file that is no map.
    """
    values = np.load(Path(result["map"]), allow_pickle=False)
    if values.ndim != 2 or values.dtype != np.float32:
        raise ValueError(f"a map is a picture of float32, not {values.dtype} {values.shape}")
    node = map_of(radiograph)
    if node is None:
        node = scene.AddNewNodeByClass(
            "vtkMRMLScalarVolumeNode", scene.GenerateUniqueName(_("Early osteoarthritis map"))
        )
        node.SetNodeReferenceID(_COLOUR_ROLE, _create_colours(scene).GetID())
        radiograph.SetNodeReferenceID(MAP_ROLE, node.GetID())
    mark_synthetic(node, MAP_CONTENT)
    kept = {name: result[name] for name in ("probability", "places", "side", "rectangle")}
    node.SetAttribute(_RESULT, json.dumps(kept, ensure_ascii=True))
    put_over_radiograph(node, values, radiograph, result["rectangle"])
    show_coloured(node, node.GetNodeReferenceID(_COLOUR_ROLE), 0.0, 1.0, (_SHOWN_FROM, 1.0))
    return node


def map_of(radiograph: Any) -> Any:
    """The map of a radiograph; None without one."""
    return None if radiograph is None else radiograph.GetNodeReference(MAP_ROLE)


def result_of(node: Any) -> dict[str, Any]:
    """What the network said: probability, places, side, rectangle; empty when the node does not tell."""
    try:
        found = json.loads(node.GetAttribute(_RESULT) or "")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _create_colours(scene: Any) -> Any:
    """The colours of the picture that the command draws."""
    node = scene.AddNewNodeByClass("vtkMRMLColorTableNode", scene.GenerateUniqueName(_("Early osteoarthritis colours")))
    node.SetTypeToUser()
    node.SetNumberOfColors(_COLOURS)
    node.SetHideFromEditors(True)
    values = np.linspace(0.0, 1.0, _COLOURS)
    for index, (value, colour) in enumerate(zip(values, activation_colours(values) / 255.0, strict=True)):
        node.SetColor(index, f"{value:.2f}", *(float(part) for part in colour), 1.0)
    return node
