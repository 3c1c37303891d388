"""The radiograph: reading files, photometric sense, side, and the prepared joint crop.

Names are loaded on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

_LAZY = {
    "PreparedRadiograph": "preparation",
    "Radiograph": "reading",
    "box_from_rectangle": "preparation",
    "decide_side": "laterality",
    "normalise_crop": "preparation",
    "prepare_radiograph": "preparation",
    "radiograph_from_array": "reading",
    "read_radiograph": "reading",
}

__all__ = list(_LAZY)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(f".{_LAZY[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
