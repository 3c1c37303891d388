"""A line chart as inline SVG: several curves over one axis, gaps where a value is undefined."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from .axis_ticks import round_ticks, tick_label, widened

_WIDTH, _HEIGHT = 560, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 18, 30, 40
_LEAST_LABEL_GAP = 26


@dataclass(frozen=True)
class Curve:
    """One line: ``values`` at ``places``; ``dashed`` for what is there for comparison only."""

    name: str
    places: Sequence[float]
    values: Sequence[float]
    colour: str
    dashed: bool = False
    dots: bool = False


def line_chart(
    title: str,
    across: str,
    curves: Sequence[Curve],
    *,
    diagonal: bool = False,
    floor: float = -math.inf,
    ceiling: float = math.inf,
    ticks: Sequence[float] | None = None,
) -> str:
    """The chart as an ``<svg>``; empty text when no curve has a finite value.

    ``diagonal`` draws y = x; the vertical axis goes no farther than ``floor`` and ``ceiling``, which the values must
    respect; ``ticks`` are the marks of the horizontal axis (None: round numbers).
    """
    finite = [v for curve in curves for v in curve.values if math.isfinite(v)]
    places = [p for curve in curves for p in curve.places]
    if not finite:
        return ""
    low, high = widened(min(finite), max(finite), floor, ceiling)
    first, last = min(places), max(places)
    if diagonal:
        low, high = widened(0.0, max(*finite, last))
        first, last = low, high
    reach = last - first or 1.0

    def x(place: float) -> float:
        return _LEFT + (place - first) / reach * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - (value - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">',
             f'<text x="{_LEFT}" y="16" class="title">{escape(title)}</text>']  # fmt: skip
    for tick in round_ticks(low, high, 4):
        up, label = y(tick), tick_label(tick)
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{up:.1f}" y2="{up:.1f}" class="grid"/>'
                     f'<text x="{_LEFT - 6}" y="{up + 4:.1f}" text-anchor="end">{label}</text>')  # fmt: skip
    written = -math.inf
    for tick in ticks or round_ticks(first, first + reach, 8):
        parts.append(f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{_HEIGHT - _BOTTOM}" '
                     f'y2="{_HEIGHT - _BOTTOM + 4}" class="mark"/>')  # fmt: skip
        if x(tick) - written >= _LEAST_LABEL_GAP:
            parts.append(f'<text x="{x(tick):.1f}" y="{_HEIGHT - _BOTTOM + 17}" text-anchor="middle">'
                         f"{tick_label(tick)}</text>")  # fmt: skip
            written = x(tick)
    parts.append(f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 6}" text-anchor="middle">'
                 f"{escape(across)}</text>")  # fmt: skip
    if diagonal:
        parts.append(f'<line x1="{x(low):.1f}" y1="{y(low):.1f}" x2="{x(high):.1f}" y2="{y(high):.1f}" class="axis"/>')
    for curve in curves:
        parts.append(_drawn(curve, x, y))
    return "".join(parts) + "</svg>" + _legend(curves)


def _drawn(curve: Curve, x, y) -> str:
    dash = ' stroke-dasharray="5 4"' if curve.dashed else ""
    runs: list[list[str]] = [[]]
    dots = []
    for place, value in zip(curve.places, curve.values, strict=True):
        if math.isfinite(value):
            runs[-1].append(f"{x(place):.1f},{y(value):.1f}")
            if curve.dots:
                dots.append(_dot(x(place), y(value), curve.colour, alone=len(curve.places) == 1))
        elif runs[-1]:
            runs.append([])
    style = f'fill="none" stroke="{curve.colour}" stroke-width="2" stroke-linecap="round"{dash}'
    return "".join(f'<polyline {style} points="{" ".join(run * 2 if len(run) == 1 else run)}"/>'
                   for run in runs if run) + "".join(dots)  # fmt: skip


def _sign(curve: Curve) -> str:
    """What stands for a curve in the legend: a stretch of it, or its ring."""
    if len(curve.places) == 1:
        return f'<b style="border:2px solid {curve.colour}"></b>'
    return f'<i style="border-top:3px {"dashed" if curve.dashed else "solid"} {curve.colour}"></i>'


def _dot(x: float, y: float, colour: str, alone: bool) -> str:
    """A dot; a curve of one place is a ring around it, which shows through what lies upon it."""
    style = f'r="7" fill="none" stroke="{colour}" stroke-width="2"' if alone else f'r="3" fill="{colour}"'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" {style}/>'


def _legend(curves: Sequence[Curve]) -> str:
    entries = "".join(f"<span>{_sign(curve)}{escape(curve.name)}</span>" for curve in curves)
    return f'<p class="legend">{entries}</p>'
