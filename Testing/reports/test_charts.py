"""Axes and curves of the reports' charts."""

from __future__ import annotations

import re

import pytest

from Xray2MRILib.reports.axis_ticks import round_ticks, tick_label, widened
from Xray2MRILib.reports.line_chart import Curve, line_chart


def test_ticks_are_round_and_within_the_axis():
    assert round_ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert round_ticks(-36.75, 36.75, 8) == [-30, -20, -10, 0, 10, 20, 30]
    assert round_ticks(0.873, 0.971) == [0.88, 0.9, 0.92, 0.94, 0.96]
    assert widened(0.13, 0.97) == (0, 1)
    assert widened(0.61, 0.99, ceiling=1.0) == (0.6, 1.0)
    low, high = widened(3.0, 3.0)
    assert low < 3.0 < high
    assert tick_label(-2.50) == "\N{MINUS SIGN}2.5"
    with pytest.raises(ValueError, match="no ticks"):
        round_ticks(1, 1)


def test_every_value_lies_within_the_chart():
    nan = float("nan")
    curves = [Curve("a", range(5), [0.31, nan, 0.99, 0.7, 0.2], "#000", dots=True), Curve("b", [2], [0.5], "#111")]
    chart = line_chart("title", "across", curves, ceiling=1.0)
    assert chart.count("<polyline") == 3, "a gap divides the first curve"
    heights = [float(y) for y in re.findall(r'cy="([-0-9.]+)"', chart)]
    assert all(30 <= y <= 210 for y in heights)
    assert "1.2" not in re.findall(r">([0-9.]+)</text>", chart), "no correlation is above 1"
    assert line_chart("title", "across", [Curve("a", [1], [nan], "#000")]) == ""
