"""The combo box "Precision": what it offers, what the worker makes of it, and how a failure names it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from test_panel_results import _generated

from Xray2MRILib.generation.settings import PRECISIONS


def test_the_box_offers_what_the_library_knows(desk: Any, knee_radiograph: Path) -> None:
    box = desk.ui.precisionSelector
    assert desk.parameters.precision == "auto"
    for index, word in enumerate(PRECISIONS):
        box.setCurrentIndex(index)
        assert desk.parameters.precision == word
    box.setCurrentIndex(0)
    volume = _generated(desk, knee_radiograph)
    assert volume.GetAttribute("Xray2MRI.run.precision") in PRECISIONS[1:]


def test_a_format_that_the_device_lacks_is_refused_under_the_label_of_the_box(desk: Any, knee_radiograph: Path) -> None:
    desk.load(knee_radiograph)
    desk.quick()
    desk.parameters.device = "cpu"
    desk.ui.precisionSelector.setCurrentIndex(PRECISIONS.index("fp16"))
    desk.ui.generateButton.click()
    desk.until(lambda: "Not generated" in desk.ui.generateMessageLabel.text)
    text = desk.ui.generateMessageLabel.text
    assert "processors compute no fp16" in text
    assert 'Setting: "Precision"' in text
