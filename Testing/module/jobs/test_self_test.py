"""The flows of the module's own test, which runs inside Slicer, here on real MRML: so that they are right there."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path

import pytest
import slicer

MODULE_FILE = Path(__file__).resolve().parents[3] / "Xray2MRI" / "Xray2MRI.py"
BASES = ("ScriptedLoadableModule", "ScriptedLoadableModuleWidget", "ScriptedLoadableModuleLogic",
         "ScriptedLoadableModuleTest")  # fmt: skip


@pytest.fixture
def module_file(monkeypatch, application):
    """Xray2MRI.py as Slicer loads it. Its base classes, which slicer-core lacks, are empty ones."""
    bases = types.ModuleType("slicer.ScriptedLoadableModule")
    for name in BASES:
        setattr(bases, name, type(name, (), {}))
    translation = types.ModuleType("slicer.i18n")
    translation.tr = lambda text: text
    translation.translate = lambda context, text: text
    for name, module in (("ScriptedLoadableModule", bases), ("i18n", translation)):
        monkeypatch.setitem(sys.modules, f"slicer.{name}", module)
        monkeypatch.setattr(slicer, name, module, raising=False)  # as an import of the submodule leaves it
    monkeypatch.setattr(slicer, "app", types.SimpleNamespace(processEvents=lambda: None), raising=False)
    # slicer-core reads no pictures
    monkeypatch.setattr(
        slicer.util, "loadVolume", lambda path, options: application.loadVolume(path, options["name"]), raising=False
    )
    specification = importlib.util.spec_from_file_location("Xray2MRI_of_Slicer", MODULE_FILE)
    loaded = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(loaded)
    return loaded


@pytest.mark.slow
def test_its_flows_hold_on_real_mrml(module_file, logic):
    from Xray2MRIModule.self_test import checkAll

    checkAll(logic)
    assert logic.application.scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0


def test_a_read_scene_is_marked_though_the_module_was_never_opened(module_file, logic, monkeypatch):
    """Only a scene with a synthetic volume makes Slicer load the module's logic."""
    from Xray2MRIModule.scene.provenance_attributes import mark_synthetic

    asked = []
    monkeypatch.setattr(slicer.util, "getModuleLogic", lambda name: asked.append(name) or logic, raising=False)
    scene = logic.application.scene
    monkeypatch.setattr(slicer, "mrmlScene", scene, raising=False)
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "MRI")
    module_file.watchForReadScenes()
    scene.InvokeEvent(slicer.vtkMRMLScene.EndImportEvent)
    assert asked == []
    mark_synthetic(volume, "pseudo-MRI")
    scene.InvokeEvent(slicer.vtkMRMLScene.EndImportEvent)
    assert asked == ["Xray2MRI"]
    assert logic.views.annotatedViews() == []  # no view shows it yet
