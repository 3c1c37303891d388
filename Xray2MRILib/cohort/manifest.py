"""The manifest of a cohort: one line of JSON for each result, appended, never changed.

The last line of a key counts. A line that a crash or a full disk cut short is ignored, and the next one begins on a
line of its own.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from ..files.atomic_write import writing_error

VOLUME, EVALUATION = "volume", "evaluation"


class Manifest:
    """The lines of all manifests of a folder; new ones go to the own file.

    Parameters
    ----------
    folder
        Folder of the cohort.
    part
        Name of a share of the work, which has a manifest of its own, so that machines do not write to one file.
    """

    def __init__(self, folder: Path, part: str = "") -> None:
        self._folder = folder
        self.path = folder / (f"manifest-{part}.jsonl" if part else "manifest.jsonl")
        self._last: dict[tuple[str, str], dict[str, Any]] = {}
        self._read_to: dict[Path, int] = {}
        self.refresh()

    def refresh(self) -> None:
        """Read what was appended since the last time, also by other runs."""
        for path in sorted(self._folder.glob("manifest*.jsonl")):
            lines, self._read_to[path] = read_lines(path, self._read_to.get(path, 0))
            for line in lines:
                work = (line["key"], line.get("kind", VOLUME))
                if work not in self._last or line["time"] >= self._last[work]["time"]:
                    self._last[work] = line

    def last(self, key: str, kind: str = VOLUME) -> dict[str, Any] | None:
        """The line that counts for a key; None without one."""
        return self._last.get((key, kind))

    def append(self, line: dict[str, Any]) -> None:
        """Append one line and bring it to the disk. Raises ProcessingError (``disk-full``, ``write-failed``)."""
        line = {**line, "time": round(time.time(), 3)}
        text = json.dumps(line, ensure_ascii=True, allow_nan=False) + "\n"
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            try:
                data = (b"" if _ends_in_newline(descriptor) else b"\n") + text.encode("ascii")
                while data:
                    data = data[os.write(descriptor, data) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise writing_error(error, self.path) from None
        self._last[line["key"], line.get("kind", VOLUME)] = line


def read_lines(path: Path, begin: int = 0) -> tuple[list[dict[str, Any]], int]:
    """The whole lines of a manifest from a place on, and the place behind the last of them."""
    try:
        with path.open("rb") as file:
            file.seek(begin)
            data = file.read()
    except OSError:
        return [], begin
    whole, _, rest = data.rpartition(b"\n")
    lines = []
    for text in whole.split(b"\n"):
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and isinstance(line.get("key"), str) and isinstance(line.get("time"), (int, float)):
            lines.append(line)
    return lines, begin + len(data) - len(rest)


def _ends_in_newline(descriptor: int) -> bool:
    size = os.lseek(descriptor, 0, os.SEEK_END)
    if size == 0:
        return True
    os.lseek(descriptor, -1, os.SEEK_END)
    return os.read(descriptor, 1) == b"\n"
