"""Outlines of other people's films, beside which the agreement with the own film is shown."""

from __future__ import annotations

import json

from ..errors import ProcessingError
from ..resources import resource_path
from .knee_outline import KneeOutline

OTHER_FILMS = "other_films/outlines.json"


def other_film_outlines() -> list[KneeOutline]:
    """The shipped outlines of real films; source and licence are in Resources/other_films/README.md.

    An installation that lacks them has no other films to compare with; that must not cost anybody a volume.
    """
    try:
        path = resource_path(OTHER_FILMS)
    except ProcessingError:
        return []
    record = json.loads(path.read_text(encoding="utf-8"))
    return [KneeOutline.from_lists(film["curves"]) for film in record["films"]]
