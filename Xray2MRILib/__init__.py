"""Xray2MRI: a pseudo-MRI volume of the knee from one plain radiograph.

Every image from this package is synthetic: a plausible guess, never a diagnosis. Importing the package loads no heavy
libraries; the names below are loaded on first use.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__version__ = "0.1.0"

_LAZY = {
    "Xray2MRIPipeline": "Xray2MRILib.generation.pipeline",
    "PseudoMRI": "Xray2MRILib.volume.pseudo_mri",
    "read_radiograph": "Xray2MRILib.radiograph.reading",
}
# documented modules under the names that they had in version 0.1
_MOVED = {
    "Xray2MRILib.generation_settings": "Xray2MRILib.generation.settings",
    "Xray2MRILib.pipeline": "Xray2MRILib.generation.pipeline",
    "Xray2MRILib.protocol": "Xray2MRILib.worker.protocol",
    "Xray2MRILib.radiograph.preparation": "Xray2MRILib.preparation.joint_crop",
}

__all__ = [*_LAZY, "__version__"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'Xray2MRILib' has no attribute {name!r}")


class _MovedModules(Loader):
    """Finds a module by its old name, once with a warning."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return ModuleSpec(name, _MovedModules()) if name in _MOVED else None

    @staticmethod
    def create_module(spec: ModuleSpec) -> ModuleType:
        new = _MOVED[spec.name]
        warnings.warn(f"{spec.name} is now {new}.", DeprecationWarning, stacklevel=2)
        module = importlib.import_module(new)
        spec.loader_state = module.__spec__
        return module

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        """The module is loaded already; it gets its own specification back."""
        module.__spec__ = module.__spec__.loader_state if module.__spec__ else None


if _MovedModules not in sys.meta_path:
    sys.meta_path.append(_MovedModules)
