"""A scene that was saved with the module's layout, opened in another application."""

from __future__ import annotations

import types

import pytest
import slicer
from Xray2MRIModule.views.layout import LAYOUT_ID, SYNTHETIC, ViewLayout, layout_description


@pytest.fixture
def saved(application, logic, synthetic, tmp_path):
    """The scene file; the application that wrote it is left behind."""
    application.layoutNode.SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    logic.showLayout(None, synthetic)
    folder = tmp_path / "bundle"
    folder.mkdir()
    assert application.scene.SaveSceneToSlicerDataBundleDirectory(str(folder), None)
    return next(folder.rglob("*.mrml"))


@pytest.fixture
def other(saved, tmp_path):
    """A fresh application."""
    from core_application import CoreApplication

    return CoreApplication(tmp_path / "other")


def _read(application, path) -> None:
    application.scene.SetURL(str(path))
    assert application.scene.Connect()


def test_a_layout_that_is_not_registered_is_not_shown(saved, other):
    """What Slicer does with an unknown number: it keeps the number and shows no view at all."""
    _read(other, saved)
    assert other.layoutNode.GetViewArrangement() == LAYOUT_ID
    assert other.layoutNode.GetCurrentLayoutDescription() == ""
    layout = ViewLayout(other)
    assert not layout.isShown
    layout.show()
    assert layout.isShown
    assert other.layoutNode.GetCurrentLayoutDescription() == layout_description()
    layout.restore()
    assert other.layoutNode.GetViewArrangement() == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView


@pytest.mark.parametrize("registered", ["before", "after"])
def test_registering_at_startup_shows_the_views_of_a_saved_scene(saved, other, module_file, monkeypatch, registered):
    """A scene on the command line may be read before or after the application has started completely."""
    manager = types.SimpleNamespace(layoutLogic=lambda: types.SimpleNamespace(GetLayoutNode=lambda: other.layoutNode))
    monkeypatch.setattr(slicer.app, "layoutManager", lambda: manager, raising=False)
    if registered == "before":
        module_file.registerLayout()
        _read(other, saved)
    else:
        _read(other, saved)
        module_file.registerLayout()
    assert ViewLayout(other).isShown
    shown = ViewLayout(other).compositeNode(SYNTHETIC).GetBackgroundVolumeID()
    assert other.scene.GetNodeByID(shown).GetAttribute("Xray2MRI.synthetic") == "true"


def test_slicer_registers_the_layout_when_it_has_started(module_file, monkeypatch):
    connected = []
    monkeypatch.setattr(slicer.app, "connect", lambda signal, slot: connected.append((signal, slot)), raising=False)
    module_file.Xray2MRI(types.SimpleNamespace())
    assert ("startupCompleted()", module_file.registerLayout) in connected
