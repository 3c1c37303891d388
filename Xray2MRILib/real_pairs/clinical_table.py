"""Grades, age, sex, BMI and readings from a cohort's clinical tables, for studies that were found in a folder.

The tables are those of the OAI: text, columns separated by ``|``, commas or tabs, one row for a participant (``ID``) or
for a knee (``ID``, ``SIDE``: 1 right, 2 left). Names of columns begin with the visit (V00XRKL) or with P, which is read
as one.
"""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..conditions.registry import READINGS
from ..errors import InputError
from .knee_study import KneeStudy
from .person_facts import person_facts

_PREFIX = re.compile(r"^(V\d\d|P0[12])", re.IGNORECASE)
_NAMES = {"XRKL": "kl_grade", "SEX": "sex", "AGE": "age", "BMI": "bmi", **{name: name.lower() for name in READINGS}}
_SIDES = {"1": "right", "2": "left"}


class ClinicalTables:
    """Several tables as one: what is known of a participant and of each knee at a visit.

    Parameters
    ----------
    paths
        The tables. Later ones take precedence.
    visit
        The visit whose columns are taken, e.g. "V00"; columns of the enrolment visits (P01, P02) count for all.

    Raises InputError for a table without ``ID`` or that cannot be read.
    """

    def __init__(self, paths: list[Path], visit: str = "V00") -> None:
        self._known: dict[tuple[str, str], dict[str, str]] = {}
        for path in paths:
            self._read(path, visit.upper())

    def complete(self, study: KneeStudy) -> KneeStudy:
        """The study with what the tables know; what it has itself stays. Raises InputError for impossible values."""
        row = self._known.get((study.participant, ""), {}) | self._known.get((study.participant, study.side), {})
        if not row:
            return study
        try:
            person: dict[str, Any] = {**person_facts(row), **study.person}
            grade = study.kl_grade
            if grade is None and row.get("kl_grade"):
                grade = int(float(row["kl_grade"].partition(":")[0]))
        except ValueError as error:
            raise InputError(
                f"A clinical table {error}.", code="bad-table", hint="Correct it, or leave the field empty."
            ) from None
        return replace(study, person=person, kl_grade=grade if grade in range(5) else None)

    def _read(self, path: Path, visit: str) -> None:
        try:
            with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
                head = file.readline()
                file.seek(0)
                rows = list(csv.reader(file, delimiter=max(",;\t|", key=head.count)))
        except (OSError, csv.Error) as error:
            raise InputError(
                f"The table {path.name} cannot be read.", code="bad-table", hint="Give a text table of the archive."
            ) from error
        names = [name.strip().upper() for name in (rows[0] if rows else [])]
        if "ID" not in names:
            raise InputError(
                f"The table {path.name} has no column ID.", code="bad-table", hint="Give a text table of the archive."
            )
        columns = {place: wanted for place, name in enumerate(names) if (wanted := _wanted(name, visit))}
        side = names.index("SIDE") if "SIDE" in names else None
        for row in rows[1:]:
            if len(row) != len(names):
                continue
            key = row[names.index("ID")].strip(), "" if side is None else _SIDES.get(row[side].strip()[:1], "?")
            values = {wanted: text for place, wanted in columns.items() if (text := _value(row[place]))}
            self._known.setdefault(key, {}).update(values)


def _wanted(name: str, visit: str) -> str | None:
    """Our name for a column of the visit, or of the enrolment."""
    prefix = _PREFIX.match(name)
    if prefix is None or (not prefix[0].startswith("P") and prefix[0] != visit):
        return None
    return _NAMES.get(name[prefix.end() :])


def _value(text: str) -> str:
    """The value of a field; the OAI writes ".: Missing Form" and the like for what is missing."""
    text = text.strip()
    return "" if not text or text.startswith(".") else text
