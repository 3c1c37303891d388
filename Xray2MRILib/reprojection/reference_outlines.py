"""Outlines of other patients' radiographs, as a reference for the agreement with the own radiograph."""

from __future__ import annotations

import json

from ..errors import ProcessingError
from ..files.resources import resource_path
from .knee_outline import KneeOutline

OTHER_RADIOGRAPHS = "other_films/outlines.json"


def reference_outlines() -> list[KneeOutline]:
    """The shipped outlines of real radiographs; source and licence are in Resources/other_films/README.md.

    Empty in an installation without them, because a missing comparison must not prevent a volume.
    """
    try:
        path = resource_path(OTHER_RADIOGRAPHS)
    except ProcessingError:
        return []
    record = json.loads(path.read_text(encoding="utf-8"))
    return [KneeOutline.from_lists(radiograph["curves"]) for radiograph in record["films"]]
