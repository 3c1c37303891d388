"""What the slice loop reports: neither the fraction nor the count of steps ever goes back."""

from __future__ import annotations

import pytest

from Xray2MRILib.diffusion.progress import LoopProgress, SliceProgress


def test_a_batch_that_is_decoded_in_parts_never_takes_progress_back() -> None:
    """Ten slices in two batches of five and three steps, each decoded four and one at a time."""
    events = []
    loop = LoopProgress(SliceProgress(events.append, 10, False), 10, 3)
    for _ in range(2):
        for step in range(4):
            loop.step(5, step)
        for part in (4, 1):
            loop.finish(part)
    steps = [event["step"] for event in events]
    fractions = [event["fraction"] for event in events]
    assert steps == sorted(steps)
    assert fractions == sorted(fractions)
    assert steps[-1] == events[-1]["of"] == 30
    assert fractions[-1] == pytest.approx(1.0)


def test_a_batch_that_is_tried_again_with_fewer_slices_never_takes_progress_back() -> None:
    events = []
    loop = LoopProgress(SliceProgress(events.append, 4, False), 4, 2)
    for batch, parts in ((4, ()), (2, (2,)), (2, (2,))):
        for step in range(3):
            loop.step(batch, step)
        for part in parts:
            loop.finish(part)
    assert [event["step"] for event in events] == sorted(event["step"] for event in events)
    assert events[-1]["step"] == events[-1]["of"] == 8
