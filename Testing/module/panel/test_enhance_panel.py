"""The section Enhance driven by clicks, with the real worker and real MRML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import slicer


def scan(spacing: float = 3.5) -> Any:
    rng = np.random.default_rng(0)
    voxels = rng.integers(0, 60, (16, 50, 40)).astype(np.int16)
    voxels[3:13, :, 8:32] += 400
    matrix = np.array([[-1.25, 0, 0, 25], [0, 0, -spacing, 28], [0, -1.25, 0, 31], [0, 0, 0, 1.0]])
    return slicer.util.addVolumeFromArray(voxels, matrix, "Scan")


def test_the_slider_follows_the_volume(desk: Any) -> None:
    ui = desk.ui
    ui.enhanceSection.collapsed = False
    assert ui.enhanceButton.enabled is False
    ui.enhanceSelector.setCurrentNode(scan())
    assert ui.enhanceButton.enabled is True
    assert ui.enhanceMeasuredLabel.text == "Measured voxels: 1.25 x 1.25 x 3.5 mm"
    slider = ui.enhanceSpacingSlider
    assert abs(slider.minimum - 0.875) < 1e-6
    assert abs(slider.value - 1.25) < 1e-6
    assert slider.maximum < 3.5
    assert ui.enhanceFolderEdit.isHidden() is True


def test_a_click_makes_a_finer_volume_and_shows_both(desk: Any) -> None:
    ui = desk.ui
    node = scan()
    ui.enhanceSelector.setCurrentNode(node)
    assert ui.enhancePlaneSelector.enabled is False
    ui.enhanceButton.click()
    assert ui.enhanceButton.text == "Cancel", desk.sentences()
    desk.until(lambda: ui.enhanceButton.text == "Enhance")
    assert "<b>Enhanced:</b>" in ui.enhanceMessageLabel.text, desk.sentences()
    assert "computed" in ui.enhanceMessageLabel.text
    assert "Scan, enhanced" in desk.volumes()
    layout = desk.logic.views.layout
    assert layout.backgroundVolume("Xray2MRIReal") is node
    assert layout.backgroundVolume("Xray2MRISynthetic").GetName() == "Scan, enhanced"
    before = slicer.util.arrayFromVTKMatrix(layout.sliceNode("Xray2MRIReal").GetSliceToRAS()).copy()
    ui.enhancePlaneSelector.setCurrentIndex(1)
    after = slicer.util.arrayFromVTKMatrix(layout.sliceNode("Xray2MRIReal").GetSliceToRAS())
    assert not np.allclose(before, after)
    # the pseudo-MRI selector does not offer it
    assert desk.parameters.volume is None


def test_a_network_that_is_missing_is_a_sentence(desk: Any, tmp_path: Path) -> None:
    ui = desk.ui
    ui.enhanceSection.collapsed = False
    ui.enhanceSelector.setCurrentNode(scan())
    assert ui.enhanceFolderEdit.isHidden() is True
    ui.enhanceModelSelector.setCurrentIndex(2)
    assert ui.enhanceFolderEdit.isHidden() is False
    ui.enhanceButton.click()
    assert "Choose the folder" in ui.enhanceMessageLabel.text
    ui.enhanceFolderEdit.currentPath = str(tmp_path)
    ui.enhanceButton.click()
    desk.until(lambda: ui.enhanceButton.text == "Enhance")
    assert "There is no model" in ui.enhanceMessageLabel.text
    assert desk.volumes() == ["Scan"]
