"""Comparison and export through the real worker: from nodes to nodes and files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import slicer
import vtk
from slicer.util import arrayFromVolume


@pytest.fixture(scope="module")
def scene(warm, knee_radiograph):
    """A small pseudo-MRI, and as real MRI a smoothed copy of it that lies 6 mm to the left."""
    radiograph = warm.application.loadVolume(str(knee_radiograph), "Film")
    run = warm.generate(radiograph, {"slices": 12, "steps": 2, "device": "cpu"}).wait(400)
    volume = run.volumeNode
    smooth = vtk.vtkImageGaussianSmooth()
    smooth.SetInputData(volume.GetImageData())
    smooth.SetStandardDeviations(1.5, 1.5, 0.1)
    smooth.Update()
    reference = warm.application.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Somebody")
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    matrix.SetElement(0, 3, matrix.GetElement(0, 3) - 6.0)
    reference.SetIJKToRASMatrix(matrix)
    reference.SetAndObserveImageData(smooth.GetOutput())
    reference.CreateDefaultDisplayNodes()
    return volume, reference


def test_a_comparison_becomes_nodes(warm, scene):
    volume, reference = scene
    before = arrayFromVolume(reference).copy()
    progress = []
    run = warm.compare(volume, reference, align="rigid", onProgress=progress.append).wait(400)
    comparison = run.comparison
    assert progress[-1].fraction == 1.0
    assert comparison.tableNode.GetTable().GetNumberOfRows() == 12
    assert comparison.verdict.endswith(".")
    assert {"psnr_db", "ssim", "edge_mm", "correlation_reference"} <= set(comparison.metrics)
    summary = comparison.summaryTableNode.GetTable()
    texts = [summary.GetValue(row, 0).ToString() for row in range(summary.GetNumberOfRows())]
    assert len(texts) == len(comparison.result["summary"])
    headings = [summary.GetColumnName(column) for column in range(summary.GetNumberOfColumns())]
    assert not [text for text in (*texts, *headings) if "_" in text]
    shift = slicer.util.arrayFromTransformMatrix(comparison.transformNode)[:3, 3]
    np.testing.assert_allclose(shift, (6.0, 0.0, 0.0), atol=1.5)
    assert arrayFromVolume(comparison.alignedNode).shape == arrayFromVolume(volume).shape
    assert warm.application.moduleLogic("Volumes").CompareVolumeGeometry(comparison.differenceNode, volume) == ""
    # the user's own node is as it was
    np.testing.assert_array_equal(arrayFromVolume(reference), before)
    assert reference.GetParentTransformNode() is None
    assert warm.comparisons(volume)[0].tableNode is comparison.tableNode
    assert "Somebody" not in comparison.alignedNode.GetName()


def test_the_users_own_alignment_counts(warm, scene):
    volume, reference = scene
    nudge = warm.application.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = np.eye(4)
    matrix[0, 3] = 6.0
    nudge.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    aside = warm.compare(volume, reference, align="none").wait(400).comparison
    placed = warm.compare(volume, reference, align="none", initial=nudge).wait(400).comparison

    def mean(comparison) -> float:
        return np.mean([row["ssim"] for row in comparison.result["per_slice"]])

    assert mean(placed) > mean(aside) + 0.05
    assert reference.GetParentTransformNode() is None


def test_exports(warm, scene, tmp_path, until):
    volume, _ = scene
    for name, form in (("knee.nii.gz", "file"), ("series", "dicom"), ("report.html", "report")):
        run = warm.export(volume, tmp_path / name, form).wait(400)
        assert run.result["files"]
        assert all(Path(path).exists() for path in run.result["files"])
    comparison = warm.comparisons(volume)[0]
    run = warm.export(volume, tmp_path / "with.html", "report", comparison=comparison).wait(400)
    assert comparison.verdict.split()[0] in Path(run.result["files"][0]).read_text(encoding="utf-8")
    warm.writeComparisonCsv(comparison, tmp_path / "table.csv")
    lines = (tmp_path / "table.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# pseudo-MRI: synthetic, not for diagnosis"
    assert len(lines) == 14
    failures = []
    warm.export(volume, tmp_path / "no" / "folder" / "k.nrrd", "file", onError=failures.append)
    until(warm, lambda: failures)
    assert failures[0].message.endswith(".")
    assert not warm.isBusy
