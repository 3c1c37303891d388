"""The radiographs of a cohort: rows of a CSV table, or the files of a folder.

A row that cannot be used stays in the list with its refusal; only a table that cannot be read at all is an error.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError, Xray2MRIError
from ..generation.settings import SETTINGS, GenerationSettings

# settings of generate that a row may have for itself
OWN_SETTINGS = ("side", "kl_grade", "kl", "knee", "roi", "photometric", "age", "sex", "bmi")
ROLES = ("radiograph", "side", "kl_grade", "id", *(name for name in OWN_SETTINGS if name not in ("side", "kl_grade")))
# columns without a role count in this order
_IN_ORDER = ("radiograph", "side", "kl_grade", "id")
_OTHER_NAMES = {
    "radiograph": ("film", "file", "path", "image"),
    "kl_grade": ("kl grade", "grade"),
    "id": ("identifier",),
}
_SIDES = {"l": "left", "r": "right"}
_ENDINGS = (".dcm", ".dicom", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".nrrd", ".nii", ".nii.gz", ".mha")


@dataclass(frozen=True)
class Refusal:
    """Why a row cannot be used: a stable word, and one sentence."""

    code: str
    sentence: str

    @classmethod
    def of(cls, error: Xray2MRIError) -> Refusal:
        """The refusal with the words of an error."""
        return cls(error.code, error.sentence())


@dataclass(frozen=True)
class RadiographRow:
    """One radiograph of a cohort.

    Attributes
    ----------
    number
        Place in the table, counted from 1 without the heading; in a folder, place in the order of names.
    radiograph
        The file.
    identity
        The user's own name for the row, as the table gives it; empty without one.
    own
        Settings of this row alone, name -> value; they take precedence over those of the cohort.
    reference
        A real MRI of the same knee, or None.
    refusal
        Why the row cannot be used, or None.
    """

    number: int
    radiograph: Path
    identity: str = ""
    own: Mapping[str, Any] = field(default_factory=dict)
    reference: Path | None = None
    refusal: Refusal | None = None


def read_rows(
    source: str | Path,
    columns: str | None = None,
    reference_column: str | None = None,
    without: Path | None = None,
) -> list[RadiographRow]:
    """The rows of a table (.csv, .tsv, .txt) or the radiographs of a folder, in order.

    Parameters
    ----------
    source
        The table; paths in it count from its own folder. Or a folder, searched with its sub-folders.
    columns
        Which column holds what: ``radiograph=film,side=side_of_knee,id=number``. Entries without ``=`` stand for
        radiograph, side, kl_grade and id in this order. None takes the columns that are called so.
    reference_column
        Column with a real MRI of the same knee.
    without
        Folder whose files do not count, because the cohort's results are there.

    Raises InputError (codes ``no-such-table``, ``bad-table``, ``bad-columns``, ``no-radiographs``).
    """
    path = Path(source)
    if path.is_dir():
        if columns is not None or reference_column is not None:
            raise InputError(
                f"The folder {path.name} has no columns.",
                code="bad-columns",
                hint="Give a table, or leave the names of columns out.",
            )
        rows = [RadiographRow(number, file) for number, file in enumerate(_files_of(path, without), 1)]
    else:
        rows = _rows_of_table(path, columns, reference_column)
    if not rows:
        raise InputError(f"There is no radiograph in {path.name}.", code="no-radiographs", hint="Check the path.")
    return rows


def _files_of(folder: Path, without: Path | None) -> list[Path]:
    """Radiographs below a folder by their endings; files without an ending if they are DICOM. In the order of paths."""
    found = []
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).parts
        if without is not None and without in path.resolve().parents:
            continue
        if any(part.startswith(".") for part in inside) or not path.is_file():
            continue
        if path.name.lower().endswith(_ENDINGS) or _is_dicom(path):
            found.append(path)
    return found


def _is_dicom(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def _rows_of_table(path: Path, columns: str | None, reference_column: str | None) -> list[RadiographRow]:
    heading, lines = _read_table(path)
    places = _places_of_columns(heading, columns)
    reference = None
    if reference_column is not None:
        reference = _place_of(heading, reference_column)
        if reference is None:
            raise _no_column(reference_column, heading)
    rows = []
    for number, cells in enumerate(lines, 1):
        rows.append(_row(number, cells, len(heading), places, reference, path.parent))
    return rows


def _read_table(path: Path) -> tuple[list[str], list[list[str]]]:
    """Heading and lines of a table with commas, semicolons or tabs, without empty lines and those with # in front."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(
            f"There is no table or folder {path.name}.", code="no-such-table", hint="Check the path."
        ) from None
    except UnicodeDecodeError:
        raise InputError(
            f"The table {path.name} is not text in UTF-8.", code="bad-table", hint="Save it as CSV in UTF-8."
        ) from None
    except OSError as error:
        raise InputError(
            f"The table {path.name} cannot be read: {error.strerror}.", code="bad-table", hint="Check the file."
        ) from None
    kept = "".join(line for line in text.splitlines(keepends=True) if line.strip() and not line.startswith("#"))
    first = kept.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    try:
        lines = [
            line for line in csv.reader(io.StringIO(kept), delimiter=separator) if any(cell.strip() for cell in line)
        ]
    except csv.Error as error:
        raise InputError(
            f"The table {path.name} is not CSV: {error}.", code="bad-table", hint="Save it as CSV."
        ) from None
    if not lines:
        raise InputError(
            f"The table {path.name} is empty.", code="bad-table", hint="Give a heading and a line a radiograph."
        )
    return [name.strip() for name in lines[0]], [[cell.strip() for cell in line] for line in lines[1:]]


