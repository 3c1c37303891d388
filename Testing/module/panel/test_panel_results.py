"""Comparison with another volume and export, by clicks, with the real worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
import vtk


def _moved_copy(volume: Any, shift_mm: float = 4.0, name: str = "MRI of the knee") -> Any:
    """A stand-in for a real MRI of the same knee: the same picture, moved to the left, with noise."""
    voxels = slicer.util.arrayFromVolume(volume).astype(np.float32)
    voxels += np.random.default_rng(0).normal(0, 40, voxels.shape).astype(np.float32)
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    matrix.SetElement(0, 3, matrix.GetElement(0, 3) + shift_mm)
    return slicer.util.addVolumeFromArray(voxels, matrix, name=name)


def _generated(desk: Any, radiograph: Path) -> Any:
    desk.load(radiograph)
    desk.quick()
    return desk.generate()


def test_comparison_shows_figures_chart_and_difference(desk: Any, knee_radiograph: Path) -> None:
    volume = _generated(desk, knee_radiograph)
    assert desk.ui.compareButton.enabled is False
    desk.ui.referenceSelector.setCurrentNode(_moved_copy(volume))
    assert desk.ui.compareButton.enabled is True
    desk.ui.compareButton.click()
    assert desk.ui.compareButton.text == "Cancel"
    desk.until(lambda: desk.ui.compareButton.text == "Compare")
    comparison = desk.panel.comparison
    assert comparison is not None, desk.sentences()
    assert desk.ui.compareMessageLabel.text.startswith("<b>Result:</b>")
    desk.ui.compareSection.collapsed = False
    assert desk.root._qt.minimumSizeHint().width() <= 400  # also with the texts that the code fills in
    # one line, the rest unfolds
    assert len(desk.ui.compareMessageLabel.text) < 130
    assert desk.ui.compareDetailsBox.collapsed is True
    assert comparison.verdict in desk.ui.compareDetailsLabel.text
    assert "SSIM" in desk.logic.views.readings
    desk.ui.readingsCheckBox.click()
    assert desk.logic.views.readings == ""
    desk.ui.readingsCheckBox.click()
    # the same window
    assert desk.ui.sameWindowButton.enabled is True
    display = comparison.alignedNode.GetScalarVolumeDisplayNode()
    display.SetWindowLevelMinMax(0, 1)
    desk.ui.sameWindowButton.click()
    assert display.GetWindowLevelMax() > 10
    assert desk.ui.comparisonTable.mrmlTableNode() is comparison.summaryTableNode
    desk.ui.tableSelector.setCurrentIndex(1)
    assert desk.ui.comparisonTable.mrmlTableNode() is comparison.tableNode
    assert comparison.tableNode.GetTable().GetNumberOfRows() == 30
    assert desk.ui.chartSelector.count == len(comparison.metrics)
    desk.ui.chartSelector.setCurrentIndex(1)

    desk.ui.differenceSelector.setCurrentIndex(1)
    composite = desk.logic.views.layout.compositeNode("Xray2MRISynthetic")
    assert composite.GetForegroundVolumeID() == comparison.differenceNode.GetID()
    desk.ui.differenceSelector.setCurrentIndex(2)
    assert composite.GetForegroundVolumeID() == comparison.paperDifferenceNode.GetID()
    desk.ui.differenceSelector.setCurrentIndex(0)
    assert composite.GetForegroundVolumeID() is None


def test_what_cannot_be_compared_is_refused_with_a_sentence(desk: Any, knee_radiograph: Path) -> None:
    _generated(desk, knee_radiograph)
    flat = slicer.util.addVolumeFromArray(np.zeros((4, 64, 64), np.float32), name="empty MRI")
    desk.ui.referenceSelector.setCurrentNode(flat)
    desk.ui.compareButton.click()
    desk.until(lambda: desk.ui.compareButton.text == "Compare" and desk.ui.compareMessageLabel.text != "Starting ...")
    assert desk.ui.compareMessageLabel.text.startswith("<b>Not compared:</b>")
    assert desk.panel.comparison is None
    assert desk.ui.comparisonResult.isHidden()


NOISE_FREE = "_noise_free"  # of the file beside a volume


@pytest.mark.parametrize(("index", "ending"), [(0, ".nrrd"), (1, ".nii.gz")])
def test_volume_files_are_written_beside_what_is_there(
    desk: Any, knee_radiograph: Path, tmp_path: Path, index: int, ending: str
) -> None:
    import SimpleITK

    volume = _generated(desk, knee_radiograph)
    assert desk.ui.exportButton.enabled is False
    desk.ui.exportFolderEdit.currentPath = str(tmp_path)
    desk.ui.formatSelector.setCurrentIndex(index)
    for count in (1, 2):
        desk.ui.exportButton.click()
        desk.until(lambda: desk.ui.exportButton.text == "Export" and desk.ui.exportMessageLabel.text != "Writing ...")
        assert desk.ui.exportMessageLabel.text.startswith("<b>Written:</b>"), desk.sentences()
        files = sorted(
            path for path in tmp_path.iterdir() if path.name.endswith(ending) and NOISE_FREE not in path.name
        )
        assert len(files) == count
        assert len(list(tmp_path.glob(f"*{NOISE_FREE}{ending}"))) == count  # each with its noise-free voxels beside it
    assert all("synthetic" in path.name.lower() for path in tmp_path.iterdir())
    written = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(files[0])))
    assert np.array_equal(written, slicer.util.arrayFromVolume(volume))


def test_each_exported_file_has_its_own_record(desk: Any, knee_radiograph: Path, tmp_path: Path) -> None:
    """NRRD, then NIfTI, then another density: three volumes, three records, each about its own volume."""
    import json

    from Xray2MRILib.volume.reading import read_volume

    volume = _generated(desk, knee_radiograph)
    desk.ui.exportFolderEdit.currentPath = str(tmp_path)
    for index, slices in ((0, 30), (1, 30), (1, 59)):
        desk.ui.densitySlider.value = float(slices)
        desk.until(lambda n=slices: desk.logic.volumes.density(volume) == n and not desk.logic.isBusy)
        desk.ui.formatSelector.setCurrentIndex(index)
        desk.ui.exportButton.click()
        desk.until(lambda: desk.ui.exportButton.text == "Export" and desk.ui.exportMessageLabel.text != "Writing ...")
        assert desk.ui.exportMessageLabel.text.startswith("<b>Written:</b>"), desk.sentences()
    records = sorted(tmp_path.glob("*.json"))
    volumes = sorted(path for path in tmp_path.iterdir() if path.suffix != ".json" and NOISE_FREE not in path.name)
    assert len(records) == len(volumes) == len(list(tmp_path.glob(f"*{NOISE_FREE}*"))) == 3
    assert sorted(json.loads(path.read_text(encoding="utf-8"))["volume"]["size"][2] for path in records) == [30, 30, 59]
    assert sorted(read_volume(path).num_slices for path in volumes) == [30, 30, 59]


def test_folder_that_is_not_there_is_refused(desk: Any, knee_radiograph: Path, tmp_path: Path) -> None:
    _generated(desk, knee_radiograph)
    desk.ui.exportFolderEdit.currentPath = str(tmp_path / "nowhere")
    desk.ui.exportButton.click()
    assert desk.ui.exportMessageLabel.text.startswith("<b>Not exported:</b>")


def test_table_needs_a_comparison(desk: Any, knee_radiograph: Path, tmp_path: Path) -> None:
    desk.ui.exportFolderEdit.currentPath = str(tmp_path)
    desk.ui.formatSelector.setCurrentIndex(4)
    assert "needs a comparison first" in desk.ui.exportMessageLabel.text
    assert desk.ui.exportButton.enabled is False


def test_volume_of_a_reloaded_parameter_node_is_usable(desk: Any, knee_radiograph: Path) -> None:
    """Leaving and entering binds the widgets anew: nothing may be lost on the way."""
    volume = _generated(desk, knee_radiograph)
    radiograph = desk.parameters.radiograph
    desk.panel.exit()
    desk.panel.enter()
    assert desk.ui.volumeSelector.currentNode() is volume
    assert desk.ui.radiographSelector.currentNode() is radiograph
    desk.ui.densitySlider.value = 59.0
    desk.until(lambda: desk.logic.densities(volume) == [30, 59] and not desk.logic.isBusy)
