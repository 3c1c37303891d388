"""Layout, pictures and words on them, drawn offscreen from real MRML."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from slicer.util import arrayFromVolume
from Xray2MRIModule.scene.volume_nodes import show_grey
from Xray2MRIModule.views.layout import CHART, LAYOUT_ID, RADIOGRAPH, REAL, RENDERING, SYNTHETIC, layout_description
from Xray2MRIModule.views.uncertainty_overlay import DEVIATION_ROLE, show_above

SYNTHETIC_VIEW = "vtkMRMLSliceNodeXray2MRISynthetic"


@pytest.fixture
def real(application):
    """Another volume, elsewhere in space and not synthetic."""
    voxels = np.random.default_rng(0).integers(0, 900, (20, 40, 50)).astype(np.int16)
    node = slicer.util.addVolumeFromArray(
        voxels, np.array([[-3, 0, 0, 70], [0, 0, -4, 30], [0, -4, 0, 75], [0, 0, 0, 1.0]])
    )
    show_grey(node, 0, 900)
    return node


def test_the_layout_comes_and_goes(application, logic):
    layout = application.layoutNode
    layout.SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView)
    others = application.logic.GetSliceLogicByLayoutName("Red").GetSliceCompositeNode()
    logic.showLayout()
    assert layout.GetViewArrangement() == LAYOUT_ID
    assert logic.views.isLayoutShown
    assert layout.GetLayoutDescription(LAYOUT_ID) == layout_description()
    for tag in (RADIOGRAPH, SYNTHETIC, REAL):
        assert logic.views.layout.sliceNode(tag) is not None
    groups = {tag: logic.views.layout.sliceNode(tag).GetViewGroup() for tag in (RADIOGRAPH, SYNTHETIC, REAL)}
    assert groups[SYNTHETIC] == groups[REAL] != groups[RADIOGRAPH]
    assert logic.views.layout.renderingViewNode.GetLayoutName() == RENDERING
    assert logic.views.layout.chartViewNode.GetLayoutName() == CHART
    logic.showLayout()
    logic.restoreLayout()
    assert layout.GetViewArrangement() == slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView
    logic.restoreLayout()
    assert layout.GetViewArrangement() == slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView
    assert others.GetBackgroundVolumeID() is None


def test_only_our_views_change(application, logic, radiograph, synthetic, real):
    application.layoutNode.SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    red = application.logic.GetSliceLogicByLayoutName("Red").GetSliceCompositeNode()
    red.SetBackgroundVolumeID(real.GetID())
    logic.showLayout(radiograph, synthetic, real)
    assert red.GetBackgroundVolumeID() == real.GetID()
    layout = logic.views.layout
    shown = {tag: layout.compositeNode(tag).GetBackgroundVolumeID() for tag in (RADIOGRAPH, SYNTHETIC, REAL)}
    assert shown == {RADIOGRAPH: radiograph.GetID(), SYNTHETIC: synthetic.GetID(), REAL: real.GetID()}


def test_volumes_are_fitted_again_when_new_views_have_their_size(application, logic, synthetic):
    """A view is created low and wide, and what is fitted into it then is cut off at the sides later."""
    wide = slicer.util.addVolumeFromArray(np.full((1, 300, 900), 9, np.uint8), np.diag((-1.0, -1.0, 1.0, 1.0)))
    logic.showLayout(wide, synthetic)
    layout = logic.views.layout
    application.processEvents()
    assert layout.sliceNode(RADIOGRAPH).GetDimensions()[:2] == (360, 360)
    for tag, width in ((RADIOGRAPH, 900.0), (SYNTHETIC, 64 * synthetic.GetSpacing()[0])):
        field = layout.sliceNode(tag).GetFieldOfView()
        assert width * 0.99 <= field[0] < width * 1.1, tag
    assert layout.depthIndex(synthetic) in (5, 6)
    # a user's own zoom stays when the layout is shown already
    layout.sliceNode(RADIOGRAPH).SetFieldOfView(300.0, 300.0, 1.0)
    logic.showLayout()
    application.processEvents()
    assert layout.sliceNode(RADIOGRAPH).GetFieldOfView()[0] == 300.0


def test_the_layout_fits_a_window_of_1280_pixels():
    """In the desktop build a slice view was 330 pixels wide at least, and panel and frame took 377."""
    from xml.etree import ElementTree

    for row in ElementTree.fromstring(layout_description()).iterfind("item/layout"):
        slices = [view for view in row.iter("view") if view.get("class") == "vtkMRMLSliceNode"]
        assert row.get("type") == "horizontal"
        assert 377 + 330 * len(slices) + 120 * (len(list(row.iter("view"))) - len(slices)) <= 1280


def test_the_3d_view_has_no_box_of_the_flat_radiograph(application, logic, radiograph, synthetic):
    logic.showLayout(radiograph, synthetic)
    view = logic.views.layout.renderingViewNode
    assert not view.GetBoxVisible()
    assert not view.GetAxisLabelsVisible()


def test_the_camera_looks_from_the_front_and_slightly_from_the_side(application, logic, synthetic):
    logic.showLayout(None, synthetic)
    application.picture_of_rendering(RENDERING)
    assert logic.views.setVolumeRendering(synthetic, True)
    view = logic.views.layout.renderingViewNode
    camera = application.moduleLogic("Cameras").GetViewActiveCameraNode(view)
    towards = np.subtract(camera.GetPosition(), camera.GetFocalPoint())
    towards /= np.linalg.norm(towards)
    assert 0.85 < towards[1] < 0.99  # anterior
    np.testing.assert_allclose(camera.GetViewUp(), (0, 0, 1))


def test_linked_views_move_together(application, logic, synthetic, real):
    logic.showLayout(None, synthetic, real)
    assert logic.views.layout.depthIndex(synthetic) in (5, 6)
    sliceLogic = logic.views.layout.sliceLogic(SYNTHETIC)
    sliceLogic.StartSliceOffsetInteraction()
    sliceLogic.SetSliceOffset(20.0)
    sliceLogic.EndSliceOffsetInteraction()
    assert logic.views.layout.sliceLogic(REAL).GetSliceOffset() == pytest.approx(20.0)
    # RAS y of +20 mm lies anterior: near the front of the file
    assert logic.views.layout.depthIndex(synthetic) == round((36.75 - 20.0) / (73.5 / 11))


def test_the_picture_lies_as_in_radiology(application, logic, radiograph, synthetic):
    logic.showLayout(radiograph, synthetic)
    picture = application.picture_of_slice(SYNTHETIC, (300, 300)).astype(float).mean(axis=2)
    bright = picture > 150
    bright[:30] = False  # the words
    rows, columns = np.nonzero(bright)
    # the ball lies towards the patient's right (image left) and upwards
    assert columns.mean() < 130
    assert rows.mean() < 140
    whole = application.picture_of_slice(RADIOGRAPH, (300, 300))
    rows, columns = np.nonzero(whole.mean(axis=2) > 5)
    # whole radiograph, centred
    assert columns.min() >= 0
    assert abs((columns.min() + columns.max()) / 2 - 150) < 12
    assert abs((rows.min() + rows.max()) / 2 - 150) < 12


def test_the_words_follow_what_is_shown(application, logic, synthetic, real):
    logic.showLayout(None, synthetic, real)
    assert logic.views.annotatedViews() == [SYNTHETIC_VIEW]
    with_words = application.picture_of_slice(SYNTHETIC)
    composite = logic.views.layout.compositeNode(SYNTHETIC)
    composite.SetBackgroundVolumeID(real.GetID())
    assert logic.views.annotatedViews() == []
    composite.SetForegroundVolumeID(synthetic.GetID())
    assert logic.views.annotatedViews() == [SYNTHETIC_VIEW]
    composite.SetForegroundVolumeID(None)
    # any view of anybody
    red = application.logic.GetSliceLogicByLayoutName("Red").GetSliceCompositeNode()
    red.SetBackgroundVolumeID(synthetic.GetID())
    assert logic.views.annotatedViews() == ["vtkMRMLSliceNodeRed"]
    red.SetBackgroundVolumeID(None)
    composite.SetBackgroundVolumeID(synthetic.GetID())
    assert logic.views.annotatedViews() == [SYNTHETIC_VIEW]
    yellow = (with_words[..., 0] > 180) & (with_words[..., 2] < 120)
    assert yellow[:30].sum() > 200
    # Slicer writes the names of the volumes at the bottom
    assert yellow[60:].sum() == 0
    logic.views.close()
    assert logic.views.annotatedViews() == []


def test_the_words_come_with_a_scene_that_is_read(application, logic, synthetic):
    """Reading holds all events back, and brings views and volumes in any order."""
    logic.showLayout()
    scene = application.scene
    scene.StartState(slicer.vtkMRMLScene.BatchProcessState)
    logic.views.layout.compositeNode(SYNTHETIC).SetBackgroundVolumeID(synthetic.GetID())
    assert logic.views.annotatedViews() == []
    scene.EndState(slicer.vtkMRMLScene.BatchProcessState)
    assert logic.views.annotatedViews() == [SYNTHETIC_VIEW]


def test_volume_rendering(application, logic, synthetic):
    logic.showLayout(None, synthetic)
    application.picture_of_rendering(RENDERING)  # the view comes to life, and with it its camera
    assert logic.views.setVolumeRendering(synthetic, True)
    assert "vtkMRMLViewNodeXray2MRIRendering" in logic.views.annotatedViews()
    picture = application.picture_of_rendering(RENDERING)
    grey = picture[40:].astype(int)
    solid = (np.ptp(grey, axis=2) < 60) & (grey.min(axis=2) > 60)
    assert solid.sum() > 1500
    columns = np.nonzero(solid)[1]
    assert 100 < columns.mean() < 320
    logic.views.setVolumeRendering(synthetic, False)
    assert "vtkMRMLViewNodeXray2MRIRendering" not in logic.views.annotatedViews()


def roi_of(application, volume):
    return application.moduleLogic("VolumeRendering").GetFirstVolumeRenderingDisplayNode(volume).GetROINode()


def test_the_rendering_is_cut_open_at_the_slice_that_is_shown(application, logic, synthetic):
    """Behind the plane of the slice everything is there, in front of it nothing; the box itself is not drawn."""
    logic.showLayout(None, synthetic)
    assert logic.views.setVolumeRendering(synthetic, True)
    bounds = [0.0] * 6
    synthetic.GetRASBounds(bounds)
    view = logic.views.layout.sliceNode(SYNTHETIC)
    for place in (0.0, 12.0, -20.0):
        view.JumpSliceByOffsetting(0.0, place, 0.0)
        shown, cut = logic.views.layout.coronalPlace(), [0.0] * 6
        assert shown == pytest.approx(place, abs=3.5)  # at the nearest slice
        roi_of(application, synthetic).GetRASBounds(cut)
        assert cut == pytest.approx([*bounds[:3], shown, *bounds[4:]], abs=1e-3)
    assert not roi_of(application, synthetic).GetDisplayVisibility()
    # in another plane the rendering is whole
    logic.views.layout.reformat("Sagittal")
    roi_of(application, synthetic).GetRASBounds(cut)
    assert cut == pytest.approx(bounds, abs=1e-3)


def test_a_section_of_the_rendering_shows_the_grey_values_of_its_slice(application, logic, synthetic):
    """Around a ball of 3800 is tissue of 900 in air: a cut through the middle shows a disc, one behind it none."""
    logic.showLayout(None, synthetic)
    application.picture_of_rendering(RENDERING)
    voxels = arrayFromVolume(synthetic)
    voxels[voxels == 300] = 900
    voxels[:, :, :8] = voxels[:, :, -8:] = 0
    synthetic.Modified()
    assert logic.views.setVolumeRendering(synthetic, True)
    view = logic.views.layout.sliceNode(SYNTHETIC)
    seen = {}
    for place in (0.0, -35.0):
        view.JumpSliceByOffsetting(0.0, place, 0.0)
        seen[place] = application.picture_of_rendering(RENDERING)[40:].astype(int).max(axis=2)
    assert (seen[0.0] > 220).sum() > 1500
    assert (seen[-35.0] > 220).sum() < 50
    tissue = (seen[-35.0] > 45) & (seen[-35.0] < 75)  # 900 / 3800 * 255 = 60
    assert tissue.sum() > 5000


def test_a_removed_volume_takes_its_cut_with_it(application, logic, synthetic):
    from Xray2MRIModule.scene.volume_nodes import remove

    logic.showLayout(None, synthetic)
    assert logic.views.setVolumeRendering(synthetic, True)
    assert slicer.util.getNodesByClass("vtkMRMLMarkupsROINode")
    remove(application.scene, synthetic)
    assert not slicer.util.getNodesByClass("vtkMRMLMarkupsROINode")
    assert not slicer.util.getNodesByClass("vtkMRMLVolumeRenderingDisplayNode")


def test_uncertainty_in_colour(application, logic, synthetic):
    values = np.zeros((12, 64, 64), np.int16)
    values[:, 40:56, 40:56] = 800
    deviation = slicer.util.addVolumeFromArray(values, None, "deviation")
    deviation.CopyOrientation(synthetic)
    synthetic.SetNodeReferenceID(DEVIATION_ROLE, deviation.GetID())
    logic.showLayout(None, synthetic)
    plain = application.picture_of_slice(SYNTHETIC, (256, 256)).astype(int)
    assert show_above(deviation, None) == 800
    assert logic.views.setUncertaintyVisible(synthetic, True, threshold=400, opacity=1.0)
    coloured = application.picture_of_slice(SYNTHETIC, (256, 256)).astype(int)
    changed = np.abs(coloured - plain).sum(axis=2) > 30
    inside = changed[170:215, 170:215]
    assert inside.mean() > 0.9
    assert changed[:140].mean() < 0.01
    assert (arrayFromVolume(deviation) == values).all()
    logic.views.setUncertaintyVisible(synthetic, False)
    again = application.picture_of_slice(SYNTHETIC, (256, 256)).astype(int)
    np.testing.assert_array_equal(again, plain)
