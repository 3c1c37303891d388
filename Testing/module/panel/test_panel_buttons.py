"""Buttons that the main flows do not press: samples, the other formats of the export, the environment section."""

from __future__ import annotations

import csv
import html
import sys
import types
import venv
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import slicer
from PySide6.QtWidgets import QApplication
from test_panel_results import _generated, _moved_copy


@pytest.mark.parametrize(("button", "count"), [("sampleKneeButton", 1), ("sampleKneesButton", 2)])
def test_sample_buttons_load_a_radiograph_and_have_it_looked_at(
    desk: Any, monkeypatch: pytest.MonkeyPatch, button: str, count: int
) -> None:
    def load(path: str, properties: dict[str, Any]) -> Any:
        assert properties["singleFile"] is True
        return desk.logic.application.loadVolume(path, properties["name"])

    # the application reads pictures, slicer-core alone does not
    monkeypatch.setattr(slicer.util, "loadVolume", load, raising=False)
    getattr(desk.ui, button).click()
    desk.until(lambda: desk.panel.prepared is not None)
    assert len(desk.panel.prepared["knees"]) == count
    assert desk.panel.prepared["plausible"]
    radiograph = desk.ui.radiographSelector.currentNode()
    assert "CC BY 4.0" in radiograph.GetDescription()
    assert desk.ui.generateButton.enabled is True


def test_dicom_report_and_table_by_clicks(desk: Any, knee_radiograph: Path, tmp_path: Path) -> None:
    volume = _generated(desk, knee_radiograph)
    desk.ui.referenceSelector.setCurrentNode(_moved_copy(volume))
    desk.ui.compareButton.click()
    desk.until(lambda: desk.ui.compareButton.text == "Compare")
    comparison = desk.panel.comparison
    assert comparison is not None, desk.sentences()
    desk.ui.exportFolderEdit.currentPath = str(tmp_path)
    for index in (2, 3, 4):
        desk.ui.formatSelector.setCurrentIndex(index)
        desk.ui.exportButton.click()
        desk.until(lambda: desk.ui.exportButton.text == "Export" and desk.ui.exportMessageLabel.text != "Writing ...")
        assert desk.ui.exportMessageLabel.text.startswith("<b>Written:</b>"), desk.sentences()
    made = {path.name.rpartition("synthetic")[2]: path for path in tmp_path.iterdir()}
    assert set(made) == {"_dicom", "_report", ".csv"}

    images = [pydicom.dcmread(path) for path in made["_dicom"].rglob("*") if path.is_file()]
    voxels = sum(int(image.get("NumberOfFrames", 1)) * image.Rows * image.Columns for image in images)
    assert voxels == slicer.util.arrayFromVolume(volume).size
    assert all("SYNTHETIC" in image.SeriesDescription.upper() for image in images)

    report = (made["_report"] / "report.html").read_text(encoding="utf-8")
    assert comparison.verdict in html.unescape(report)
    assert "not for diagnosis" in report

    lines = made[".csv"].read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("#")
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    expected = [row["ssim"] for row in comparison.result["per_slice"]]
    np.testing.assert_allclose([float(row["SSIM"]) for row in rows], expected, atol=1e-4)


