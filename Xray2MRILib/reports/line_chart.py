"""A line chart as inline SVG: several curves over one axis, gaps where a value is undefined."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from .axis_ticks import round_ticks, tick_label, widen_to_ticks
from .svg import Svg

_WIDTH, _HEIGHT = 560, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 18, 30, 40
_LEAST_LABEL_GAP = 26


@dataclass(frozen=True)
class Curve:
    """One line: ``values`` at ``places``.

    ``series`` names its colour in the style sheet; ``dashed`` marks a curve that is there for comparison only.
    """

    name: str
    places: Sequence[float]
    values: Sequence[float]
    series: str
    dashed: bool = False
    dots: bool = False

    @property
    def classes(self) -> str:
        """Classes of the style sheet."""
        return f"{escape(self.series)}{' dashed' if self.dashed else ''}"


def line_chart(
    title: str,
    across: str,
    curves: Sequence[Curve],
    *,
    diagonal: bool = False,
    floor: float = -math.inf,
    ceiling: float = math.inf,
    ticks: Sequence[float] | None = None,
) -> Svg:
    """The chart as an ``<svg>`` with a legend; empty text when no curve has a finite value.

    ``diagonal`` draws y = x; the vertical axis goes no farther than ``floor`` and ``ceiling``, which the values must
    respect; ``ticks`` are the marks of the horizontal axis (None: round numbers).
    """
    finite = [v for curve in curves for v in curve.values if math.isfinite(v)]
    places = [p for curve in curves for p in curve.places]
    if not finite:
        return Svg()
    low, high = widen_to_ticks(min(finite), max(finite), floor, ceiling)
    first, last = min(places), max(places)
    if diagonal:
        low, high = widen_to_ticks(0.0, max(*finite, last))
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
    parts += [_draw(curve, x, y) for curve in curves]
    return Svg("".join(parts) + "</svg>" + _legend(curves))


def _draw(curve: Curve, x: Callable[[float], float], y: Callable[[float], float]) -> str:
    runs: list[list[str]] = [[]]
    dots = []
    for place, value in zip(curve.places, curve.values, strict=True):
        if math.isfinite(value):
            runs[-1].append(f"{x(place):.1f},{y(value):.1f}")
            if curve.dots:
                dots.append(_dot(x(place), y(value), curve, alone=len(curve.places) == 1))
        elif runs[-1]:
            runs.append([])
    return "".join(
        f'<polyline class="curve {curve.classes}" points="{" ".join(run * 2 if len(run) == 1 else run)}"/>'
        for run in runs
        if run
    ) + "".join(dots)


def _dot(x: float, y: float, curve: Curve, alone: bool) -> str:
    """A dot; a curve of one place is a ring, so that what is drawn under it stays visible."""
    kind, radius = ("ring", 7) if alone else ("dot", 3)
    return f'<circle class="{kind} {curve.classes}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}"/>'


def _legend(curves: Sequence[Curve]) -> str:
    """Name and sample of each curve: a piece of its line, or its ring."""
    entries = "".join(
        f'<span><i class="{"ring-key" if len(curve.places) == 1 else "line-key"} {curve.classes}"></i>'
        f"{escape(curve.name)}</span>"
        for curve in curves
    )
    return f'<p class="legend">{entries}</p>'
