"""What a run shows: a line and a point for the mean of so many losses, and pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")


def logged(folder: Path) -> Path:
    from Xray2MRILib.training.log import TrainingLog

    with TrainingLog(folder, every=2) as log:
        for step, loss in enumerate((1.0, 3.0, 5.0, 6.0, 7.0), start=1):
            log.loss(step, torch.tensor(loss, requires_grad=True))
        log.scalars(4, {"held_out_loss": 0.5})
        return log.picture(4, "held-out", np.linspace(-0.5, 1.5, 64 * 32).reshape(32, 64))


def test_lines_and_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = Image.open(logged(tmp_path))
    lines = [line.split(" s/step")[0].rsplit(" ", 1)[0] for line in capsys.readouterr().out.splitlines()]
    assert lines == ["step 2 loss 2.0000", "step 4 loss 5.5000"]  # the fifth waits for the sixth
    assert picture.size == (64, 32)
    assert picture.getextrema() == (0, 255)
    assert picture.filename.endswith("held-out-000004.png")


def test_tensorboard_events(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logged(tmp_path)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("loss")] == [(2, 2.0), (4, 5.5)]
    assert [(e.step, e.value) for e in events.Scalars("held_out_loss")] == [(4, 0.5)]
    assert {"loss", "seconds_per_step", "held_out_loss"} == set(events.Tags()["scalars"])
    image = events.Images("held-out")[0]
    assert (image.step, image.width, image.height) == (4, 64, 32)


def test_the_time_left_is_that_of_the_latest_pace(tmp_path, capsys, monkeypatch):
    import torch

    from Xray2MRILib.generation import time_left
    from Xray2MRILib.training.log import TrainingLog

    now = [100.0]
    monkeypatch.setattr(time_left.Pace.__init__, "__defaults__", (lambda: now[0],))
    monkeypatch.setattr(time_left.TimeLeft.__init__, "__defaults__", (lambda: now[0],))
    with TrainingLog(tmp_path, every=10, steps=100) as log:
        for step in range(1, 101):
            now[0] += 30.0 if step == 1 else 6.0
            log.loss(step, torch.tensor(1.0))
    lines = capsys.readouterr().out.splitlines()
    # lines 2 to 4 are the first three after the one with the first step
    assert ["left" in line for line in lines] == [False, False, False, *[True] * 6, False]
    assert lines[3].endswith(", about 6 min left")
    assert lines[7].endswith(", about 2 min left")
