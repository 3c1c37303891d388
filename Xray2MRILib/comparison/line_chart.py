"""A line chart as inline SVG: several curves over one axis, gaps where a value is undefined."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

_WIDTH, _HEIGHT = 560, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 14, 30, 40


@dataclass(frozen=True)
class Curve:
    """One line: ``values`` at ``places``; ``dashed`` for what is there for comparison only."""

    name: str
    places: Sequence[float]
    values: Sequence[float]
    colour: str
    dashed: bool = False
    dots: bool = False


def line_chart(title: str, across: str, curves: Sequence[Curve], *, diagonal: bool = False) -> str:
    """The chart as an ``<svg>``; empty text when no curve has a finite value. ``diagonal`` draws y = x."""
    finite = [v for curve in curves for v in curve.values if math.isfinite(v)]
    places = [p for curve in curves for p in curve.places]
    if not finite:
        return ""
    low, high = _nice(min(finite), max(finite))
    first, last = min(places), max(places)
    if diagonal:
        low, high = _nice(0.0, max(*finite, last))
        first, last = low, high
    reach = last - first or 1.0

    def x(place: float) -> float:
        return _LEFT + (place - first) / reach * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - (value - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">',
             f'<text x="{_LEFT}" y="16" class="title">{escape(title)}</text>']  # fmt: skip
    for tick in np.linspace(low, high, 5):
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" class="grid"/>'
                     f'<text x="{_LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:.3g}</text>')  # fmt: skip
    for tick in np.linspace(first, last, 6):
        label = f"{tick:.0f}" if reach > 20 else f"{tick:.3g}"
        parts.append(f'<text x="{x(tick):.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{label}</text>')
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
                dots.append(f'<circle cx="{x(place):.1f}" cy="{y(value):.1f}" r="3" fill="{curve.colour}"/>')
        elif runs[-1]:
            runs.append([])
    style = f'fill="none" stroke="{curve.colour}" stroke-width="2" stroke-linecap="round"{dash}'
    return "".join(f'<polyline {style} points="{" ".join(run * 2 if len(run) == 1 else run)}"/>'
                   for run in runs if run) + "".join(dots)  # fmt: skip


def _legend(curves: Sequence[Curve]) -> str:
    entries = "".join(
        f'<span><i style="border-top:3px {"dashed" if curve.dashed else "solid"} {curve.colour}"></i>'
        f"{escape(curve.name)}</span>"
        for curve in curves
    )
    return f'<p class="legend">{entries}</p>'


def _nice(low: float, high: float) -> tuple[float, float]:
    """Ends of an axis that are round numbers, four equal steps apart."""
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    step = (high - low) / 4
    unit = 10 ** math.floor(math.log10(step))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10, 20) if unit * factor >= step * 0.999)
    start = math.floor(low / step + 1e-9) * step
    if start + 4 * step < high - 1e-9:
        step *= 1.25
    return start, max(start + 4 * step, high)
