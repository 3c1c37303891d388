"""The table of a cohort (CSV): one row for every knee and visit, with the files that show it.

Columns: ``participant``, ``side``, ``radiograph``, ``series``; and, where known, ``visit``, ``kl_grade``, ``box`` (x y
width height in pixels of the radiograph), ``age``, ``sex``, ``bmi`` and the readings of ``conditions.registry``. Paths
are relative to the table.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..radiograph.laterality import side_from_words
from .knee_study import KneeStudy
from .person_facts import person_facts

REQUIRED = ("participant", "side", "radiograph", "series")
_MISSING = {"", "na", "n/a", "nan", "none", ".", "-"}


def read_study_table(path: Path) -> list[KneeStudy]:
    """The studies of a table. Raises InputError, naming the row, for a table that cannot be used as a whole."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, dialect=_dialect(path)))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _refusal(path, "cannot be read as a table", "Save it as CSV in UTF-8.") from error
    columns = {(name or "").strip().lower() for name in (rows[0] if rows else {})}
    if not rows or not set(REQUIRED) <= columns:
        missing = ", ".join(name for name in REQUIRED if name not in columns)
        raise _refusal(path, f"has no column {missing}" if rows else "has no rows", f"It needs {', '.join(REQUIRED)}.")
    studies: dict[tuple[str, str, str], KneeStudy] = {}
    for number, row in enumerate(rows, start=2):
        study = _study(path, number, {(name or "").strip().lower(): _text(value) for name, value in row.items()})
        if study.identity in studies:
            raise _refusal(path, f"names the same knee and visit twice (row {number})", "Keep one of the rows.")
        studies[study.identity] = study
    return list(studies.values())


def _study(path: Path, number: int, row: dict[str, str]) -> KneeStudy:
    for name in REQUIRED:
        if not row.get(name):
            raise _refusal(path, f"has no {name} in row {number}", "Fill it in, or remove the row.")
    side = {"1": "right", "2": "left"}.get(row["side"]) or side_from_words(row["side"])
    if side is None:
        raise _refusal(path, f"gives the side {row['side'][:20]!r} in row {number}", "Write right or left.")
    try:
        person = person_facts(row)
        box = _box(row.get("box", ""))
        grade = _grade(row.get("kl_grade", ""))
    except ValueError as error:
        raise _refusal(path, f"{error} in row {number}", "Correct it, or leave the field empty.") from None
    place = path.parent
    return KneeStudy(
        row["participant"], row.get("visit", ""), side, place / row["radiograph"], place / row["series"], grade, box,
        person,
    )  # fmt: skip


def _grade(text: str) -> int | None:
    if not text:
        return None
    if text not in ("0", "1", "2", "3", "4", "0.0", "1.0", "2.0", "3.0", "4.0"):
        raise ValueError(f"gives the grade {text[:20]!r} instead of 0 to 4")
    return int(float(text))


def _box(text: str) -> tuple[float, float, float, float] | None:
    if not text:
        return None
    try:
        x, y, width, height = (float(word) for word in text.replace(",", " ").replace(";", " ").split())
    except ValueError:
        raise ValueError(f"gives the box {text[:40]!r} instead of x y width height") from None
    return x, y, width, height


def _text(value: Any) -> str:
    text = str(value or "").strip()
    return "" if text.lower() in _MISSING else text


def _dialect(path: Path) -> Any:
    """Commas, semicolons or tabs, whichever separates the columns of the first line."""
    with path.open(encoding="utf-8-sig") as file:
        head = file.readline()

    class Dialect(csv.excel):
        delimiter = max(",;\t|", key=head.count)

    return Dialect


def _refusal(path: Path, clause: str, hint: str) -> InputError:
    return InputError(f"The table {path.name} {clause}.", code="bad-table", hint=hint)
