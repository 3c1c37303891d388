"""Whether the files of a finished volume are still those that were written."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..files.checksums import sha256_of

_TEMPORARY = ".xray2mri-*"
# a file of another run that is just being written is younger
_OLD_S = 120.0


class StoredFiles:
    """Checks the files of manifest lines; each line is checked once.

    A file whose size and time of change are as recorded is trusted; otherwise its SHA-256 decides, so that a copied
    folder stays valid.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._checked: dict[tuple[str, float], bool] = {}

    def are_intact(self, line: Mapping[str, Any]) -> bool:
        """Whether all files of a finished volume are there and unchanged."""
        known = (line["key"], line["time"])
        if known not in self._checked:
            self._checked[known] = all(self._is_intact(entry) for entry in line.get("files", {}).values())
        return self._checked[known]

    def _is_intact(self, entry: Mapping[str, Any]) -> bool:
        path = self._folder / entry["path"]
        try:
            about = path.stat()
            if about.st_size != entry["size"]:
                return False
            return about.st_mtime_ns == entry["mtime_ns"] or sha256_of(path) == entry["sha256"]
        except OSError:
            return False

    def remove_leftovers(self) -> None:
        """Remove temporary files of workers that were killed while they wrote."""
        for parent in ("volumes", "thumbnails"):
            for path in (self._folder / parent).glob(f"*/{_TEMPORARY}"):
                try:
                    if time.time() - path.stat().st_mtime > _OLD_S:
                        path.unlink()
                except OSError:
                    continue
