"""The map of early osteoarthritis through the real worker, over its radiograph."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from slicer.util import arrayFromVolume
from small_networks import save_siamese_gap
from Xray2MRIModule.failure import JobFailed
from Xray2MRIModule.scene.activation_map import map_of, result_of
from Xray2MRIModule.views.annotations import MAP_TEXT
from Xray2MRIModule.views.layout import RADIOGRAPH

from Xray2MRILib.rendering.activation_picture import activation_colours


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return str(save_siamese_gap(tmp_path_factory.mktemp("siamese") / "average"))


@pytest.fixture(scope="module")
def explained(warm, knee_radiograph, network):
    radiograph = warm.application.loadVolume(str(knee_radiograph), "Film")
    return radiograph, warm.explainEarlyOsteoarthritis(radiograph, network=network).wait(200)


def test_the_map_lies_on_the_knee_and_tells_what_the_network_said(warm, explained):
    radiograph, job = explained
    node = map_of(radiograph)
    assert node is job.node("map")
    assert arrayFromVolume(node).max() == pytest.approx(1.0, abs=1e-4)
    x, y, width, height = job.result["rectangle"]
    bounds, whole = np.zeros(6), np.zeros(6)
    node.GetRASBounds(bounds)
    radiograph.GetRASBounds(whole)
    # the stand-in loads pictures with x to the left and y downwards, a millimetre a pixel
    np.testing.assert_allclose(
        [bounds[0], bounds[1], bounds[2], bounds[3]],
        [0.5 - x - width, 0.5 - x, 0.5 - y - height, 0.5 - y], atol=1e-3,
    )  # fmt: skip
    assert result_of(node)["probability"] == pytest.approx(job.result["probability"])
    assert node not in warm.syntheticVolumes()
    assert warm.allRadiographs.loaded() == [radiograph]


def test_colours_show_over_the_radiograph_with_a_caution(warm, explained):
    radiograph, _ = explained
    warm.showLayout(radiograph)
    plain = warm.application.picture_of_slice(RADIOGRAPH, (500, 500))
    assert warm.views.setEarlyMapVisible(radiograph, True, 1.0)
    shown = warm.application.picture_of_slice(RADIOGRAPH, (500, 500))
    texts = [actor.GetInput() for _, actor in warm.views._annotations._actors.values()]
    assert MAP_TEXT in texts
    below = slice(40, None)  # the caution is above
    coloured = np.abs(shown[below].astype(int) - plain[below]).max(-1) > 12
    assert coloured.mean() > 0.01
    # outside of the knee the radiograph stays
    assert coloured.mean() < 0.9
    warm.views.setEarlyMapVisible(radiograph, False)
    np.testing.assert_array_equal(warm.application.picture_of_slice(RADIOGRAPH, (500, 500)), plain)
    assert MAP_TEXT not in [actor.GetInput() for _, actor in warm.views._annotations._actors.values()]


def test_the_colours_are_those_of_the_picture_that_the_command_draws(warm, explained):
    node = explained[1].node("map").GetDisplayNode().GetColorNode()
    colour = [0.0] * 4
    node.GetColor(127, colour)
    np.testing.assert_allclose(colour[:3], activation_colours(np.array(1.0)) / 255, atol=0.01)
    node.GetColor(0, colour)
    np.testing.assert_allclose(colour[:3], activation_colours(np.array(0.0)) / 255, atol=0.01)
    # weak places leave the radiograph as it is
    display = explained[1].node("map").GetDisplayNode()
    assert display.GetApplyThreshold()
    assert 0.2 < display.GetLowerThreshold() < 0.5


def test_a_second_map_takes_the_place_of_the_first(warm, explained, network):
    radiograph, job = explained
    identifier = job.node("map").GetID()
    before = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")
    colours = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLColorTableNode")
    columns, rows = radiograph.GetImageData().GetDimensions()[:2]
    again = warm.explainEarlyOsteoarthritis(radiograph, network=network, roi=[5, 5, columns / 2, rows / 2]).wait(200)
    assert again.node("map").GetID() == identifier
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == before
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLColorTableNode") == colours
    assert result_of(again.node("map"))["rectangle"] == pytest.approx(again.result["rectangle"])


def test_a_folder_without_a_network_is_a_sentence(warm, explained, tmp_path):
    with pytest.raises(JobFailed, match=r"checksums\.json is missing"):
        warm.explainEarlyOsteoarthritis(explained[0], network=str(tmp_path)).wait(200)