def _places_of_columns(heading: Sequence[str], columns: str | None) -> dict[str, int]:
    """Role -> place of its column."""
    places: dict[str, int] = {}
    if columns is None:
        for role in ROLES:
            names = (role, role.replace("_", " "), *_OTHER_NAMES.get(role, ()))
            found = [place for name in names if (place := _place_of(heading, name)) is not None]
            if found:
                places[role] = found[0]
    else:
        for order, entry in enumerate(columns.split(",")):
            role, given, name = entry.strip().partition("=")
            if not given:
                role, name = (_IN_ORDER[order] if order < len(_IN_ORDER) else ""), role
            if role not in ROLES:
                raise InputError(
                    f"A column cannot stand for {(role or name)!r}.",
                    code="bad-columns",
                    hint=f"Choose among {', '.join(ROLES)}.",
                    field="columns",
                )
            place = _place_of(heading, name)
            if place is None:
                raise _no_column(name, heading)
            places[role] = place
    if "radiograph" not in places:
        raise InputError(
            f"No column of the table holds the radiographs; there are {_listed(heading)}.",
            code="bad-columns",
            hint="Name the column.",
            field="columns",
        )
    return places


def _place_of(heading: Sequence[str], name: str) -> int | None:
    lowered = [column.lower() for column in heading]
    return lowered.index(name.strip().lower()) if name.strip().lower() in lowered else None


def _no_column(name: str, heading: Sequence[str]) -> InputError:
    return InputError(
        f"The table has no column {name!r}; there are {_listed(heading)}.",
        code="bad-columns",
        hint="Give the name as it stands in the table's first line.",
        field="columns",
    )


def _listed(heading: Sequence[str]) -> str:
    return ", ".join(heading[:12]) + (" ..." if len(heading) > 12 else "")


def _row(
    number: int, cells: list[str], width: int, places: Mapping[str, int], reference: int | None, folder: Path
) -> RadiographRow:
    if len(cells) != width:
        sentence = f"Row {number} has {len(cells)} cells instead of {width}. Correct the table."
        return RadiographRow(number, Path(), refusal=Refusal("bad-row", sentence))
    given = {role: cells[place] for role, place in places.items()}
    identity = given.get("id", "")
    try:
        if not given["radiograph"] or "\0" in given["radiograph"]:
            raise InputError(f"Row {number} names no radiograph.", code="bad-row", hint="Correct the table.")
        own = {name: _value(name, given[name], number) for name in OWN_SETTINGS if given.get(name)}
        GenerationSettings(**own)
    except Xray2MRIError as error:
        return RadiographRow(number, Path(), identity, refusal=Refusal.of(error))
    real = cells[reference] if reference is not None else ""
    return RadiographRow(
        number, folder / given["radiograph"], identity, own, folder / real if real else None
    )  # fmt: skip


def _value(name: str, text: str, number: int) -> Any:
    """A cell as a value of a setting. Raises InputError (code ``bad-row``)."""
    kind = SETTINGS[name].kind
    try:
        if kind == "integer":
            value = float(text)
            if value != int(value):
                raise ValueError
            return int(value)
        if kind == "number":
            return float(text)
        if kind == "numbers":
            return tuple(float(part) for part in text.replace(";", " ").replace(",", " ").split())
    except (ValueError, OverflowError):
        raise InputError(
            f"The {SETTINGS[name].title} of row {number} cannot be {text[:40]!r}.",
            code="bad-row",
            hint="Correct the table.",
        ) from None
    return _SIDES.get(text.lower(), text.lower()) if name == "side" else text.lower()
