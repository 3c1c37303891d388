"""The result of a comparison becomes nodes: maps, tables, a chart with the present slice."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from slicer.util import arrayFromVolume
from Xray2MRIModule.jobs.comparison_input import initial_matrix
from Xray2MRIModule.scene.comparison_nodes import Comparison, create_comparison
from Xray2MRIModule.views.comparison_chart import create_chart, depth_of_slice, mark_depth
from Xray2MRIModule.views.layout import SYNTHETIC

from Xray2MRILib.volume.geometry import DIRECTION_LPS, depth_to_mm, index_to_depth, origin_mm, spacing_mm


@pytest.fixture
def result(tmp_path):
    """What the worker answers, with files in the geometry of the pseudo-MRI: red above, blue below, in two blocks."""
    signed = np.zeros((12, 64, 64), np.float32)
    signed[:, 8:24, 20:44], signed[:, 40:56, 20:44] = 1.0, -1.0
    signed[:, 28:36, 20:44] = 0.1  # below the threshold
    paths = {}
    for name, values in (("aligned", signed * 300 + 400), ("difference", signed), ("difference_paper", np.abs(signed))):
        image = sitk.GetImageFromArray(values)
        image.SetSpacing(spacing_mm(12, 64, 64))
        image.SetOrigin(origin_mm(12, 64, 64))
        image.SetDirection(DIRECTION_LPS)
        paths[name] = str(tmp_path / f"{name}.nrrd")
        sitk.WriteImage(image, paths[name])
    rows = [
        {
            "index": index, "depth_mm": depth_to_mm(index_to_depth(11 - index, 12)), "psnr_db": 20.0 + index,
            "ssim": 0.5, "rssim": None, "edge_mm": 1.0, "f1": 0.4, "correlation": None if index == 11 else 0.9,
        }
        for index in range(12)
    ]  # fmt: skip
    return {
        **paths,
        "transform": [1, 0, 0, 5, 0, 1, 0, -6, 0, 0, 1, 7, 0, 0, 0, 1],
        "per_slice": rows,
        "summary": {
            "ssim": {"pseudo": 0.5, "blank": None, "training mean": 0.4},
            "psnr_db": {"pseudo": 25.5, "blank": 9.0},
            "edge_mm": {"pseudo": 1.234, "blank": 10.0},
        },
        "verdict": "No closer than the mean knee.",
        "warnings": ["Another contrast."],
        "report": "r.html",
        "table": str(tmp_path / "t.csv"),
    }


@pytest.fixture
def comparison(application, synthetic, result):
    """Its nodes."""
    made = create_comparison(application.scene, synthetic, None, result)
    create_chart(application.scene, made)
    return made


def test_figures_and_nodes(application, synthetic, comparison, result):
    table = comparison.tableNode.GetTable()
    assert table.GetNumberOfRows() == 12
    assert [table.GetColumnName(n) for n in range(4)] == [
        "slice", "depth (mm)", "Edge distance (mm)", "Edge F1"
    ]  # fmt: skip
    assert table.GetValueByName(3, "PSNR (dB)").ToDouble() == 23.0
    assert np.isnan(table.GetValueByName(3, "RSSIM").ToDouble())
    summary = comparison.summaryTableNode.GetTable()
    assert [summary.GetColumnName(n) for n in range(summary.GetNumberOfColumns())] == [
        "measure", "pseudo-MRI", "mean training knee", "empty volume"
    ]  # fmt: skip
    shown = [[summary.GetValue(row, column).ToString() for column in range(4)] for row in range(3)]
    assert shown == [
        ["Edge distance (mm)", "1.23", "–", "10.00"],
        ["SSIM", "0.500", "0.400", "–"],
        ["PSNR (dB)", "25.5", "–", "9.0"],
    ]
    assert comparison.metrics == ["edge_mm", "f1", "ssim", "psnr_db", "correlation"]
    assert comparison.verdict == result["verdict"]
    np.testing.assert_allclose(arrayFromVolume(comparison.differenceNode).max(), 1.0)
    matrix = slicer.util.arrayFromTransformMatrix(comparison.transformNode)
    np.testing.assert_allclose(matrix[:3, 3], (-5, 6, 7))
    assert comparison.volumeNode is synthetic
    assert comparison.differenceNode.GetAttribute("Xray2MRI.synthetic") == "true"
    assert comparison.alignedNode.GetAttribute("Xray2MRI.synthetic") is None


def test_every_figure_and_volume_of_the_library_has_a_plain_name():
    from Xray2MRIModule.scene.metric_labels import METRICS, SUMMARY_MEASURES, VOLUMES

    from Xray2MRILib.comparison import controls, evaluation

    assert set(SUMMARY_MEASURES) == {*evaluation.MEASURES, "correlation", "correlation_in_leg"}
    names = (controls.BLANK, controls.CONSTANT, controls.MEAN, controls.OTHER, controls.SHUFFLED)
    assert set(VOLUMES) == {evaluation.PSEUDO, evaluation.REFERENCE, *names}
    assert not [text for text in (*METRICS.values(), *SUMMARY_MEASURES.values(), *VOLUMES.values()) if "_" in text]


def test_the_chart_marks_the_slice_that_is_shown(application, logic, comparison, result):
    logic.showLayout(None, comparison.volumeNode)
    logic.showComparison(comparison)
    assert logic.views.layout.chartViewNode.GetPlotChartNodeID() == comparison.chartNode.GetID()
    assert comparison.chartNode.GetTitle() == "Edge distance (mm)"
    assert logic.views.chartMetric(comparison, "psnr_db")
    logic.views.layout.sliceNode(SYNTHETIC).JumpSliceByOffsetting(0, 36.75, 0)
    marker = comparison.node("marker").GetTable()
    assert marker.GetColumn(0).GetValue(0) == pytest.approx(result["per_slice"][0]["depth_mm"])
    assert marker.GetColumn(0).GetValue(0) == pytest.approx(-36.75)
    assert marker.GetColumn(1).GetValue(0) < 20 < 31 < marker.GetColumn(1).GetValue(1)
    assert logic.views.chartMetric(comparison, "ssim")
    assert comparison.chartNode.GetTitle() == "SSIM"
    assert not logic.views.chartMetric(comparison, "rssim")
    mark_depth(comparison, depth_of_slice(comparison, 11, 12))
    assert marker.GetColumn(0).GetValue(1) == pytest.approx(36.75)


def test_measures_of_the_slice_follow_it_in_the_view(application, logic, synthetic, result):
    result["per_slice"][3] |= {"rssim": 0.61, "edge_mm": 0.42, "ssim": 0.445}
    result["summary"]["rssim"] = {"other knee": 0.5}
    result["summary"]["edge_mm"]["other knee"] = 2.6
    comparison = create_comparison(application.scene, synthetic, None, result)
    create_chart(application.scene, comparison)
    logic.showComparison(comparison)
    application.processEvents()
    node, step = logic.views.layout.sliceNode(SYNTHETIC), synthetic.GetSpacing()[2]
    node.JumpSliceByOffsetting(0, 36.75 - 3 * step, 0)
    assert logic.views.layout.depthIndex(synthetic) == 3
    assert logic.views.readings.splitlines() == [
        "RSSIM: 0.610 (0.500)", "Edge distance (mm): 0.42 (2.60)", "SSIM: 0.445", "(another knee, median)"
    ]  # fmt: skip
    picture = application.picture_of_slice(SYNTHETIC, (360, 360))
    node.JumpSliceByOffsetting(0, 36.75 - 4 * step, 0)
    assert logic.views.readings.startswith("RSSIM: – (0.500)")
    # the switch
    logic.views.setReadingsVisible(False)
    assert logic.views.readings == ""
    node.JumpSliceByOffsetting(0, 36.75 - 3 * step, 0)
    without = application.picture_of_slice(SYNTHETIC, (360, 360))
    changed = np.abs(picture.astype(int) - without).sum(axis=2) > 60
    rows, columns = np.nonzero(changed)
    assert changed.sum() > 300
    assert rows.max() < 110
    assert columns.max() < 260
    assert rows.min() > 12  # below the line that says "synthetic"
    logic.views.setReadingsVisible(True)
    assert logic.views.readings != ""
    # outside of the volume, with another volume in the view, and after the scene was closed: nothing
    node.JumpSliceByOffsetting(0, 500, 0)
    assert logic.views.readings == ""
    node.JumpSliceByOffsetting(0, 36.75 - 3 * step, 0)
    logic.views.layout.compositeNode(SYNTHETIC).SetBackgroundVolumeID(comparison.alignedNode.GetID())
    assert logic.views.readings == ""
    logic.views.layout.compositeNode(SYNTHETIC).SetBackgroundVolumeID(synthetic.GetID())
    assert logic.views.readings != ""
    application.scene.Clear(0)
    assert logic.views.readings == ""


def test_line_and_measures_stay_right_when_the_volume_has_more_slices_than_were_compared(
    application, logic, comparison, result
):
    from Xray2MRIModule.views.slice_readings import readings_of

    depths = [row["depth_mm"] for row in result["per_slice"]]
    # 23 slices over the same depth: every second one was compared
    assert depth_of_slice(comparison, 2, 23) == pytest.approx(depths[1])
    assert readings_of(comparison, depth_of_slice(comparison, 2, 23)) != ""
    assert depth_of_slice(comparison, 3, 23) == pytest.approx((depths[1] + depths[2]) / 2)
    assert readings_of(comparison, depth_of_slice(comparison, 3, 23)) == ""
    assert depth_of_slice(comparison, None, 23) is None
    assert readings_of(comparison, None) == ""


def test_signed_difference_in_two_colours(application, logic, comparison):
    logic.views.setReadingsVisible(False)  # they cover the corner
    logic.showComparison(comparison)
    plain = application.picture_of_slice(SYNTHETIC, (256, 256)).astype(int)
    assert logic.views.setDifferenceVisible(comparison, True, opacity=1.0)
    picture = application.picture_of_slice(SYNTHETIC, (256, 256)).astype(int)
    above, below, middle = picture[40:90, 90:165], picture[170:215, 90:165], picture[116:140, 90:165]
    assert (above[..., 0] - above[..., 2]).mean() > 100
    assert (below[..., 2] - below[..., 0]).mean() > 100
    np.testing.assert_array_equal(middle, plain[116:140, 90:165])
    # a lower threshold lets the small difference through
    assert logic.views.setDifferenceVisible(comparison, True, threshold=0.05, opacity=1.0)
    lower = application.picture_of_slice(SYNTHETIC, (256, 256)).astype(int)
    assert np.abs(lower[116:140, 90:165] - plain[116:140, 90:165]).mean() > 10
    assert logic.views.setDifferenceVisible(comparison, True, form="paper", opacity=1.0)
    paper = application.picture_of_slice(SYNTHETIC, (256, 256)).astype(int)
    assert np.abs(paper[40:90, 90:165].mean(axis=(0, 1)) - paper[170:215, 90:165].mean(axis=(0, 1))).max() < 5
    assert logic.views.setDifferenceVisible(comparison, False)
    np.testing.assert_array_equal(application.picture_of_slice(SYNTHETIC, (256, 256)).astype(int), plain)


def test_a_comparison_survives_saving(application, logic, comparison, tmp_path):
    folder = tmp_path / "bundle"
    folder.mkdir()
    assert application.scene.SaveSceneToSlicerDataBundleDirectory(str(folder), None)
    from core_application import CoreApplication

    other = CoreApplication(tmp_path / "other")
    other.scene.SetURL(str(next(folder.rglob("*.mrml"))))
    other.scene.Connect()
    tables = slicer.util.getNodesByClass("vtkMRMLTableNode", other.scene)
    found = [item for item in map(Comparison.ofTable, tables) if item is not None]
    assert len(found) == 1
    assert found[0].verdict == comparison.verdict
    assert found[0].metrics == comparison.metrics
    assert found[0].reportPath is None
    assert found[0].volumeNode.GetName() == comparison.volumeNode.GetName()
    np.testing.assert_allclose(arrayFromVolume(found[0].differenceNode), arrayFromVolume(comparison.differenceNode))
    colours = found[0].differenceNode.GetDisplayNode().GetColorNode()
    rgba = [0.0] * 4
    colours.GetColor(128, rgba)
    assert rgba[3] == 0.0
    colours.GetColor(255, rgba)
    assert rgba[3] == 1.0
    assert rgba[0] > rgba[2]


def test_colours_begin_at_the_noise_that_was_measured(application, synthetic, result):
    comparison = create_comparison(application.scene, synthetic, None, {**result, "difference_noise": 0.5})
    colours = comparison.differenceNode.GetDisplayNode().GetColorNode()

    def colour(share: float) -> list[float]:
        rgba = [0.0] * 4
        colours.GetColor(round((share + 1) * 127.5), rgba)
        return rgba

    # the window of this map is -1 to 1
    assert [colour(share)[3] for share in (-0.48, 0.0, 0.1, 0.48)] == [0.0] * 4
    assert [colour(share)[3] for share in (-1.0, -0.52, 0.52, 0.6, 0.8, 1.0)] == [1.0] * 6
    red, blue = [colour(share)[0] for share in (0.52, 0.6, 0.8, 1.0)], [colour(-s)[2] for s in (0.52, 0.6, 0.8, 1.0)]
    assert red == sorted(set(red))
    assert blue == sorted(set(blue))
    from Xray2MRIModule.scene.comparison_nodes import set_difference_threshold

    set_difference_threshold(comparison, "signed", 0.05)
    assert colour(0.1)[3] == 1.0
    set_difference_threshold(comparison, "signed", None)
    assert colour(0.1)[3] == 0.0


def test_a_slice_view_draws_an_entry_of_the_table_fully_or_not_at_all(application, logic, comparison):
    """Why the table has no opacity between 0 and 1; a Slicer that draws one may have a smoother map."""
    logic.views.setReadingsVisible(False)
    logic.showComparison(comparison)
    assert logic.views.setDifferenceVisible(comparison, True, opacity=1.0)
    colours, drawn = comparison.node("colours"), []
    for opacity in (0.1, 0.5, 1.0):
        for index in range(colours.GetNumberOfColors()):
            colours.SetColor(index, "red", 1.0, 0.0, 0.0, opacity)
        drawn.append(application.picture_of_slice(SYNTHETIC, (256, 256))[60:80, 100:150])
    for picture in drawn:
        np.testing.assert_array_equal(picture, np.broadcast_to((255, 0, 0), picture.shape))


def test_a_broken_result_leaves_no_node(application, synthetic, result):
    before = application.scene.GetNumberOfNodes()
    for change in ({"difference": "missing.nrrd"}, {"transform": [1, 2]}, {"per_slice": [{"index": "x"}]}):
        with pytest.raises((OSError, ValueError, KeyError, TypeError)):
            create_comparison(application.scene, synthetic, None, {**result, **change})
        assert application.scene.GetNumberOfNodes() == before


def test_where_the_user_put_the_reference(application, synthetic):
    reference = slicer.util.addVolumeFromArray(np.zeros((3, 4, 5), np.int16))
    assert initial_matrix(synthetic, reference, None) is None
    nudge = application.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = np.eye(4)
    matrix[:3, 3] = (1, 2, 3)
    nudge.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    # RAS (1, 2, 3) is LPS (-1, -2, 3); whether the reference lies under the transform or not, it counts once
    for under in (False, True):
        reference.SetAndObserveTransformNodeID(nudge.GetID() if under else None)
        found = np.reshape(initial_matrix(synthetic, reference, nudge), (4, 4))
        np.testing.assert_allclose(found[:3, 3], (-1, -2, 3))
    synthetic.SetAndObserveTransformNodeID(nudge.GetID())
    assert initial_matrix(synthetic, reference, None) is None
    assert initial_matrix(synthetic, reference, list(range(16))) == [float(n) for n in range(16)]
