"""The box Early osteoarthritis driven by clicks, with the real worker and real MRML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from small_networks import save_siamese_gap

VIEW = "Xray2MRIRadiograph"


def layer(desk: Any) -> tuple[str | None, float]:
    composite = desk.logic.views.layout.compositeNode(VIEW)
    return composite.GetForegroundVolumeID(), composite.GetForegroundOpacity()


def ask(desk: Any) -> None:
    desk.ui.earlyButton.click()
    assert desk.ui.earlyButton.text == "Cancel", desk.sentences()
    desk.until(lambda: desk.ui.earlyButton.text == "Show the map")


def test_the_map_comes_goes_and_fades(desk: Any, knee_radiograph: Path, tmp_path: Path) -> None:
    from Xray2MRIModule.scene.activation_map import map_of

    ui = desk.ui
    assert ui.earlyButton.enabled is False
    assert "Not a diagnosis" in ui.earlyCautionLabel.text
    radiograph = desk.load(knee_radiograph)
    assert ui.earlyVisibleCheckBox.enabled is False
    ui.earlyFolderEdit.currentPath = str(save_siamese_gap(tmp_path / "average"))
    ask(desk)
    found = map_of(radiograph)
    assert found is not None, desk.sentences()
    assert layer(desk) == (found.GetID(), 0.8)
    words = ui.earlyMessageLabel.text
    assert words.startswith("KL-2 rather than KL-0, if it is one of them: ")
    assert "lateral" in words
    ui.earlyOpacitySlider.value = 0.25
    assert layer(desk) == (found.GetID(), 0.25)
    ui.earlyVisibleCheckBox.click()
    assert layer(desk)[0] is None
    ui.earlyVisibleCheckBox.click()
    assert layer(desk)[0] == found.GetID()
    # another radiograph: its view shows no map of the former one, and the sentence goes
    desk.load(knee_radiograph)
    assert layer(desk)[0] is None
    assert ui.earlyMessageLabel.text == ""
    assert ui.earlyVisibleCheckBox.enabled is False


def test_another_radiograph_chosen_meanwhile_shows_neither_map_nor_sentence(
    desk: Any, knee_radiograph: Path, tmp_path: Path
) -> None:
    from Xray2MRIModule.scene.activation_map import map_of

    ui = desk.ui
    first = desk.load(knee_radiograph)
    ui.earlyFolderEdit.currentPath = str(save_siamese_gap(tmp_path / "average"))
    ui.earlyButton.click()
    desk.load(knee_radiograph)
    desk.until(lambda: ui.earlyButton.text == "Show the map")
    assert map_of(first) is not None
    assert ui.earlyMessageLabel.text == ""
    assert layer(desk)[0] is None


def test_a_wrong_folder_is_a_sentence_and_none_is_the_network_that_ships(
    desk: Any, knee_radiograph: Path, tmp_path: Path
) -> None:
    ui = desk.ui
    desk.load(knee_radiograph)
    ui.earlyFolderEdit.currentPath = str(tmp_path)
    ask(desk)
    assert ui.earlyMessageLabel.text.startswith("<b>No map:</b> The file checksums.json is missing")
    assert layer(desk)[0] is None
    # an empty field asks the network that ships
    ui.earlyFolderEdit.currentPath = ""
    ask(desk)
    assert ui.earlyMessageLabel.text.startswith("KL-2 rather than KL-0")
    assert layer(desk)[0] is not None
