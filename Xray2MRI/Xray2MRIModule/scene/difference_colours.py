"""Colours for a signed difference: blue below zero, red above, clear around it."""

from __future__ import annotations

from typing import Any

import numpy as np

_NEGATIVE, _POSITIVE = (0.10, 0.45, 1.0), (1.0, 0.32, 0.08)
_COLOURS = 256


def create_signed_colours(scene: Any, name: str, clear_share: float) -> Any:
    """A colour node for a window symmetric about zero; the middle ``clear_share`` (0 to 1) of it is transparent."""
    node = scene.AddNewNodeByClass("vtkMRMLColorTableNode", scene.GenerateUniqueName(name))
    node.SetTypeToUser()
    node.SetNumberOfColors(_COLOURS)
    node.SetHideFromEditors(True)
    set_clear_share(node, clear_share)
    return node


def set_clear_share(node: Any, clear_share: float) -> None:
    """Make another part of the middle transparent; beyond it, colours are opaque and grow brighter to the ends.

    Slice views draw an entry of a table fully or not at all, whatever opacity between 0 and 1 it has. The opacity of
    the whole layer is the view's.
    """
    for index, position in enumerate(np.linspace(-1.0, 1.0, _COLOURS)):
        above = (abs(position) - clear_share) / (1.0 - clear_share)
        rgb = np.asarray(_NEGATIVE if position < 0 else _POSITIVE) * (0.5 + 0.5 * max(above, 0.0))
        node.SetColor(index, f"{position:.3f}", *(float(part) for part in rgb), float(above > 0))
