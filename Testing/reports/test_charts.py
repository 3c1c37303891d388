"""Axes and curves of the reports' charts."""

from __future__ import annotations

import re

import numpy as np
import pytest

from Xray2MRILib.reports.axis_ticks import round_ticks, tick_label, widen_to_ticks
from Xray2MRILib.reports.box_plot import box_plot, whiskers
from Xray2MRILib.reports.line_chart import Curve, line_chart


def test_ticks_are_round_and_within_the_axis():
    assert round_ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert round_ticks(-36.75, 36.75, 8) == [-30, -20, -10, 0, 10, 20, 30]
    assert round_ticks(0.873, 0.971) == [0.88, 0.9, 0.92, 0.94, 0.96]
    assert widen_to_ticks(0.13, 0.97) == (0, 1)
    assert widen_to_ticks(0.61, 0.99, ceiling=1.0) == (0.6, 1.0)
    low, high = widen_to_ticks(3.0, 3.0)
    assert low < 3.0 < high
    assert tick_label(-2.50) == "\N{MINUS SIGN}2.5"
    with pytest.raises(ValueError, match="no ticks"):
        round_ticks(1, 1)


def test_every_value_lies_within_the_chart():
    nan = float("nan")
    curves = [Curve("a", range(5), [0.31, nan, 0.99, 0.7, 0.2], "pseudo", dots=True), Curve("b", [2], [0.5], "mean")]
    chart = line_chart("title", "across", curves, ceiling=1.0)
    assert chart.count("<polyline") == 3, "a gap divides the first curve"
    heights = [float(y) for y in re.findall(r'cy="([-0-9.]+)"', chart)]
    assert all(30 <= y <= 210 for y in heights)
    assert "1.2" not in re.findall(r">([0-9.]+)</text>", chart), "no correlation is above 1"
    assert line_chart("title", "across", [Curve("a", [1], [nan], "pseudo")]) == ""


def test_whiskers_by_hand_and_a_plot_without_values() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 20.0])
    assert whiskers(values) == (1.0, 2.25, 3.5, 4.75, 5.0)
    drawn = box_plot("PSNR <dB>", {"ours": values, "empty": np.array([np.nan])})
    assert drawn.count("<rect") == 1
    assert drawn.count("<circle") == 1
    assert "PSNR &lt;dB&gt;" in drawn
    assert box_plot("nothing", {"empty": np.array([np.nan])}) == ""


def test_names_in_charts_are_escaped_and_long_ones_shortened():
    chart = line_chart("<title>", "a & b", [Curve("<b>", [0, 1], [0.1, 0.2], '"><script>')])
    assert "&lt;title&gt;" in chart
    assert "a &amp; b" in chart
    assert "<script" not in chart
    drawn = box_plot("title", {"a method with a very long name indeed, longer than the margin": np.arange(3.0)})
    (label,) = re.findall(r'text-anchor="end">([^<]+)<', drawn)
    assert label == "a method with a very long name in…"


def test_a_control_only_for_comparison_is_dashed_and_a_lone_place_a_ring():
    chart = line_chart("t", "x", [Curve("a", [0, 1], [0.1, 0.2], "mean", dashed=True), Curve("b", [1], [0.3], "pseudo",
                                                                                         dots=True)])  # fmt: skip
    assert '<polyline class="curve mean dashed"' in chart
    assert '<circle class="ring pseudo"' in chart
    assert re.findall(r'<i class="([^"]+)"', chart) == ["line-key mean dashed", "ring-key pseudo"]
