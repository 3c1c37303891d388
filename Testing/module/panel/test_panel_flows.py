"""The panel driven by clicks, with the real worker and real MRML: from a radiograph to a volume and more of its
depths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer


def test_radiograph_is_looked_at_as_soon_as_it_is_chosen(desk: Any, knee_radiograph: Path) -> None:
    assert desk.ui.generateButton.enabled is False
    radiograph = desk.load(knee_radiograph)
    assert desk.ui.radiographSelector.currentNode() is radiograph
    assert "One knee was found" in desk.ui.radiographStatusLabel.text
    shares = [getattr(desk.ui, f"gradeBar{grade}").value for grade in range(5)]
    assert sum(shares) == pytest.approx(1000, abs=5)
    assert desk.ui.plausibilityLabel.text == ""
    assert desk.ui.histogramLabel.isHidden() is False
    assert desk.ui.generateButton.enabled is True
    assert "free" in desk.ui.deviceStatusLabel.text
    # it is shown at once, with the knee framed
    composite = desk.logic.views.layout.compositeNode("Xray2MRIRadiograph")
    assert composite.GetBackgroundVolumeID() == radiograph.GetID()
    from Xray2MRIModule.scene.radiograph_node import rectangle_of_roi

    (frame,) = slicer.util.getNodesByClass("vtkMRMLMarkupsROINode")
    x, y, width, height = desk.panel.prepared["knees"][0]["box"]
    y, height = max(y, 0.0), height + min(y, 0.0)  # a detected box may reach beyond the radiograph
    assert rectangle_of_roi(frame, radiograph) == pytest.approx([x, y, width, height], abs=1.5)
    assert frame.GetDisplayNode().GetVisibility()


def test_radiograph_of_two_knees_offers_both(desk: Any, two_knee_radiograph: Path) -> None:
    desk.load(two_knee_radiograph)
    assert "2 knees were found" in desk.ui.radiographStatusLabel.text
    assert desk.ui.kneeSelector.isHidden() is False
    texts = [desk.ui.kneeSelector.itemText(index) for index in range(desk.ui.kneeSelector.count)]
    # the patient's right knee lies on the left of a frontal radiograph
    assert texts == ["Automatic", "1 from the left: right knee", "2 from the left: left knee"]
    sides = {}
    for index in (1, 2):
        before = desk.panel.prepared
        desk.ui.kneeSelector.setCurrentIndex(index)
        desk.until(lambda before=before: desk.panel.prepared is not before)
        sides[index] = desk.panel.prepared["side"]
        assert desk.ui.kneeSelector.currentIndex == index
    assert sides == {1: "right", 2: "left"}


def test_the_user_says_how_bone_is_stored(desk: Any, knee_radiograph: Path, two_knee_radiograph: Path) -> None:
    desk.load(knee_radiograph)
    before = desk.panel.prepared
    assert not before["film"]["inverted"]
    desk.ui.photometricSelector.setCurrentIndex(2)
    assert desk.parameters.photometric == "inverted"
    desk.until(lambda: desk.panel.prepared is not before)
    assert desk.panel.prepared["film"]["inverted"]
    desk.load(two_knee_radiograph)  # another file may be stored in the other sense
    assert (desk.parameters.photometric, desk.ui.photometricSelector.currentIndex) == ("auto", 0)
    assert not desk.panel.prepared["film"]["inverted"]


def test_radiograph_and_knee_of_a_saved_scene_are_looked_at_when_the_module_is_opened(
    desk: Any, two_knee_radiograph: Path
) -> None:
    from Xray2MRIModule.panel.main_panel import MainPanel

    desk.panel.cleanup()
    radiograph = desk.logic.application.loadVolume(str(two_knee_radiograph), "Film")
    parameters = desk.parameterNode()
    parameters.radiograph, parameters.knee = radiograph, 2
    desk.panel = MainPanel(desk.ui, desk.logic, None)
    desk.panel.enter()
    desk.until(lambda: desk.panel.prepared is not None)
    assert desk.panel.prepared["side"] == "left"
    assert desk.ui.kneeSelector.currentIndex == 2
    assert "number 2 from the left" in desk.ui.radiographStatusLabel.text


def test_module_may_be_left_while_a_radiograph_is_looked_at(desk: Any, knee_radiograph: Path) -> None:
    desk.panel.radiograph.loadFile(knee_radiograph)
    desk.until(lambda: "Analysing the radiograph" in desk.ui.radiographStatusLabel.text)
    desk.panel.exit()
    desk.until(lambda: desk.panel.prepared is not None)
    desk.panel.enter()
    assert "One knee was found" in desk.ui.radiographStatusLabel.text
    (frame,) = slicer.util.getNodesByClass("vtkMRMLMarkupsROINode")
    assert frame.GetDisplayNode().GetVisibility()


def test_picture_that_is_no_knee_is_marked_in_place(desk: Any, tmp_path: Path) -> None:
    from PIL import Image

    generator = np.random.default_rng(0)
    Image.fromarray(generator.integers(0, 255, (300, 300), dtype=np.uint8)).save(tmp_path / "noise.png")
    desk.load(tmp_path / "noise.png")
    assert "Caution" in desk.ui.plausibilityLabel.text
    assert "--" not in desk.ui.plausibilityLabel.text
    assert desk.ui.plausibilityLabel.isHidden() is False


def test_volume_of_many_slices_is_refused_as_a_radiograph(desk: Any) -> None:
    node = slicer.util.addVolumeFromArray(np.zeros((10, 64, 64), np.int16), name="an MRI")
    desk.ui.radiographSelector.setCurrentNode(node)
    desk.until(lambda: "Not a radiograph" in desk.ui.radiographStatusLabel.text)
    assert desk.panel.prepared is None


def test_file_that_is_no_picture_is_refused_with_a_sentence(desk: Any, tmp_path: Path) -> None:
    (tmp_path / "letter.png").write_text("Dear colleague", encoding="utf-8")
    desk.panel.radiograph.loadFile(tmp_path / "letter.png")
    assert desk.ui.radiographStatusLabel.text.startswith("<b>Not loaded:</b>")
    assert desk.volumes() == []


def test_box_by_hand_takes_the_place_of_the_detector(desk: Any, knee_radiograph: Path) -> None:
    radiograph = desk.load(knee_radiograph)
    detected = desk.panel.prepared["knees"][0]["box"]
    first = desk.panel.prepared
    desk.ui.useRoiCheckBox.click()
    desk.until(lambda: desk.panel.prepared is not first)
    assert "manually" in desk.ui.radiographStatusLabel.text
    roi = desk.parameters.roi
    assert roi.GetDisplayNode().GetVisibility() == 1
    shown = {view for view in ("Radiograph", "Synthetic", "Real")
             if roi.GetDisplayNode().IsDisplayableInView(f"vtkMRMLSliceNodeXray2MRI{view}")}  # fmt: skip
    assert shown == {"Radiograph"}
    assert not roi.GetDisplayNode().IsDisplayableInView("vtkMRMLViewNodeXray2MRIRendering")
    (frame,) = [node for node in slicer.util.getNodesByClass("vtkMRMLMarkupsROINode") if node is not roi]
    assert frame.GetDisplayNode().GetVisibility() == 0
    # a detected box may reach beyond the radiograph, one that is set by hand does not
    x, y, width, height = detected
    x, y, width, height = x, max(y, 0.0), width, height + min(y, 0.0)
    assert desk.panel.radiograph.rectangle() == pytest.approx([x, y, width, height], abs=1.5)

    # dragging it has the new place looked at
    second = desk.panel.prepared
    from Xray2MRIModule.scene.radiograph_node import place_roi

    place_roi(roi, radiograph, [x + 20, y + 10, width - 40, height - 20])
    desk.until(lambda: desk.panel.prepared is not second)
    box = desk.panel.prepared["knees"][0]["box"]
    # the joint is always cut out as a square
    assert [box[0], box[1] + box[3] / 2, box[2]] == pytest.approx([x + 20, y + height / 2, width - 40], abs=1.5)

    desk.ui.useRoiCheckBox.click()
    assert roi.GetDisplayNode().GetVisibility() == 0
    desk.until(lambda: frame.GetDisplayNode().GetVisibility() == 1)


def test_slices_appear_while_progress_rises_and_the_volume_is_shown(desk: Any, knee_radiograph: Path) -> None:
    desk.load(knee_radiograph)
    desk.quick()
    seen: list[tuple[int, int]] = []
    desk.ui.generateButton.click()
    assert desk.ui.generateButton.text == "Cancel"
    while desk.ui.generateButton.text == "Cancel":
        volume = desk.parameters.volume
        filled = 0
        if volume is not None:
            filled = int((slicer.util.arrayFromVolume(volume).reshape(30, -1).std(axis=1) > 0).sum())
        seen.append((desk.ui.progressBar.value, filled))
        before = len(seen)
        desk.until(lambda: desk.ui.generateButton.text != "Cancel" or desk.ui.progressBar.value != seen[-1][0])
        assert len(seen) == before
    values = [value for value, _ in seen]
    assert values == sorted(values)
    assert values[-1] > 500
    # some slices were there before the last one
    assert any(0 < filled < 30 for _, filled in seen)
    volume = desk.ui.volumeSelector.currentNode()
    assert slicer.util.arrayFromVolume(volume).shape[0] == 30
    assert desk.ui.generateMessageLabel.text.startswith("<b>Done in")
    assert desk.logic.views.isLayoutShown
    assert desk.ui.layoutButton.text == "Restore previous layout"


def test_the_3d_rendering_appears_by_itself_when_the_volume_is_complete(desk: Any, knee_radiograph: Path) -> None:
    def rendered() -> list[str]:
        displays = slicer.util.getNodesByClass("vtkMRMLVolumeRenderingDisplayNode")
        return [display.GetDisplayableNode().GetID() for display in displays if display.GetVisibility()]

    desk.load(knee_radiograph)
    desk.quick()
    desk.ui.generateButton.click()
    desk.until(lambda: desk.parameters.volume is not None)
    assert rendered() == []  # not while slices arrive
    desk.until(lambda: desk.ui.generateButton.text == "Generate pseudo-MRI")
    first = desk.parameters.volume
    assert rendered() == [first.GetID()]
    # another volume takes its place
    second = desk.generate()
    assert second is not first
    assert rendered() == [second.GetID()]
    # switched off, it stays off, also for the next volume
    desk.ui.renderingCheckBox.click()
    assert rendered() == []
    desk.generate()
    assert rendered() == []


def test_moving_the_slider_adds_depths_once_and_switches_at_once_afterwards(desk: Any, knee_radiograph: Path) -> None:
    desk.load(knee_radiograph)
    desk.quick()
    volume = desk.generate()
    nodes = len(desk.volumes())
    desk.ui.densitySlider.value = 59.0
    desk.until(lambda: desk.logic.densities(volume) == [30, 59] and not desk.logic.isBusy)
    assert slicer.util.arrayFromVolume(desk.parameters.volume).shape[0] == 59
    dense = slicer.util.arrayFromVolume(desk.parameters.volume).copy()
    assert desk.parameters.volume is volume
    # the items of a sequence are no further volumes in the scene
    assert len(desk.volumes()) == nodes

    desk.ui.densitySlider.value = 30.0
    assert not desk.logic.isBusy
    assert slicer.util.arrayFromVolume(volume).shape[0] == 30
    # 59 = 2 x 30 - 1: every second depth of the dense volume is one of the sparse one
    assert np.array_equal(slicer.util.arrayFromVolume(volume), dense[::2])
    assert "Available at once: 30, 59." in desk.ui.densityLabel.text


def test_what_if_grades_add_to_one_and_reach_the_volume(desk: Any, knee_radiograph: Path) -> None:
    desk.load(knee_radiograph)
    desk.ui.whatIfCheckBox.click()
    assert desk.ui.gradeBar0.isHidden()
    assert not desk.ui.gradeSlider0.isHidden()
    desk.ui.gradeSlider4.value = 80.0
    shares = [getattr(desk.ui, f"gradeSlider{grade}").value for grade in range(5)]
    assert shares[4] == 80.0
    assert sum(shares) == pytest.approx(100.0, abs=0.3)
    assert sum(desk.parameters.grades) == pytest.approx(1.0, abs=1e-9)
    desk.quick()
    desk.generate()
    koa = desk.logic.runs[-1].result["koa"]
    assert koa["values"] == pytest.approx(list(desk.parameters.grades), abs=1e-6)

    desk.ui.resetGradesButton.click()
    assert list(desk.parameters.grades) == pytest.approx(desk.panel.prepared["probabilities"])


def test_what_is_hidden_stays_hidden_when_a_section_unfolds(desk: Any) -> None:
    """ctk shows all children of a section that unfolds, also those hidden in the meantime."""
    desk.ui.compareSection.collapsed = False
    assert desk.ui.comparisonResult.isHidden()
    assert desk.ui.compareMessageLabel.isHidden()
    desk.ui.moreChoicesBox.collapsed = False
    assert desk.ui.modelFolderEdit.isHidden()
    assert desk.ui.stepsSpinBox.isHidden() is False
    assert desk.ui.histogramCaptionLabel.isHidden()


def test_one_sample_has_no_uncertainty_and_says_what_to_do(desk: Any, knee_radiograph: Path) -> None:
    desk.load(knee_radiograph)
    desk.quick()
    desk.generate()
    desk.ui.uncertaintyCheckBox.click()
    assert "two or more samples" in desk.ui.viewMessageLabel.text
    desk.ui.samplesSpinBox.value = 2
    desk.ui.uncertaintyCheckBox.click()
    desk.generate()
    desk.ui.uncertaintyCheckBox.click()
    assert desk.ui.viewMessageLabel.text == ""


def test_leaving_and_returning_keeps_choices_and_gives_back_the_layout(desk: Any, knee_radiograph: Path) -> None:
    desk.load(knee_radiograph)
    desk.ui.seedSpinBox.value = 7
    assert desk.logic.views.isLayoutShown
    desk.panel.exit()
    assert not desk.logic.views.isLayoutShown
    # without a parameter node the widgets lead nowhere
    desk.ui.seedSpinBox.value = 9
    desk.panel.enter()
    assert desk.ui.seedSpinBox.value == 7
    assert desk.logic.views.isLayoutShown
    desk.ui.layoutButton.click()
    assert not desk.logic.views.isLayoutShown
