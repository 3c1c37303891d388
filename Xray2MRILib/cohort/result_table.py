"""``table.csv``: one line a row of the cohort, made anew from the rows and the manifest."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from ..files.atomic_write import AtomicFiles
from ..volume.provenance import notice
from .evaluation import MEASURES
from .joint_band import COMPARTMENTS
from .keyed_rows import KeyedRow
from .manifest import EVALUATION, VOLUME, Manifest
from .work_queue import DONE, FAILED, REFUSED, RUNNING, WAITING

FILE = "table.csv"
_MEASURED = (
    "side", "side_source", "knees_found", "grade", "grade_source", "grade_probabilities", "plausible", "plausibility",
    *(f"joint_band_{side}_mm" for side in COMPARTMENTS), "joint_line_mm", "outline_mm",
)  # fmt: skip
_OF_MRI = tuple(f"mri_{measure}{suffix}" for measure in MEASURES for suffix in ("", "_other_knee"))
COLUMNS = ("row", "id", "key", "state", "code", "sentence", *_MEASURED, "seconds", "warnings", "volume")
EVALUATION_COLUMNS = ("mri_state", "mri_code", "mri_sentence", *_OF_MRI)


def result_rows(
    rows: Sequence[KeyedRow],
    manifest: Manifest,
    *,
    keep_ids: bool = True,
    is_running: Callable[[str], bool] = lambda key: False,
    is_intact: Callable[[dict[str, Any]], bool] = lambda line: True,
) -> list[dict[str, Any]]:
    """Column -> value of every row, in the order of the table.

    ``is_running`` tells whether work on a key is under way, ``is_intact`` whether the files of a finished volume are
    still there.
    """
    return [_result_row(row, manifest, keep_ids, is_running, is_intact) for row in rows]


def _result_row(
    row: KeyedRow,
    manifest: Manifest,
    keep_ids: bool,
    is_running: Callable[[str], bool],
    is_intact: Callable[[Any], bool],
) -> dict[str, Any]:
    found: dict[str, Any] = {"row": row.row.number, "id": row.row.identity if keep_ids else "", "key": row.key}
    if row.refusal is not None:
        return {**found, "state": REFUSED, "code": row.refusal.code, "sentence": row.refusal.sentence}
    line = manifest.last(row.key)
    if line is not None and line["state"] == DONE and not is_intact(line):
        line = None
    if is_running(row.key) and (line is None or line["state"] == FAILED):
        return {**found, "state": RUNNING}
    if line is None:
        return {**found, "state": WAITING}
    found |= {"state": line["state"], "code": line.get("error_code", ""), "sentence": line.get("sentence", "")}
    found |= {name: line.get("measures", {}).get(name) for name in _MEASURED}
    found["warnings"] = list(line.get("warnings", ()))
    if line["state"] == DONE:
        found["seconds"] = line.get("seconds")
        found["volume"] = line["files"][VOLUME]["path"]
    if row.row.reference is not None:
        found |= _mri_columns(row, manifest)
    return found


def _mri_columns(row: KeyedRow, manifest: Manifest) -> dict[str, Any]:
    if row.reference_refusal is not None:
        return {"mri_state": REFUSED, "mri_code": row.reference_refusal.code,
                "mri_sentence": row.reference_refusal.sentence}  # fmt: skip
    line = manifest.last(row.key, EVALUATION)
    if line is None or line.get("mri") != row.signature:
        return {"mri_state": WAITING}
    found = {
        "mri_state": line["state"],
        "mri_code": line.get("error_code", ""),
        "mri_sentence": line.get("sentence", ""),
    }
    return {**found, **{name: line.get("measures", {}).get(name) for name in _OF_MRI}}


def table_text(rows: Iterable[dict[str, Any]]) -> str:
    """The CSV: a comment line with the notice, the heading, a line a row; a list has " | " between its parts."""
    rows = list(rows)
    columns = (*COLUMNS, *(EVALUATION_COLUMNS if any("mri_state" in row for row in rows) else ()))
    stream = io.StringIO()
    stream.write(f"# {notice()}\n")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in columns])
    return stream.getvalue()


def write_table(rows: Iterable[dict[str, Any]], folder: Path) -> Path:
    """Write ``table.csv``, whole or not at all. Raises InputError and ProcessingError."""
    path = folder / FILE
    with AtomicFiles() as atomic:
        atomic.stage(path).write_text(table_text(rows), encoding="utf-8", newline="\n")
    return path


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return " | ".join(str(part) for part in value)
    # a spreadsheet takes a text that begins so for a formula
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value
