"""Fractions and estimates against a clock that is set by hand."""

from __future__ import annotations

import pytest

from Xray2MRILib.generation.job_progress import JobProgress


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


def test_the_estimate_follows_the_measured_pace():
    progress, reports, clock = _progress()
    progress.at("read")
    progress.at("volume", 0.0)
    assert reports[-1]["eta_s"] is None
    clock.now += 40.0
    progress.at("volume", 0.25)
    # 2 of 8 expected seconds took 40: twenty times slower, so that 6 + 1 expected seconds take 140
    assert reports[-1]["eta_s"] == pytest.approx(140.0)
    progress.at("write")
    assert reports[-1]["eta_s"] == pytest.approx(20.0)
    progress.finished()
    assert reports[-1]["eta_s"] == 0.0


def test_the_fraction_never_falls():
    progress, reports, _ = _progress()
    progress.at("volume", 0.8)
    progress.at("volume", 0.3)
    assert reports[1]["fraction"] == reports[0]["fraction"]
