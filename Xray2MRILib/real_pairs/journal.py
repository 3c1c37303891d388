"""What became of every study, one JSON line each, appended and flushed: a killed run loses at most the knees in work.

The journal names participants and files, so it lies in the private folder.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..files.atomic_write import writing_error
from .knee_preparation import KneeTask, Outcome

JOURNAL_FILE = "knees.jsonl"
_AGAIN = ("out-of-memory", "internal", "worker-died")  # refusals that a later run tries again


class Journal:
    """The journal of a private folder; entries of earlier runs are read when it is opened.

    Raises ProcessingError or InputError when it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / JOURNAL_FILE
        self._entries: dict[str, dict[str, Any]] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            text = self._path.read_text(encoding="utf-8") if self._path.exists() else ""
            for line in text.splitlines():
                entry = _entry(line)
                if entry is not None:
                    self._entries[entry["pair"]] = entry
            self._file = self._path.open("a", encoding="utf-8")
            if text and not text.endswith("\n"):  # the last line of a killed run
                self._file.write("\n")
        except OSError as error:
            raise writing_error(error, self._path) from None

    def known(self, task: KneeTask, fingerprint: str) -> Outcome | None:
        """What an earlier run made of the same study; None when it has to be prepared (again)."""
        entry = self._entries.get(task.pair.stem)
        if entry is None or entry["fingerprint"] != fingerprint or entry["code"] in _AGAIN:
            return None
        outcome = Outcome(entry["code"], entry["reason"], entry["public"], tuple(entry["doubts"]), entry["seconds"])
        return None if outcome.prepared and not task.pair.is_file() else outcome

    def add(self, task: KneeTask, fingerprint: str, outcome: Outcome) -> None:
        """Append what became of a study."""
        study = task.study
        entry = {
            "pair": task.pair.stem,
            "participant": study.participant,
            "visit": study.visit,
            "side": study.side,
            "radiograph": str(study.radiograph),
            "series": str(study.series),
            "fingerprint": fingerprint,
            **asdict(outcome),
        }
        self._entries[task.pair.stem] = entry
        try:
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise writing_error(error, self._path) from None

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _entry(line: str) -> dict[str, Any] | None:
    """The entry of a line; None for the cut last line of a killed run."""
    try:
        entry = json.loads(line)
        return entry if {"pair", "fingerprint", "code", "reason", "public", "doubts", "seconds"} <= set(entry) else None
    except (ValueError, TypeError):
        return None
