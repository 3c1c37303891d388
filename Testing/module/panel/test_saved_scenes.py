"""A scene that is read while the module is open, and the developer's Reload."""

from __future__ import annotations

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import slicer
from test_panel_results import _generated, _moved_copy


def _saved(desk: Any, folder: Path) -> Path:
    folder.mkdir()
    assert desk.scene.SaveSceneToSlicerDataBundleDirectory(str(folder), None)
    return next(folder.rglob("*.mrml"))


def _read(desk: Any, path: Path) -> None:
    desk.scene.SetURL(str(path))
    assert desk.scene.Connect()  # closes the scene, then reads


def test_a_scene_read_while_the_module_is_open_fills_the_panel(
    desk: Any, knee_radiograph: Path, two_knee_radiograph: Path, tmp_path: Path
) -> None:
    volume = _generated(desk, knee_radiograph)
    desk.ui.seedSpinBox.value = 7
    path = _saved(desk, tmp_path / "bundle")
    names = desk.parameters.radiograph.GetName(), volume.GetName()
    for _ in range(2):  # with the same scene and with nothing before
        desk.scene.Clear(0)
        _read(desk, path)
        assert desk.ui.radiographSelector.currentNode().GetName() == names[0]
        assert desk.ui.volumeSelector.currentNode().GetName() == names[1]
        assert desk.ui.seedSpinBox.value == 7
        desk.until(lambda: desk.panel.prepared is not None)
        assert "One knee was found" in desk.ui.radiographStatusLabel.text
        assert desk.ui.generateButton.enabled is True
    # the widgets lead to the parameter node of the scene
    desk.ui.seedSpinBox.value = 8
    assert desk.parameterNode().seed == 8


def test_knee_and_box_of_a_scene_survive_its_import_over_another_radiograph(
    desk: Any, knee_radiograph: Path, two_knee_radiograph: Path, tmp_path: Path
) -> None:
    desk.load(two_knee_radiograph)
    desk.ui.kneeSelector.setCurrentIndex(2)
    desk.until(lambda: desk.panel.prepared is not None and desk.panel.prepared["side"] == "left")
    path = _saved(desk, tmp_path / "bundle")
    desk.scene.Clear(0)
    desk.load(knee_radiograph)
    desk.scene.SetURL(str(path))
    assert desk.scene.Import()  # adds to what is there
    assert desk.parameters.knee == 2
    desk.until(lambda: desk.panel.prepared is not None and desk.panel.prepared["side"] == "left")


def test_a_comparison_of_a_read_scene_can_be_read_and_its_difference_hidden(
    desk: Any, knee_radiograph: Path, tmp_path: Path
) -> None:
    volume = _generated(desk, knee_radiograph)
    desk.ui.referenceSelector.setCurrentNode(_moved_copy(volume))
    desk.ui.compareButton.click()
    desk.until(lambda: desk.ui.compareButton.text == "Compare")
    desk.ui.chartSelector.setCurrentIndex(2)
    desk.ui.differenceSelector.setCurrentIndex(1)
    desk.ui.compareSection.collapsed = False
    verdict, chosen = desk.panel.comparison.verdict, desk.ui.chartSelector.currentText
    path = _saved(desk, tmp_path / "bundle")
    desk.scene.Clear(0)
    assert desk.panel.comparison is None
    _read(desk, path)
    comparison = desk.panel.comparison
    assert comparison is not None
    assert comparison.verdict == verdict
    assert desk.ui.comparisonResult.isHidden() is False
    assert desk.ui.comparisonTable.mrmlTableNode() is comparison.summaryTableNode
    assert desk.ui.chartSelector.currentText == chosen
    composite = desk.logic.views.layout.compositeNode("Xray2MRISynthetic")
    assert composite.GetForegroundVolumeID() == comparison.differenceNode.GetID()
    assert desk.ui.differenceSelector.currentIndex == 1
    desk.ui.differenceSelector.setCurrentIndex(0)
    assert composite.GetForegroundVolumeID() is None
    # the chart's line follows the slice again
    desk.logic.views.layout.sliceNode("Xray2MRISynthetic").JumpSliceByOffsetting(0, 36.75, 0)
    line = comparison.node("marker").GetTable().GetColumn(0).GetValue(0)
    assert line == pytest.approx(comparison.result["per_slice"][0]["depth_mm"])

    # another volume has no comparison
    desk.ui.volumeSelector.setCurrentNode(None)
    assert desk.panel.comparison is None
    assert desk.ui.comparisonResult.isHidden()


@pytest.fixture
def widget(desk: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Xray2MRIWidget on the desk's form and logic; the desk's own panel is closed."""
    from scripted_module import load_module_file

    desk.panel.cleanup()
    for tag in desk.tags:
        desk.scene.RemoveObserver(tag)
    desk.tags = []
    file = load_module_file(monkeypatch)
    monkeypatch.setattr(slicer.util, "loadUI", lambda path: desk.root, raising=False)
    monkeypatch.setattr(file, "Xray2MRILogic", lambda: desk.logic)
    monkeypatch.setattr(desk.logic, "close", lambda: None)
    parent = types.SimpleNamespace(layout=types.SimpleNamespace(addWidget=lambda widget: None), isEntered=False)
    made = file.Xray2MRIWidget(parent)
    made.setup()
    parent.isEntered = True
    made.enter()
    desk.panel = made.panel
    yield made
    made.cleanup()
    desk.panel = types.SimpleNamespace(cleanup=lambda: None)


def test_reload_keeps_the_radiograph(desk: Any, widget: Any, knee_radiograph: Path) -> None:
    radiograph = desk.load(knee_radiograph)
    desk.until(lambda: "One knee was found" in desk.ui.radiographStatusLabel.text)
    # as slicer.util.reloadScriptedModule: clean up, make a new widget on the same parent, set it up
    parent = widget.parent
    widget.cleanup()
    widget.__init__(parent)
    widget.setup()
    desk.panel = widget.panel
    assert desk.ui.radiographSelector.currentNode() is radiograph
    desk.until(lambda: "One knee was found" in desk.ui.radiographStatusLabel.text)
    assert desk.ui.generateButton.enabled is True


def test_the_widget_reads_a_scene_only_while_the_module_is_shown(
    desk: Any, widget: Any, knee_radiograph: Path, tmp_path: Path
) -> None:
    desk.load(knee_radiograph)
    path = _saved(desk, tmp_path / "bundle")
    desk.scene.Clear(0)
    _read(desk, path)
    assert desk.ui.radiographSelector.currentNode() is not None
    desk.until(lambda: desk.panel.prepared is not None)
    widget.exit()
    widget.parent.isEntered = False
    _read(desk, path)
    assert widget.panel.parameterNode is None
    widget.parent.isEntered = True
    widget.enter()
    desk.until(lambda: desk.panel.prepared is not None)
