"""The box "Patient (optional)": what is given is asked for, and the included model says that it does not know it."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def test_the_box_asks_for_what_is_given_and_the_model_answers(desk: Any, knee_radiograph: Path) -> None:
    from Xray2MRIModule.parameter_node import settings

    ui = desk.ui
    assert ui.personBox.collapsed
    assert not {"age", "sex", "bmi"} & set(settings(desk.parameters))
    ui.sexSelector.setCurrentIndex(2)
    ui.ageSpinBox.value = 61
    assert settings(desk.parameters)["sex"] == "man"
    assert settings(desk.parameters)["age"] == 61
    desk.load(knee_radiograph)
    desk.until(lambda: ui.generateButton.enabled)
    ui.generateButton.click()
    desk.until(lambda: "was not trained with" in ui.generateMessageLabel.text)
    assert "compact was not trained with the age" in ui.generateMessageLabel.text or (
        "was not trained with the sex" in ui.generateMessageLabel.text
    )
    ui.sexSelector.setCurrentIndex(0)
    ui.ageSpinBox.value = ui.ageSpinBox.minimum
    assert not {"age", "sex", "bmi"} & set(settings(desk.parameters))
