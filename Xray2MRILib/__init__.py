"""Xray2MRI: a pseudo-MRI volume of the knee from one plain radiograph.

Every picture made here is synthetic: a plausible guess, never a diagnosis. The package imports nothing heavy at
import time; the names below are loaded on first use.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_LAZY = {
    "Xray2MRIPipeline": "Xray2MRILib.pipeline",
    "PseudoMRI": "Xray2MRILib.volume.pseudo_mri",
    "read_radiograph": "Xray2MRILib.radiograph.reading",
}

__all__ = [*_LAZY, "__version__"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'Xray2MRILib' has no attribute {name!r}")
