"""Write the JSON of a benchmark: figures with the model, the date and the command that they came from.

A file in docs/results/ is one of these, copied as the benchmark wrote it. ``fill_result_tables.py`` fills the tables of
README and docs from them, and Testing/docs/test_results.py compares every printed number with them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

ORIGIN = "written by the benchmark"


def write_result(
    path: Path, *, command: str, settings: Mapping[str, Any], figures: Any, weights: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Write and return the record.

    Parameters
    ----------
    path
        The file to write.
    command
        What to type to measure again, with folder names in capitals instead of paths of one machine.
    settings
        The choices that the figures depend on: number of knees, slices, steps, seed, sampling.
    figures
        The measured numbers.
    weights
        Network -> SHA-256 of its weights; None when no model was measured.
    """
    record: dict[str, Any] = {
        "origin": ORIGIN,
        "date": datetime.now(timezone.utc).date().isoformat(),
        "command": command,
        "weights_sha256": None if weights is None else dict(weights),
        "settings": dict(settings),
        "figures": figures,
    }
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return record
