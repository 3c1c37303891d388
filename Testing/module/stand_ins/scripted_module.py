"""Xray2MRI.py as Slicer loads it, with small base classes for those that slicer-core lacks."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import slicer

MODULE_FILE = Path(__file__).resolve().parents[3] / "Xray2MRI" / "Xray2MRI.py"


class ScriptedLoadableModule:
    """Keeps the description that the module fills in."""

    def __init__(self, parent: Any) -> None:
        self.parent = parent


class ScriptedLoadableModuleWidget:
    """``parent`` has the layout and knows whether the module is shown.

    "Reload" makes a new object on the same parent and calls only ``setup``, as slicer.util.reloadScriptedModule does.
    """

    def __init__(self, parent: Any = None) -> None:
        self.parent = parent
        self.layout = None if parent is None else parent.layout

    def setup(self) -> None:
        """Nothing: the original adds the developer's buttons."""

    def resourcePath(self, name: str) -> str:
        return str(MODULE_FILE.parent / "Resources" / name)


class ScriptedLoadableModuleLogic:
    """Gives the one parameter node of the scene."""

    def __init__(self, parent: Any = None) -> None:
        """Like the original: needs nothing."""

    def getParameterNode(self) -> Any:
        node = slicer.mrmlScene.GetSingletonNode("Xray2MRI", "vtkMRMLScriptedModuleNode")
        if node is None:
            node = slicer.vtkMRMLScriptedModuleNode()
            node.SetSingletonTag("Xray2MRI")
            node = slicer.mrmlScene.AddNode(node)
        return node


class ScriptedLoadableModuleTest:
    """Nothing is needed of it."""


_BASES = (ScriptedLoadableModule, ScriptedLoadableModuleWidget, ScriptedLoadableModuleLogic, ScriptedLoadableModuleTest)


def load_module_file(monkeypatch: Any) -> Any:
    """The loaded file. ``slicer.i18n`` translates nothing."""
    bases = types.ModuleType("slicer.ScriptedLoadableModule")
    for base in _BASES:
        setattr(bases, base.__name__, base)
    translation = types.ModuleType("slicer.i18n")
    translation.tr = lambda text: text  # type: ignore[attr-defined]
    translation.translate = lambda context, text: text  # type: ignore[attr-defined]
    for name, module in (("ScriptedLoadableModule", bases), ("i18n", translation)):
        monkeypatch.setitem(sys.modules, f"slicer.{name}", module)
        monkeypatch.setattr(slicer, name, module, raising=False)  # as an import of the submodule leaves it
    specification = importlib.util.spec_from_file_location("Xray2MRI_of_Slicer", MODULE_FILE)
    assert specification is not None
    assert specification.loader is not None
    loaded = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(loaded)
    return loaded
