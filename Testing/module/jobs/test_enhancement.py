"""Enhancement through the real worker: from a node to a finer node in the same place, marked in the views."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import slicer
from slicer.util import arrayFromVolume


def leg() -> np.ndarray:
    """A grey leg with dark bones and a bright joint, int16 [20, 60, 50]."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in (20, 60, 50)), indexing="ij")
    grey = np.where(np.hypot(z / 0.9, x / 0.85) < 1, 500.0, 0.0)
    grey[(np.hypot(z, x) < 0.5) & (np.abs(y) > 0.1)] = 120.0
    return (grey + np.random.default_rng(0).normal(40, 8, grey.shape)).clip(0).astype(np.int16)


@pytest.fixture
def measured(warm):
    """A coronal scan of 1.25 x 1.25 x 3.5 mm under a transform."""
    matrix = np.array([[-1.25, 0, 0, 30], [0, 0, -3.5, 35], [0, -1.25, 0, 37], [0, 0, 0, 1.0]])
    node = slicer.util.addVolumeFromArray(leg(), matrix, "Somebody's knee")
    node.CreateDefaultDisplayNodes()
    transform = warm.application.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    node.SetAndObserveTransformNodeID(transform.GetID())
    return node


def test_a_scan_becomes_a_finer_node_in_the_same_place(warm, measured):
    before = arrayFromVolume(measured).copy()
    shares = []
    job = warm.enhance(
        measured, 1.25, model="interpolation", onProgress=lambda progress: shares.append(progress.fraction)
    ).wait(400)
    enhanced = job.node("enhanced")
    assert arrayFromVolume(enhanced).shape == (56, 60, 50)
    assert enhanced.GetSpacing() == pytest.approx((1.25, 1.25, 1.25))
    bounds = np.zeros((2, 6))
    for row, node in zip(bounds, (measured, enhanced), strict=True):
        node.GetRASBounds(row)
    np.testing.assert_allclose(bounds[0], bounds[1], atol=1e-3)
    assert enhanced.GetTransformNodeID() == measured.GetTransformNodeID()
    np.testing.assert_array_equal(arrayFromVolume(measured), before)
    assert shares[-1] == 1.0
    # marked, with its record, and no pseudo-MRI
    assert enhanced.GetAttribute("Xray2MRI.synthetic") == "true"
    record = json.loads(enhanced.GetAttribute("Xray2MRI.record"))
    assert record["enhancement"]["residual_in_noise"] <= 1.1
    assert "computed" in enhanced.GetDescription()
    assert enhanced not in warm.syntheticVolumes()
    # the user's file names reach neither the worker nor the record
    assert "Somebody" not in json.dumps(record)
    assert not list(Path(job.folder).glob("*")) if job.folder.exists() else True


def test_before_and_after_are_shown_in_one_plane_with_a_mark_where_detail_is_computed(warm, measured):
    enhanced = warm.enhance(measured, 1.25, model="interpolation").wait(400).node("enhanced")
    for orientation, normal in (("Sagittal", 0), ("Axial", 2)):
        warm.views.showBeforeAfter(measured, enhanced, orientation)
        layout = warm.views.layout
        left, right = layout.sliceNode("Xray2MRISynthetic"), layout.sliceNode("Xray2MRIReal")
        assert layout.backgroundVolume("Xray2MRISynthetic") is enhanced
        assert layout.backgroundVolume("Xray2MRIReal") is measured
        planes = [slicer.util.arrayFromVTKMatrix(node.GetSliceToRAS()) for node in (left, right)]
        np.testing.assert_allclose(planes[0], planes[1], atol=1e-6)
        assert abs(planes[0][normal, 2]) == pytest.approx(1.0, abs=1e-6)
    assert "vtkMRMLSliceNodeXray2MRISynthetic" in warm.views.annotatedViews()
    assert "vtkMRMLSliceNodeXray2MRIReal" not in warm.views.annotatedViews()
    texts = [actor.GetInput() for _, actor in warm.views._annotations._actors.values()]
    assert texts
    assert all(text.startswith("ENHANCED") for text in texts)


def test_refusals_come_as_failures(warm, measured, until):
    enhanced = warm.enhance(measured, 1.25, model="interpolation").wait(400).node("enhanced")
    before = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")
    failures = []
    for node, spacing, model in (
        (enhanced, 0.8, "interpolation"), (measured, 0.5, "interpolation"), (measured, 1.25, "/no/such/folder")
    ):  # fmt: skip
        count = len(failures)
        warm.enhance(node, spacing, model=model, onError=failures.append)
        until(warm, lambda count=count: len(failures) > count)
    assert [failure.code for failure in failures] == ["enhanced-already", "bad-spacing", "no-such-model"]
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == before
    assert not warm.isBusy
