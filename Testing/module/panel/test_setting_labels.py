"""Errors and warnings of a job name a setting; the panel shows the label beside that setting's widget."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import slicer
from panel_desk import UI_FILE
from panel_loader import load_panel

from Xray2MRILib.worker.protocol import SETTINGS

pytestmark = pytest.mark.usefixtures("faultless", "slicer_modules")
LIBRARY = Path(__file__).resolve().parents[3] / "Xray2MRILib"
# no job of the panel runs them
OTHER_DOORS = {"benchmark", "cli", "cohort", "simulation", "training"}
# their refusal takes the name from a loop
NUMBERS_OF_A_COURSE = {"frames", "to_grade"}
# what the panel leaves to the model or to the worker's defaults
NOT_OFFERED = {"clip_weights", "controls", "guidance_scale", "keep_identifiers", "noise_scale", "output", "sampler"}


def fields_of_the_library() -> set[str]:
    """Every name that a job of the panel can give to ``field``: as a literal, or as one of the protocol's settings."""
    found = set(SETTINGS) | NUMBERS_OF_A_COURSE
    for path in LIBRARY.rglob("*.py"):
        if path.relative_to(LIBRARY).parts[0] in OTHER_DOORS:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "field" and isinstance(node.value, ast.Constant):
                found.add(node.value.value)
    return found


def test_every_setting_that_an_error_can_name_has_a_label() -> None:
    from Xray2MRIModule.panel.setting_labels import LABELS

    fields = fields_of_the_library()
    assert {"roi", "side", "knee", "device", "align", "initial"} <= fields
    assert fields - NOT_OFFERED == set(LABELS)


def test_labels_are_those_of_the_panel() -> None:
    from Xray2MRIModule.panel.setting_labels import LABELS, withLabel

    ui = slicer.util.childWidgetVariables(load_panel(UI_FILE))
    texts = {field: withLabel(ui, "Fault.", field) for field in LABELS}
    assert texts["side"] == 'Fault. Setting: "Side".'
    assert texts["roi"] == 'Fault. Setting: "Set the knee box manually".'
    assert texts["initial"] == 'Fault. Setting: "Start from".'
    assert not [text for text in texts.values() if '""' in text]
    assert withLabel(ui, "Fault.", "") == withLabel(ui, "Fault.", "guidance_scale") == "Fault."


def test_a_failed_job_shows_the_label_of_its_setting(desk: Any, knee_radiograph: Path) -> None:
    desk.load(knee_radiograph)
    failures: list[Any] = []
    desk.logic.prepare(desk.parameters.radiograph, roi=[5000.0, 5000.0, 100.0, 100.0], onError=failures.append)
    desk.until(lambda: failures)
    assert failures[0].field == "roi"
    sentence = desk.panel.failed(failures[0])
    assert sentence.startswith("The rectangle 5000,5000,100,100 is mostly outside the radiograph.")
    assert sentence.endswith(' Setting: "Set the knee box manually".')


def test_a_warning_shows_the_label_of_its_setting(desk: Any, two_knee_radiograph: Path) -> None:
    desk.load(two_knee_radiograph)
    desk.quick()
    desk.generate()
    text = desk.ui.generateMessageLabel.text
    assert "2 knees were found" in text
    assert 'Setting: "Knee".' in text
    # the section of the radiograph says the same in its own words
    assert "knees were found" not in desk.ui.plausibilityLabel.text
