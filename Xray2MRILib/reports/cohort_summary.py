"""The page of a cohort: counts, distributions, refusals by reason, and a table with pictures that can be sorted."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..files.atomic_write import AtomicFiles
from .histogram import histogram
from .page_templates import environment, render_page
from .svg import Svg

FILE = "summary.html"
# a page of more rows is slow to open; table.csv has all of them
MOST_ROWS = 1000
_SCRIPT = "sortable_table.js"
_CHARTS = (
    ("grade", "Kellgren-Lawrence grade", "most probable grade", (0, 4)),
    ("plausibility", "Frontal knee radiograph", "plausibility, 0 to 1", None),
    ("joint_band_medial_mm", "Medial joint band of the volume", "mm at the nominal scale", None),
    ("joint_band_lateral_mm", "Lateral joint band of the volume", "mm at the nominal scale", None),
    ("joint_line_mm", "Joint line of volume and radiograph", "median distance, mm", None),
    ("seconds", "Time for a volume", "seconds from reading to writing", None),
    ("mri_edge_mm", "Edge distance to the real MRI", "median over slices, mm", None),
)
_HEADINGS = {
    "row": "row", "id": "id", "state": "state", "side": "side", "grade": "grade", "plausibility": "plausibility",
    "joint_band_medial_mm": "medial band, mm", "joint_band_lateral_mm": "lateral band, mm",
    "joint_line_mm": "joint line, mm", "outline_mm": "outline, mm", "mri_edge_mm": "MRI edges, mm", "seconds": "s",
}  # fmt: skip
_WORDS = ("id", "state", "side")
_ORDER = {"failed": 0, "refused": 1, "running": 2, "waiting": 3, "done": 4}


def write_cohort_summary(rows: Sequence[Mapping[str, Any]], folder: Path, settings: Mapping[str, Any]) -> Path:
    """Write ``summary.html`` of result_table.result_rows; it appears complete or not at all.

    Raises InputError and ProcessingError.
    """
    path = folder / FILE
    page = render_page("cohort_summary.html.j2", summary_context(rows, folder, settings))
    with AtomicFiles() as atomic:
        atomic.stage(path).write_text(page, encoding="utf-8", newline="\n")
    return path


def summary_context(rows: Sequence[Mapping[str, Any]], folder: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """All that the template shows, as plain data."""
    counts = Counter(row["state"] for row in rows)
    done = [row for row in rows if row["state"] == "done"]
    columns = [name for name in _HEADINGS if any(row.get(name) not in (None, "") for row in rows)]
    shown = list(rows) if len(rows) <= MOST_ROWS else sorted(rows, key=lambda row: _ORDER[row["state"]])[:MOST_ROWS]
    script = environment().get_template(_SCRIPT).render()
    return {
        "total": len(rows),
        "counts": [
            (state, counts[state]) for state in ("done", "refused", "failed", "running", "waiting") if counts[state]
        ],
        "implausible": sum(row.get("plausible") is False for row in done),
        "warned": sum(bool(row.get("warnings")) for row in done),
        "settings": ", ".join(_settings_in_words(settings)),
        "reasons": _reasons(rows),
        "charts": _charts(done),
        "headings": [{"text": _HEADINGS[name], "number": name not in _WORDS} for name in columns],
        "shown": [_row(row, columns, folder) for row in shown],
        "script": Svg(script),
        "script_digest": base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii"),
    }


def _settings_in_words(settings: Mapping[str, Any]) -> Iterable[str]:
    names = ("slices", "steps", "seed", "samples", "sampler", "guidance_scale", "noise_scale")
    return (f"{name.replace('_', ' ')} {settings[name]}" for name in names if settings.get(name) is not None)


def _reasons(rows: Iterable[Mapping[str, Any]]) -> list[tuple[str, str, int, str]]:
    """(state, code, number, an example) of refusals and failures, the most frequent first."""
    count: Counter[tuple[str, str]] = Counter()
    example: dict[tuple[str, str], str] = {}
    for row in rows:
        if row["state"] in ("refused", "failed"):
            reason = (row["state"], row.get("code") or "unknown")
            count[reason] += 1
            example.setdefault(reason, row.get("sentence") or "")
    return [(*reason, number, example[reason]) for reason, number in count.most_common()]


def _charts(done: Sequence[Mapping[str, Any]]) -> list[Svg]:
    drawn = [histogram(title, across, [row.get(name) for row in done], whole=whole)
             for name, title, across, whole in _CHARTS if any(row.get(name) is not None for row in done)]  # fmt: skip
    return [chart for chart in drawn if chart]


def _row(row: Mapping[str, Any], columns: Sequence[str], folder: Path) -> dict[str, Any]:
    remark = row.get("sentence") or " ".join(row.get("warnings") or ())
    return {
        "state": row["state"],
        "picture": _picture(row, folder),
        "cells": [_cell(row.get(name)) for name in columns],
        "remark": remark,
        "key": row["key"],
        "volume": row.get("volume") or "",
    }


def _cell(value: Any) -> dict[str, Any]:
    """Text of a cell, and what it is sorted by."""
    if value is None:
        return {"text": "", "order": "", "number": False}
    if isinstance(value, float):
        return {"text": f"{value:.2f}", "order": value, "number": True}
    return {"text": str(value), "order": value, "number": isinstance(value, int)}


def _picture(row: Mapping[str, Any], folder: Path) -> str:
    """The small picture as a data URI; empty without one."""
    if row["state"] != "done":
        return ""
    key = row["key"]
    try:
        data = (folder / "thumbnails" / key[:2] / f"{key}.jpg").read_bytes()
    except OSError:
        return ""
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode('ascii')}"
