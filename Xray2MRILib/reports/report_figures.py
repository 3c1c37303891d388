"""Tables and charts of a report as HTML and SVG."""

from __future__ import annotations

import math
from html import escape
from typing import Any

from .per_slice_table import COMPARISON_COLUMNS

_WIDTH, _HEIGHT = 520, 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 26, 30
_CHARTED = {"psnr_db": "PSNR (dB)", "ssim": "SSIM", "rssim": "RSSIM", "edge_mm": "Edge distance (mm)"}


def table(headings: list[str], rows: list[list[Any]], *, numbers: bool = True) -> str:
    """An HTML table; cells are escaped, numbers rounded, undefined values shown as a dash."""
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    kind = ' class="numbers"' if numbers else ""
    body = "".join("<tr>" + "".join(f"<td>{escape(_shown(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table{kind}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def summary_table(summary: dict[str, dict[str, Any]]) -> str:
    """One row a measure: the pseudo-MRI beside the controls that a meaningful figure must beat."""
    sources = list(dict.fromkeys(source for measure in summary.values() for source in measure))
    from .report_wording import MEASURE_NAMES

    headings = ["median over slices", *(source.replace("_", " ") for source in sources)]
    rows = [
        [MEASURE_NAMES.get(name, name.replace("_", " ")), *(measure.get(source) for source in sources)]
        for name, measure in summary.items()
    ]
    return table(headings, rows)


def per_slice_html(rows: list[dict[str, Any]]) -> str:
    """The figures of every slice; columns without any value are left out."""
    names = [name for name in COMPARISON_COLUMNS if any(row.get(name) is not None for row in rows)]
    return table([COMPARISON_COLUMNS[name] for name in names], [[row.get(name) for name in names] for row in rows])


def per_slice_charts(rows: list[dict[str, Any]]) -> str:
    """One small chart a measure over the slices of the file, anterior at the left; undefined slices are gaps."""
    charts = []
    for name, title in _CHARTED.items():
        points = [(row["index"], row.get(name)) for row in rows]
        if any(_is_defined(value) for _, value in points):
            charts.append(_chart(points, title))
    return "".join(charts)


def _chart(points: list[tuple[float, float | None]], title: str) -> str:
    values = [value for _, value in points if _is_defined(value)]
    low, high = min(values), max(values)
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    first, last = points[0][0], points[-1][0]

    def x(index: float) -> float:
        return _LEFT + (index - first) / max(last - first, 1) * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _TOP + (high - value) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    lines = "".join(
        f'<polyline fill="none" stroke="#1f6fb4" stroke-width="1.6" points="{part}"/>'
        for part in _unbroken([(x(index), None if not _is_defined(value) else y(value)) for index, value in points])
    )
    base = _HEIGHT - _BOTTOM
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)} per slice">'
        f'<text x="{_LEFT}" y="16" class="title">{escape(title)}</text>'
        f'<line x1="{_LEFT}" y1="{base}" x2="{_WIDTH - _RIGHT}" y2="{base}" stroke="#999"/>'
        f'<line x1="{_LEFT}" y1="{_TOP}" x2="{_LEFT}" y2="{base}" stroke="#999"/>'
        f'<text x="{_LEFT - 5}" y="{_TOP + 5}" text-anchor="end">{_shown(high)}</text>'
        f'<text x="{_LEFT - 5}" y="{base}" text-anchor="end">{_shown(low)}</text>'
        f'<text x="{_LEFT}" y="{_HEIGHT - 12}">slice {_shown(first)} (anterior)</text>'
        f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 12}" text-anchor="end">slice {_shown(last)} (posterior)</text>'
        f"{lines}</svg>"
    )


def _unbroken(points: list[tuple[float, float | None]]) -> list[str]:
    """The stretches without undefined values, as texts for a polyline; a lone point becomes a short dash."""
    parts: list[list[tuple[float, float]]] = [[]]
    for across, down in points:
        if down is None:
            parts.append([])
        else:
            parts[-1].append((across, down))
    drawn = [part if len(part) > 1 else [(part[0][0] - 1, part[0][1]), (part[0][0] + 1, part[0][1])]
             for part in parts if part]  # fmt: skip
    return [" ".join(f"{across:.1f},{down:.1f}" for across, down in part) for part in drawn]


def _is_defined(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _shown(value: Any) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, float):
        return f"{value:.0f}" if value == round(value) and abs(value) < 1e6 else f"{value:.4g}"
    return str(value)
