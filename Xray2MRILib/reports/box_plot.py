"""Box plots as inline SVG: median, quartiles, whiskers to 1.5 times the box, knees beyond as circles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape

import numpy as np

from .axis_ticks import round_ticks, tick_label, widen_to_ticks
from .svg import Svg

_LABEL, _WIDTH, _ROW, _TOP = 236, 620, 24, 28
_LONGEST_NAME = 34  # characters that fit beside a box


def box_plot(title: str, columns: Mapping[str, np.ndarray], controls: frozenset[str] = frozenset()) -> Svg:
    """One horizontal box per column of [knees] values, ``controls`` in grey; empty text when nothing is finite."""
    finite = {name: values[np.isfinite(values)] for name, values in columns.items()}
    finite = {name: values for name, values in finite.items() if values.size}
    if not finite:
        return Svg()
    everything = np.concatenate(list(finite.values()))
    low, high = widen_to_ticks(float(everything.min()), float(everything.max()))
    height = _TOP + _ROW * len(finite) + 26

    def x(value: float) -> float:
        return _LABEL + (value - low) / (high - low) * (_WIDTH - _LABEL - 20)

    parts = [f'<svg class="chart" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(title)}">',
             f'<text x="4" y="16" class="title">{escape(title)}</text>']  # fmt: skip
    for tick in round_ticks(low, high):
        across = f"{x(tick):.1f}"
        parts.append(f'<line x1="{across}" x2="{across}" y1="{_TOP}" y2="{height - 22}" class="grid"/>'
                     f'<text x="{across}" y="{height - 8}" text-anchor="middle">{tick_label(tick)}</text>')  # fmt: skip
    for place, (name, values) in enumerate(finite.items()):
        series = "control" if name in controls else "method"
        parts.append(_box(name, values, _TOP + _ROW * place + _ROW / 2, x, series))
    return Svg("".join(parts) + "</svg>")


def whiskers(values: np.ndarray) -> tuple[float, float, float, float, float]:
    """(end, quartile, median, quartile, end): ends are the outermost values within 1.5 boxes of the quartiles."""
    low, middle, high = np.percentile(values, (25, 50, 75))
    reach = 1.5 * (high - low)
    inside = values[(values >= low - reach) & (values <= high + reach)]
    return float(inside.min()), float(low), float(middle), float(high), float(inside.max())


def _box(name: str, values: np.ndarray, y: float, x: Callable[[float], float], series: str) -> str:
    start, low, middle, high, end = whiskers(values)
    outside = values[(values < start) | (values > end)]
    dots = "".join(f'<circle cx="{x(v):.1f}" cy="{y:.1f}" r="2" class="outlier {series}"/>' for v in outside)
    short = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
    return (
        f'<text x="{_LABEL - 8}" y="{y + 4:.1f}" text-anchor="end">{escape(short)}</text>'
        f'<line x1="{x(start):.1f}" x2="{x(end):.1f}" y1="{y:.1f}" y2="{y:.1f}" class="whisker {series}"/>'
        f'<rect x="{x(low):.1f}" y="{y - 7:.1f}" width="{max(x(high) - x(low), 1):.1f}" height="14" '
        f'class="box {series}"/>'
        f'<line x1="{x(middle):.1f}" x2="{x(middle):.1f}" y1="{y - 7:.1f}" y2="{y + 7:.1f}" class="median {series}"/>'
        f"{dots}"
    )