def test_dicom_button_opens_slicers_module_where_there_is_one(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(slicer.util, "selectModule", opened.append, raising=False)
    desk.ui.loadDicomButton.click()
    assert opened == []
    assert "no DICOM module" in desk.ui.radiographStatusLabel.text
    monkeypatch.setattr(slicer, "modules", types.SimpleNamespace(dicom=object()), raising=False)
    desk.ui.loadDicomButton.click()
    assert opened == ["DICOM"]


def test_folder_with_any_name_is_opened(desk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PySide6.QtCore import QUrl
    from Xray2MRIModule.panel import export_panel

    folder = tmp_path / "knees #1, 50 % \u00e4"
    folder.mkdir()
    opened: list[str] = []
    url = type("QUrl", (), {"TolerantMode": 0, "__new__": lambda cls, text, mode: QUrl(text).toLocalFile()})
    services = types.SimpleNamespace(openUrl=opened.append)
    monkeypatch.setattr(export_panel, "qt", types.SimpleNamespace(QUrl=url, QDesktopServices=services))
    desk.ui.exportFolderEdit.currentPath = str(folder)
    desk.ui.openFolderButton.click()
    assert [Path(path) for path in opened] == [folder]


def test_report_of_the_environment_is_copied(desk: Any) -> None:
    desk.ui.checkButton.click()
    assert desk.ui.checkButton.enabled is False
    desk.until(lambda: desk.ui.checkButton.enabled)
    desk.ui.copyReportButton.click()
    text = QApplication.clipboard().text()
    assert "torch" in text
    assert text.strip() == desk.ui.reportEdit.plainText.strip()


def test_other_python_is_checked_before_it_is_used(desk: Any, tmp_path: Path) -> None:
    venv.create(tmp_path / "other", with_pip=False, symlinks=True)
    program = next(path for path in (tmp_path / "other").rglob("python*") if path.name in ("python", "python.exe"))
    try:
        desk.ui.pythonEdit.currentPath = str(tmp_path / "nothing")
        assert desk.ui.environmentStatusLabel.text.startswith("<b>Not usable:</b>")
        assert desk.logic.jobs.pythonProgram == ""

        desk.ui.pythonEdit.currentPath = str(program)
        assert desk.logic.jobs.pythonProgram == str(program)
        desk.ui.checkButton.click()
        desk.until(lambda: desk.ui.checkButton.enabled)
        assert desk.ui.environmentStatusLabel.text.startswith("<b>Something is missing:</b>")
        # nothing is put into a Python that is not Slicer's
        desk.ui.installButton.click()
        desk.until(lambda: desk.ui.installButton.enabled)
        assert desk.ui.environmentStatusLabel.text.startswith("<b>Manual installation:</b>")
        assert "pip install" in desk.ui.environmentStatusLabel.text
    finally:
        desk.ui.pythonEdit.currentPath = ""
    assert desk.logic.jobs.pythonProgram == ""


def test_install_button_asks_first_and_does_nothing_after_no(
    desk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from Xray2MRIModule.environment import probe_process

    wanted = tmp_path / "requirements.txt"
    wanted.write_text("xray2mri-package-that-nobody-has>=1\n", encoding="utf-8")
    monkeypatch.setattr(probe_process, "REQUIREMENTS_FILE", wanted)
    monkeypatch.setitem(sys.modules, "slicer.packaging", types.ModuleType("slicer.packaging"))
    questions: list[str] = []
    monkeypatch.setattr(
        slicer.util, "confirmOkCancelDisplay", lambda text, *_: questions.append(text), raising=False
    )  # an answer of None is no
    desk.ui.installButton.click()
    desk.until(lambda: desk.ui.installButton.enabled and desk.ui.checkButton.enabled)
    assert len(questions) == 1
    assert "xray2mri-package-that-nobody-has" in questions[0]
    assert desk.panel.environment._installation is None


def test_background_process_is_stopped_and_comes_again(desk: Any, knee_radiograph: Path) -> None:
    desk.load(knee_radiograph)
    desk.until(lambda: desk.logic.jobs.workerState == "ready")
    assert desk.ui.freeMemoryButton.enabled is True
    desk.ui.freeMemoryButton.click()
    desk.until(lambda: desk.logic.jobs.workerState == "stopped", 20)
    assert desk.logic.jobs.workerPid is None
    assert desk.ui.freeMemoryButton.enabled is False
    desk.quick()
    desk.generate()


def test_all_loaded_radiographs_are_generated_by_one_click(desk: Any, knee_radiograph: Path) -> None:
    assert desk.ui.generateAllButton.enabled is False
    desk.panel.radiograph.loadFile(knee_radiograph)
    desk.until(lambda: desk.panel.prepared is not None)
    desk.logic.application.loadVolume(str(knee_radiograph), "Radiograph")
    desk.quick(4, 1)
    desk.panel.refresh()
    assert desk.ui.generateAllButton.enabled is True
    desk.ui.generateAllButton.click()
    assert desk.ui.generateButton.text == "Cancel", desk.sentences()
    assert desk.ui.generateAllButton.visible is False
    said: set[str] = set()

    def isOver() -> bool:
        said.add(desk.ui.stageLabel.text)
        return desk.ui.generateButton.text == "Generate pseudo-MRI"

    desk.until(isOver)
    assert any(text.startswith("Radiograph 1 of 2: ") for text in said)
    assert any(text.startswith("Radiograph 2 of 2: ") for text in said)
    assert desk.ui.generateMessageLabel.text.startswith("<b>2 of 2 radiographs done in"), desk.sentences()
    assert len(desk.logic.syntheticVolumes()) == 2
    assert desk.ui.generateAllButton.enabled is True
