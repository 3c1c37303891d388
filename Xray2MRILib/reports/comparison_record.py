"""Reads the values of a comparison with a real MRI from its JSON file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import InputError
from .per_slice_table import COMPARISON_COLUMNS

_LONGEST_BYTES = 20_000_000


def read_comparison(path: str | Path) -> dict[str, Any]:
    """The result of a comparison: ``per_slice`` (list of rows), ``summary``, ``verdict``, ``warnings``.

    A message of the worker with the result inside is accepted as well. Raises InputError for anything else.
    """
    path = Path(path)
    try:
        record = json.loads(_content(path))
    except OSError as error:
        raise InputError(
            f"The comparison {path.name} cannot be read: {error.strerror}.",
            code="missing-comparison",
            hint="Compare again, or go without the comparison.",
        ) from None
    except (ValueError, RecursionError):
        record = None
    if isinstance(record, dict) and isinstance(record.get("result"), dict):
        record = record["result"]
    if not _is_comparison(record):
        raise InputError(
            f"The file {path.name} does not hold the figures of a comparison.",
            code="bad-comparison",
            hint="Choose the JSON file of a comparison.",
        )
    return record


def _content(path: Path) -> bytes:
    """The first 20 MB of a file; nothing of what is no regular file, and would be endless or waited for."""
    if path.exists() and not path.is_file() and not path.is_dir():
        return b""
    with path.open("rb") as file:
        return file.read(_LONGEST_BYTES)


def _is_comparison(record: Any) -> bool:
    if not isinstance(record, dict) or not isinstance(record.get("summary", {}), dict):
        return False
    rows = record.get("per_slice")
    if not isinstance(rows, list) or not all(isinstance(row, dict) and _is_index(row.get("index")) for row in rows):
        return False
    numbers = [row[name] for row in rows for name in COMPARISON_COLUMNS if name in row]
    measures = list(record.get("summary", {}).values())
    return all(_is_number(value) for value in numbers) and all(isinstance(measure, dict) for measure in measures)


def _is_index(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))
