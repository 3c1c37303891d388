"""A histogram as inline SVG: how many cases have which value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np

from .axis_ticks import round_ticks, tick_label
from .svg import Svg

_WIDTH, _HEIGHT = 560, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 14, 30, 36
_BARS = 24


def histogram(title: str, across: str, values: Sequence[float | None], *, whole: tuple[int, int] | None = None) -> Svg:
    """Bars over the finite values; empty text without one.

    ``whole`` draws one bar for each whole number from the first to the last, e.g. of grades. Values that are None or
    not finite are left out, and their number stands below.
    """
    finite = np.array([value for value in values if value is not None and math.isfinite(value)], float)
    if not finite.size:
        return Svg()
    edges = _edges(finite, whole)
    counts = np.histogram(finite, edges)[0]
    low, high, most = float(edges[0]), float(edges[-1]), int(counts.max())

    def x(value: float) -> float:
        return _LEFT + (value - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    def y(count: float) -> float:
        return _HEIGHT - _BOTTOM - count / most * (_HEIGHT - _TOP - _BOTTOM)

    parts = [f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">',
             f'<text x="{_LEFT}" y="16" class="title">{escape(title)}</text>']  # fmt: skip
    for tick in (tick for tick in round_ticks(0, most, 4) if tick == round(tick)):
        up, label = y(tick), tick_label(tick)
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{up:.1f}" y2="{up:.1f}" class="grid"/>'
                     f'<text x="{_LEFT - 6}" y="{up + 4:.1f}" text-anchor="end">{label}</text>')  # fmt: skip
    for count, start, end in zip(counts, edges[:-1], edges[1:], strict=True):
        if count:
            parts.append(f'<rect x="{x(start) + 1:.1f}" y="{y(count):.1f}" width="{max(x(end) - x(start) - 2, 1):.1f}" '
                         f'height="{_HEIGHT - _BOTTOM - y(count):.1f}" class="column method"/>')  # fmt: skip
    whole_numbers = [float(value) for value in range(math.ceil(low), math.floor(high) + 1)]
    ticks = whole_numbers if whole is not None else round_ticks(low, high, 8)
    for tick in ticks:
        parts.append(
            f'<text x="{x(tick):.1f}" y="{_HEIGHT - _BOTTOM + 15}" text-anchor="middle">{tick_label(tick)}</text>'
        )
    missing = len(values) - finite.size
    below = f"{across}; not measured: {missing}" if missing else across
    parts.append(
        f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 5}" text-anchor="middle">{escape(below)}</text>'
    )
    return Svg("".join(parts) + "</svg>")


def _edges(finite: np.ndarray, whole: tuple[int, int] | None) -> np.ndarray:
    low, high = float(finite.min()), float(finite.max())
    if whole is not None:
        return np.arange(whole[0] - 0.5, whole[1] + 1)
    if high - low < 1e-9:
        low, high = low - 0.5 * max(abs(low), 1e-3), high + 0.5 * max(abs(high), 1e-3)
    return np.linspace(low, high, min(_BARS, max(4, math.ceil(2 * finite.size ** (1 / 2)))) + 1)
