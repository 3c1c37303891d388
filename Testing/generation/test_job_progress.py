"""Fractions and estimates against a clock that is set by hand, and whole jobs whose pace is simulated or recorded."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import pytest

from Xray2MRILib.generation.job_progress import JobProgress
from Xray2MRILib.generation.time_left import TimeLeft, rounded_seconds


class _Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def _progress():
    reports, clock = [], _Clock()
    return JobProgress({"read": 1.0, "volume": 8.0, "write": 1.0}, "volume", reports.append, clock), reports, clock


def test_the_fraction_counts_all_parts():
    progress, reports, _ = _progress()
    progress.at("read")
    progress.at("volume", 0.5, stage="sample", step=10, of=20)
    progress.at("write")
    progress.finished()
    assert [report["fraction"] for report in reports] == [0.0, 0.5, 0.9, 1.0]
    assert reports[1]["stage"] == "sample"
    assert (reports[1]["step"], reports[1]["of"]) == (10, 20)


def test_a_rough_figure_comes_at_once_and_the_measured_pace_replaces_it():
    progress, reports, clock = _progress()
    progress.at("read")
    assert reports[-1]["eta_s"] == 10.0
    clock.now += 1.0
    progress.at("volume", 0.0)
    assert reports[-1]["eta_s"] == 9.0
    # 4 s for every 5 % instead of 0.4 s, and a first pass of 20 s that does not count
    clock.now += 20.0
    for step in range(1, 11):
        progress.at("volume", step * 0.05)
        clock.now += 4.0
    # half is done: 10 more passes of 4 s less the 4 s that have passed, and 1 s of writing
    progress.at("volume", 0.5)
    assert reports[-1]["eta_s"] == pytest.approx(37.0, abs=4.0)
    progress.at("write")
    assert reports[-1]["eta_s"] == 1.0
    progress.finished()
    assert reports[-1]["eta_s"] == 0.0


def test_without_seconds_nothing_is_said_before_a_pace_is_known():
    reports, clock = [], _Clock()
    progress = JobProgress({"simulate": 1.0}, "simulate", reports.append, clock, proportions_only=True)
    for done in range(11):
        progress.at("simulate", done / 10)
        clock.now += 30.0 if done else 90.0
    figures = [report["eta_s"] for report in reports]
    assert figures[:3] == [None, None, None]
    # the third pass after the first one ends at a share of 0.4
    assert figures[4] == pytest.approx(180.0, abs=10.0)
    assert figures[8] == pytest.approx(60.0, abs=5.0)


def test_the_fraction_never_falls():
    progress, reports, _ = _progress()
    progress.at("volume", 0.8)
    progress.at("volume", 0.3)
    assert reports[1]["fraction"] == reports[0]["fraction"]


def _job(seconds_of: Callable[[int, int], float], first_s: float = 3.0, *, batches: int = 5, steps: int = 20,
         write_s: float = 0.3, expected_s: float = 33.0):  # fmt: skip
    """A generation of 50 slices in batches, every step reported; returns (time left, shown, share of the sampling)."""
    clock, shown = _Clock(), []
    expected = {"read": 0.3, "localise": 0.5, "prepare": 0.3, "load model": 2.0, "volume": expected_s, "write": 1.5}
    progress = JobProgress(expected, "volume", lambda event: shown.append((clock.now, event)), clock)
    for part, seconds in (("read", 0.2), ("localise", 0.6), ("prepare", 0.2), ("load model", 1.5)):
        progress.at(part)
        clock.now += seconds
    progress.at("volume", 0.0)
    clock.now += first_s
    work, total = 0.0, batches * (steps + 2)
    for batch in range(batches):
        for step in range(steps):
            clock.now += seconds_of(batch, step)
            work += 1
            progress.at("volume", work / total, stage="sample")
        clock.now += 2 * seconds_of(batch, steps)
        work += 2
        progress.at("volume", work / total, stage="decode")
    progress.at("write")
    clock.now += write_s
    end = clock.now
    progress.finished()
    return [(end - at, event["eta_s"], event["stage"]) for at, event in shown]


def _rises(figures: list[tuple[float, float | None, str]]) -> list[float]:
    """By how many seconds the figure rose, for every rise."""
    known = [shown for _, shown, _ in figures if shown is not None]
    return [after - before for before, after in itertools.pairwise(known) if after > before]


NOISE = [random.Random(7).uniform(0.6, 1.4) for _ in range(200)]
PACES: dict[str, Callable[[int, int], float]] = {
    "even": lambda batch, step: 0.3,
    "fast": lambda batch, step: 0.01,
    "slow": lambda batch, step: 4.0,
    "noisy": lambda batch, step: 0.3 * NOISE[(20 * batch + step) % 200],
    "first half of the steps guided, that is computed twice": lambda batch, step: 0.4 if step < 10 else 0.2,
    "second half guided": lambda batch, step: 0.2 if step < 10 else 0.4,
    "one slow pass in ten": lambda batch, step: 2.5 if step % 10 == 3 else 0.3,
}


@pytest.mark.parametrize("pace", PACES)
def test_figures_that_a_person_believes(pace):
    figures = _job(PACES[pace])
    whole = figures[0][0]
    rises = _rises(figures)
    # up at most when the rough figure meets a much slower machine, and once more
    assert len(rises) <= 2, rises
    # a figure from the first moment on
    assert figures[0][1] is not None
    # from a third of the sampling on within a third of the truth
    late = [(left, shown) for left, shown, stage in figures if left < 0.6 * whole and stage != "done"]
    for left, shown in late:
        if shown is not None and left > 5:
            assert 0.66 * left - 3 < shown < 1.5 * left + 5, (pace, left, shown)
    # 0.3 s of writing were "22 s left"
    ((_, writing, _),) = [row for row in figures if row[2] == "write"]
    assert writing is None or writing <= 2.0
    assert figures[-1][1] == 0.0


def test_a_first_pass_of_half_a_minute_is_not_taken_for_the_pace():
    figures = _job(lambda batch, step: 0.3, first_s=30.0)
    for left, shown, stage in figures:
        if stage == "sample" and shown is not None:
            assert shown < 1.4 * left + 5


def test_a_machine_that_becomes_busy_is_noticed_after_several_passes():
    """Three times slower from the third batch on: one or a few rises, and then right."""
    figures = _job(lambda batch, step: 0.3 if batch < 2 else 0.9)
    rises = _rises(figures)
    assert 1 <= len(rises) <= 4
    left, shown, _ = [row for row in figures if row[2] == "sample"][-25]
    assert shown == pytest.approx(left, rel=0.35)


def test_a_figure_rises_only_when_several_reports_agree():
    clock = _Clock()
    left = TimeLeft(clock)
    assert left.show(60.0) == 60.0
    shown = []
    for _ in range(5):
        clock.now += 1.0
        shown.append(left.show(200.0))
    assert shown[:3] == [60.0, 60.0, 55.0]
    assert shown[3] == 200.0
    clock.now += 10.0
    assert left.show(500.0, known=False) == 190.0
    # a single slow pass between quick ones
    left = TimeLeft(clock)
    left.show(60.0)
    for estimate in (59.0, 300.0, 57.0, 300.0, 55.0, 300.0):
        clock.now += 1.0
        assert left.show(estimate) <= 60.0


def test_time_that_is_over_is_no_figure():
    clock = _Clock()
    left = TimeLeft(clock)
    assert left.show(None) is None
    assert left.show(3.0, known=False) == 3.0
    clock.now += 10.0
    assert left.show(3.0, known=False) is None


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0, 0), (3.4, 3), (9.6, 10), (12.4, 10), (47.0, 45), (61.0, 60), (127.0, 130), (633.0, 660), (4000.0, 3900)],
)
def test_figures_are_round(seconds, said):
    assert rounded_seconds(seconds) == said


def test_rounding_keeps_the_order():
    values = [rounded_seconds(seconds / 7) for seconds in range(60_000)]
    assert values == sorted(values)
