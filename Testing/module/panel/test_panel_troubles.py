"""What goes wrong in a clinic's afternoon: cancelled, closed, killed, missing. The panel stays usable each time."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import slicer


def _start(desk: Any, radiograph: Path) -> None:
    """A run that is under way and has shown at least one report."""
    desk.load(radiograph)
    desk.quick(slices=60, steps=20)
    desk.ui.generateButton.click()
    desk.until(lambda: desk.ui.progressBar.value > 0)


def _usable(desk: Any) -> None:
    desk.quick()
    volume = desk.generate()
    assert slicer.util.arrayFromVolume(volume).std() > 0


def test_cancel_leaves_nothing_behind(desk: Any, knee_radiograph: Path) -> None:
    desk.load(knee_radiograph)
    before = slicer.mrmlScene.GetNumberOfNodes()
    desk.quick(slices=60, steps=20)
    desk.ui.generateButton.click()
    desk.until(lambda: desk.ui.progressBar.value > 100)
    desk.ui.generateButton.click()
    assert desk.ui.generateButton.text == "Cancelling ..."
    desk.until(lambda: desk.ui.generateButton.text == "Generate pseudo-MRI", 60)
    assert desk.ui.generateMessageLabel.text.startswith("Cancelled")
    assert desk.parameters.volume is None
    assert len(desk.volumes()) == 1
    # views and their layout may have come, but no node of the run
    names = [slicer.mrmlScene.GetNthNode(index).GetName() or "" for index in range(slicer.mrmlScene.GetNumberOfNodes())]
    assert not [name for name in names[before:] if "pseudo" in name.lower()]
    _usable(desk)


def test_cancelled_densify_returns_the_slider(desk: Any, knee_radiograph: Path) -> None:
    desk.load(knee_radiograph)
    desk.quick()
    volume = desk.generate()
    desk.ui.densitySlider.value = 400.0
    desk.until(lambda: desk.ui.generateButton.text == "Cancel")
    desk.ui.generateButton.click()
    desk.until(lambda: desk.ui.generateButton.text == "Generate pseudo-MRI", 10)
    assert desk.ui.densitySlider.value == 30.0
    assert desk.logic.densities(volume) == [30]
    assert not desk.logic.isBusy


def test_scene_closed_during_a_run(desk: Any, knee_radiograph: Path) -> None:
    _start(desk, knee_radiograph)
    slicer.mrmlScene.Clear(0)
    desk.until(lambda: desk.ui.generateButton.text == "Generate pseudo-MRI", 10)
    desk.until(lambda: not desk.logic.isBusy, 10)
    assert desk.volumes() == []
    assert desk.ui.generateButton.enabled is False
    desk.load(knee_radiograph)
    _usable(desk)


def test_radiograph_deleted_during_a_run(desk: Any, knee_radiograph: Path) -> None:
    _start(desk, knee_radiograph)
    slicer.mrmlScene.RemoveNode(desk.parameters.radiograph)
    desk.ui.generateButton.click()
    desk.until(lambda: not desk.logic.isBusy and desk.ui.generateButton.text == "Generate pseudo-MRI", 20)
    desk.load(knee_radiograph)
    _usable(desk)


def test_worker_killed_during_a_run(desk: Any, knee_radiograph: Path) -> None:
    _start(desk, knee_radiograph)
    os.kill(desk.logic.jobs.workerPid, signal.SIGKILL)
    desk.until(lambda: desk.ui.generateButton.text == "Generate pseudo-MRI", 60)
    assert desk.ui.generateMessageLabel.text.startswith("<b>Not generated:</b>")
    assert desk.ui.generateButton.enabled is True
    assert len(desk.volumes()) == 1
    _usable(desk)


def test_worker_that_cannot_start_opens_the_section_that_helps(
    desk: Any, knee_radiograph: Path, tmp_path: Path
) -> None:
    desk.load(knee_radiograph)
    broken = tmp_path / "python3"
    broken.write_text("#!/bin/sh\nexit 3\n", encoding="utf-8")
    broken.chmod(0o755)
    desk.logic.jobs.pythonProgram = str(broken)
    try:
        desk.ui.generateButton.click()
        desk.until(lambda: desk.ui.generateMessageLabel.text.startswith("<b>Not generated:</b>"), 20)
        assert desk.ui.environmentSection.collapsed is False
        assert desk.ui.generateButton.text == "Generate pseudo-MRI"
    finally:
        desk.logic.jobs.pythonProgram = ""
    _usable(desk)


def test_panel_removed_during_a_run_leaves_no_listener(desk: Any, knee_radiograph: Path) -> None:
    _start(desk, knee_radiograph)
    desk.panel.cleanup()
    assert desk.panel.parameterNode is None
    desk.logic.cancel()
    desk.until(lambda: not desk.logic.isBusy, 10)


@pytest.mark.slow
def test_thirty_kills_at_random_moments(desk: Any, knee_radiograph: Path) -> None:
    """The panel is usable again each time, and the scene holds no broken node. How soon: see worker_kills.py."""
    import random

    moments = random.Random(4)
    desk.load(knee_radiograph)
    desk.quick(slices=40, steps=4)
    for _ in range(30):
        desk.until(lambda: desk.ui.generateButton.text == "Generate pseudo-MRI" and desk.ui.generateButton.enabled)
        desk.ui.generateButton.click()
        desk.until(lambda: desk.logic.jobs.workerPid)
        pid, end = desk.logic.jobs.workerPid, time.monotonic() + moments.uniform(0.0, 1.5)
        desk.until(lambda end=end: time.monotonic() > end or not desk.logic.isBusy)
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        desk.until(lambda: desk.ui.generateButton.text == "Generate pseudo-MRI" and desk.ui.generateButton.enabled, 60)
        for node in slicer.util.getNodesByClass("vtkMRMLVolumeNode"):
            assert node.GetImageData() is not None, node.GetName()
