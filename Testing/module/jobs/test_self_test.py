"""The flows of the module's own test, which runs inside Slicer, here on real MRML: so that they are right there."""

from __future__ import annotations

import pytest
import slicer


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
