"""The check box "Scanner noise": what the volume shows, and what of it survives in a saved scene."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from test_panel_results import _generated, _moved_copy
from test_saved_scenes import _read, _saved

from Xray2MRILib.volume.pseudo_mri import PseudoMRI


def test_the_box_decides_what_the_volume_shows(desk: Any, knee_radiograph: Path) -> None:
    assert desk.ui.scannerNoiseCheckBox.checked is True
    shown = {}
    for on in (True, False):
        desk.ui.scannerNoiseCheckBox.checked = on
        volume = _generated(desk, knee_radiograph)
        assert volume.GetAttribute("Xray2MRI.acquisition.scanner_noise") == ("1.0" if on else "0.0")
        shown[on] = slicer.util.arrayFromVolume(volume).copy()
        result = desk.logic.runs[-1].result
        assert (result["noise_free"] is not None) is on
        assert np.array_equal(PseudoMRI.load(result["volume"]).shown, shown[on].astype(np.float32) / np.float32(4095))
    assert not np.array_equal(shown[True], shown[False])


def test_a_scene_from_before_the_box_opens_with_noise_on(desk: Any, knee_radiograph: Path, tmp_path: Path) -> None:
    desk.load(knee_radiograph)
    desk.ui.seedSpinBox.value = 7
    path = _saved(desk, tmp_path / "bundle")
    text = path.read_text(encoding="utf-8")
    assert "seed" in text
    # 3D Slicer writes every parameter, the stand-in those that were set
    path.write_text(re.sub(r'[^"\s;]*scannerNoise[^;"]*;?', "", text), encoding="utf-8")
    desk.ui.scannerNoiseCheckBox.checked = False
    desk.scene.Clear(0)
    _read(desk, path)
    assert desk.ui.seedSpinBox.value == 7
    assert desk.parameters.scannerNoise is True
    assert desk.ui.scannerNoiseCheckBox.checked is True


def test_a_read_scene_is_compared_with_its_noise_and_says_so(desk: Any, knee_radiograph: Path, tmp_path: Path) -> None:
    """The scene keeps the shown voxels alone."""

    def warnings_of_comparison() -> str:
        (volume,) = desk.logic.syntheticVolumes()
        desk.ui.referenceSelector.setCurrentNode(_moved_copy(volume))
        desk.ui.compareButton.click()
        desk.until(lambda: desk.ui.compareButton.text == "Compare")
        assert desk.panel.comparison is not None, desk.sentences()
        return desk.ui.compareDetailsLabel.text

    _generated(desk, knee_radiograph)
    assert "scanner noise" not in warnings_of_comparison()
    path = _saved(desk, tmp_path / "bundle")
    desk.scene.Clear(0)
    _read(desk, path)
    assert "measured with its scanner noise" in warnings_of_comparison()
