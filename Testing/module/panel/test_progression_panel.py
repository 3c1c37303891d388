"""The section Progression driven by clicks, with the real worker and real MRML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
from small_networks import save_morphing_model
from Xray2MRIModule.scene import synthetic_course

from Xray2MRILib.baselines.morphing import SHIPPED_FOLDER
from Xray2MRILib.errors import ProcessingError
from Xray2MRILib.files.resources import resource_path


def ships(folder: str) -> bool:
    try:
        resource_path(folder)
    except ProcessingError:
        return False
    return True


def make(desk: Any, model: Path, frames: int = 4) -> None:
    ui = desk.ui
    ui.progressionModelEdit.currentPath = str(model)
    ui.progressionFramesSpinBox.value = frames
    ui.progressionButton.click()
    assert ui.progressionButton.text == "Cancel", desk.sentences()
    desk.until(lambda: ui.progressionButton.text == "Make the course")


def test_a_course_is_made_and_the_slider_shows_its_frames(desk: Any, knee_radiograph: Path, tmp_path: Path) -> None:
    ui, layout = desk.ui, desk.logic.views.layout
    assert ui.progressionButton.enabled is False
    desk.load(knee_radiograph)
    assert ui.progressionButton.enabled is True
    assert ui.progressionFrameSlider.enabled is False
    ui.progressionGradeSelector.setCurrentIndex(2)
    make(desk, save_morphing_model(tmp_path / "model"))
    assert "<b>Made:</b> 4 frames" in ui.progressionMessageLabel.text, desk.sentences()
    (browser,) = desk.logic.courses()
    slider = ui.progressionFrameSlider
    assert (slider.minimum, slider.maximum, slider.value) == (1, 4, 1)
    film = layout.backgroundVolume("Xray2MRIRadiograph")
    assert film.GetName().startswith("Synthetic course")
    slider.value = 4.0
    assert browser.GetSelectedItemNumber() == 3
    assert film.GetAttribute("Xray2MRI.severity") == "0.5"  # KL 2 of 4
    words = ui.progressionFrameLabel.text
    assert "Synthetic course, not a forecast." in words
    assert "Frame 4 of 4: severity 0.50" in words
    # another module, such as the toolbar of sequences, selects a frame: the slider follows
    browser.SetSelectedItemNumber(1)
    assert slider.value == 2
    assert "Frame 2 of 4" in ui.progressionFrameLabel.text
    # the course is no pseudo-MRI, and the radiograph stays selected
    assert desk.parameters.volume is None
    assert desk.parameters.radiograph.GetName() == "Radiograph"


def test_it_plays_until_it_is_stopped(desk: Any, knee_radiograph: Path, tmp_path: Path) -> None:
    ui = desk.ui
    desk.load(knee_radiograph)
    make(desk, save_morphing_model(tmp_path / "model"), frames=3)
    (browser,) = desk.logic.courses()
    seen = []
    ui.progressionPlayButton.click()
    assert ui.progressionPlayButton.text == "Stop"

    def again() -> bool:
        seen.append(browser.GetSelectedItemNumber())
        return {0, 1, 2} <= set(seen) and seen[-1] == 0 and 2 in seen

    desk.until(again, 30)
    ui.progressionPlayButton.click()
    assert ui.progressionPlayButton.text == "Play"
    shown = browser.GetSelectedItemNumber()
    end = [0]

    def later() -> bool:
        end[0] += 1
        return end[0] > 150

    desk.until(later, 30)
    assert browser.GetSelectedItemNumber() == shown


def test_closing_the_scene_and_another_radiograph_end_the_course(
    desk: Any, knee_radiograph: Path, tmp_path: Path
) -> None:
    ui = desk.ui
    desk.load(knee_radiograph)
    make(desk, save_morphing_model(tmp_path / "model"), frames=3)
    ui.progressionPlayButton.click()
    desk.load(knee_radiograph)  # another node of the same file has no course
    assert ui.progressionFrameSlider.enabled is False
    assert ui.progressionPlayButton.checked is False
    assert ui.progressionFrameLabel.text == ""
    desk.scene.Clear(0)
    assert desk.logic.courses() == []
    assert ui.progressionMessageLabel.text == ""


@pytest.mark.skipif(not ships(SHIPPED_FOLDER), reason="no morphing model ships")
def test_the_lateral_course_is_another_one(desk: Any, knee_radiograph: Path) -> None:
    """The shipped model closes the medial or the lateral joint space: the last frames differ, the first do not."""
    ui, films = desk.ui, []
    desk.load(knee_radiograph)
    ui.progressionModelEdit.currentPath = ""
    ui.progressionFramesSpinBox.value = 2
    for place in (0, 1):
        ui.progressionCourseSelector.setCurrentIndex(place)
        ui.progressionButton.click()
        desk.until(lambda: ui.progressionButton.text == "Make the course")
        assert "<b>Made:</b> 2 frames" in ui.progressionMessageLabel.text, desk.sentences()
        browser, shown = desk.logic.courses()[-1], []
        for frame in (0, 1):
            browser.SetSelectedItemNumber(frame)
            shown.append(slicer.util.arrayFromVolume(synthetic_course.film_of(browser)).astype(int).copy())
        films.append(shown)
    (first, medial), (other, lateral) = films
    np.testing.assert_array_equal(first, other)
    halves = [np.abs(medial - lateral)[..., part].mean() for part in (slice(0, 128), slice(128, 256))]
    assert min(halves) > 1  # grey values: each course changes its own compartment


def test_a_model_of_one_course_refuses_another_in_words(desk: Any, knee_radiograph: Path, tmp_path: Path) -> None:
    desk.load(knee_radiograph)
    desk.ui.progressionCourseSelector.setCurrentIndex(1)
    make(desk, save_morphing_model(tmp_path / "model"))
    words = desk.ui.progressionMessageLabel.text
    assert words.startswith("<b>Not made:</b> The morphing model knows no course lateral.")
    assert 'Setting: "Course".' in words
    assert desk.logic.courses() == []


@pytest.mark.skipif(ships(SHIPPED_FOLDER), reason="a morphing model ships")
def test_without_a_morphing_model_the_panel_says_so(desk: Any, knee_radiograph: Path) -> None:
    ui = desk.ui
    desk.load(knee_radiograph)
    ui.progressionModelEdit.currentPath = ""
    ui.progressionButton.click()
    desk.until(lambda: ui.progressionButton.text == "Make the course")
    words = ui.progressionMessageLabel.text
    assert words.startswith("<b>Not made:</b> No morphing model ships with this installation.")
    assert 'Setting: "Morphing model".' in words
    assert desk.logic.courses() == []


def test_cancelling_leaves_the_scene_as_it_was(desk: Any, knee_radiograph: Path, tmp_path: Path) -> None:
    ui = desk.ui
    desk.load(knee_radiograph)
    before = desk.volumes()
    ui.progressionModelEdit.currentPath = str(save_morphing_model(tmp_path / "model"))
    ui.progressionVolumesCheckBox.checked = True
    desk.quick(slices=400, steps=1000)
    ui.progressionButton.click()
    desk.until(lambda: "pseudo-MRIs" in ui.progressionMessageLabel.text)
    assert ui.generateButton.enabled is False
    ui.progressionButton.click()
    desk.until(lambda: ui.progressionButton.text == "Make the course", 30)
    assert ui.progressionMessageLabel.text == "Cancelled. The scene is unchanged."
    assert desk.volumes() == before
