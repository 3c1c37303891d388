"""Radiographs as nodes: what can be one, the box drawn on it, and the file that the worker reads."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from hypothesis import given, settings
from hypothesis import strategies as st
from Xray2MRIModule.scene.radiograph_node import (
    RadiographError,
    is_radiograph,
    load_radiograph,
    place_roi,
    radiograph_file,
    radiograph_size,
    rectangle_of_roi,
    roi_from_rectangle,
    write_pixels,
)

from Xray2MRILib.radiograph.reading import read_radiograph


def _radiograph(array: np.ndarray, matrix: np.ndarray | None = None, vector: bool = False):
    kind = "vtkMRMLVectorVolumeNode" if vector else "vtkMRMLScalarVolumeNode"
    matrix = np.diag((-0.2, -0.3, 1.0, 1.0)) if matrix is None else matrix
    return slicer.util.addVolumeFromArray(array[np.newaxis], matrix, "Film", kind)


def test_what_can_be_a_radiograph(application, radiograph, synthetic):
    assert is_radiograph(radiograph) is None
    assert radiograph_size(radiograph) == (300, 162)
    assert is_radiograph(_radiograph(np.zeros((40, 50), np.uint16))) is None
    assert is_radiograph(None).code == "no-radiograph"
    for node in (
        synthetic,
        _radiograph(np.zeros((40, 20), np.uint8)),
        application.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode"),
        slicer.util.addVolumeFromArray(np.zeros((1, 40, 50), np.uint8), None, "L", "vtkMRMLLabelMapVolumeNode"),
        _radiograph(np.zeros((40, 50, 2), np.uint8), vector=True),
    ):
        assert is_radiograph(node).code == "volume-not-radiograph"
        assert is_radiograph(node).sentence().endswith(".")


@given(
    x=st.floats(0, 200), y=st.floats(0, 100), width=st.floats(9, 100), height=st.floats(9, 60),
    turned=st.booleans(), mirrored=st.booleans(), moved=st.booleans(),
)  # fmt: skip
@settings(max_examples=25)
def test_a_box_on_the_radiograph_and_back(shared_scene, x, y, width, height, turned, mirrored, moved):
    matrix = np.array([[-0.2, 0, 0, 10], [0, -0.3, 0, 5], [0, 0, 1, 2], [0, 0, 0, 1.0]])
    if turned:
        matrix[:, :2] = matrix[:, 1::-1].copy()
    if mirrored:
        matrix[:, 0] *= -1
    radiograph = _radiograph(np.zeros((162, 300), np.uint8), matrix)
    if moved:
        transform = shared_scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        shift = np.eye(4)
        shift[:3, 3] = (30, -20, 4)
        transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(shift))
        radiograph.SetAndObserveTransformNodeID(transform.GetID())
    node = roi_from_rectangle(shared_scene, radiograph, (x, y, width, height), "box")
    expected = [x, y, min(width, 300 - x), min(height, 162 - y)]
    np.testing.assert_allclose(rectangle_of_roi(node, radiograph), expected, atol=1e-3)
    place_roi(node, radiograph, (1, 2, 30, 40))
    np.testing.assert_allclose(rectangle_of_roi(node, radiograph), (1, 2, 30, 40), atol=1e-3)
    # the first pixel's outer corner
    place_roi(node, radiograph, (0, 0, 10, 10))
    bounds = [0.0] * 6
    node.GetRASBounds(bounds)
    corner = matrix @ (-0.5, -0.5, 0, 1) + (np.array([30, -20, 4, 0]) if moved else 0)
    assert min(abs(bounds[0] - corner[0]), abs(bounds[1] - corner[0])) < 1e-3
    assert min(abs(bounds[2] - corner[1]), abs(bounds[3] - corner[1])) < 1e-3


@pytest.fixture(scope="module")
def shared_scene(tmp_path_factory):
    """A scene that the examples of a property share."""
    from core_application import CoreApplication

    return CoreApplication(tmp_path_factory.mktemp("scene")).scene


def test_the_knee_found_is_framed_in_our_view_only_and_not_saved(application):
    from Xray2MRIModule.views.knee_box_overlay import KneeBoxOverlay

    radiograph = _radiograph(np.zeros((162, 300), np.uint8))
    before = application.scene.GetNumberOfNodes()
    mark = KneeBoxOverlay(application.scene)
    mark.hide()
    mark.show(radiograph, (100, 30, 90, 90))
    node = mark.node
    np.testing.assert_allclose(rectangle_of_roi(node, radiograph), (100, 30, 90, 90), atol=1e-3)
    assert node.GetLocked()
    assert not node.GetSaveWithScene()
    assert not node.GetDisplayNode().GetHandlesInteractive()
    display = node.GetDisplayNode()
    assert display.IsDisplayableInView("vtkMRMLSliceNodeXray2MRIRadiograph")
    assert not display.IsDisplayableInView("vtkMRMLSliceNodeRed")
    mark.show(radiograph, (5, 6, 50, 40))
    assert mark.node is node
    np.testing.assert_allclose(rectangle_of_roi(node, radiograph), (5, 6, 50, 40), atol=1e-3)
    mark.hide()
    assert not display.GetVisibility()
    mark.remove()
    mark.remove()
    assert application.scene.GetNumberOfNodes() == before


def test_the_frame_has_no_dot_on_the_joint(application, logic):
    from Xray2MRIModule.views.knee_box_overlay import KneeBoxOverlay
    from Xray2MRIModule.views.layout import RADIOGRAPH

    radiograph = _radiograph(np.zeros((300, 300), np.uint8))
    logic.showLayout(radiograph)
    KneeBoxOverlay(application.scene).show(radiograph, (90, 90, 120, 120))
    drawn = application.picture_of_markups(RADIOGRAPH, (300, 300)).sum(axis=2) > 100
    rows, columns = np.nonzero(drawn)
    top, bottom, left, right = rows.min(), rows.max(), columns.min(), columns.max()
    assert drawn[top : top + 5, left:right].any(axis=0).mean() > 0.95  # the frame
    assert right - left > 60
    assert not drawn[top + 10 : bottom - 10, left + 10 : right - 10].any()


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_the_worker_reads_the_same_pixels(application, tmp_path, dtype):
    pixels = (np.add.outer(np.arange(40) * 3, np.arange(50)) % 120).astype(dtype)
    path = write_pixels(_radiograph(pixels), tmp_path)
    read = read_radiograph(path, photometric="normal")
    np.testing.assert_allclose(read.pixels, pixels.astype(np.float32))
    assert path.name == "radiograph.nrrd"


def test_pixels_that_are_not_square_stay_so(application, tmp_path):
    node = _radiograph((np.add.outer(np.arange(40) * 3, np.arange(50)) % 120).astype(np.uint8))
    node.SetSpacing(0.2, 0.25, 1.0)
    read = read_radiograph(write_pixels(node, tmp_path), photometric="normal")
    assert read.pixels.shape == (40, 50)
    assert read.pixel_aspect == pytest.approx(1.25)


def test_a_coloured_radiograph(application, tmp_path):
    pixels = np.repeat((np.add.outer(np.arange(40) * 3, np.arange(50)) % 120).astype(np.uint8)[..., None], 3, axis=2)
    pixels[..., 1] //= 2
    read = read_radiograph(write_pixels(_radiograph(pixels, vector=True), tmp_path), photometric="normal")
    assert read.pixels.shape == (40, 50)
    grey = pixels.astype(float) @ (0.299, 0.587, 0.114)
    assert np.abs(read.pixels - grey).max() < 1.5


def test_the_radiographs_own_file_unless_the_pixels_changed(application, tmp_path):
    import SimpleITK as sitk

    original = tmp_path / "patient_name.nrrd"
    sitk.WriteImage(
        sitk.GetImageFromArray(np.add.outer(np.arange(40), np.arange(50)).astype(np.int16)[None]), str(original)
    )
    node = application.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    storage = application.scene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.SetFileName(str(original))
    node.SetAndObserveStorageNodeID(storage.GetID())
    assert storage.ReadData(node)
    assert radiograph_file(application, node, tmp_path / "job") == original
    slicer.util.arrayFromVolume(node)[0, 0, 0] = 99
    slicer.util.arrayFromVolumeModified(node)
    written = radiograph_file(application, node, tmp_path / "job")
    assert written.name == "radiograph.nrrd"
    assert read_radiograph(written, photometric="normal").pixels[0, 0] == 99
    original.unlink()


def test_loading_refuses_in_one_sentence(application, tmp_path, knee_radiograph):
    assert radiograph_size(load_radiograph(application, knee_radiograph)) == (300, 162)
    (tmp_path / "text.png").write_text("no picture", encoding="utf-8")
    before = application.scene.GetNumberOfNodes()
    for path in (tmp_path / "text.png", tmp_path / "missing.png"):
        with pytest.raises(RadiographError, match=path.name):
            load_radiograph(application, path)
    assert application.scene.GetNumberOfNodes() == before
