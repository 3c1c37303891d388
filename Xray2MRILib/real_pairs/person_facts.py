"""Age, sex, body mass index and readings of a person in the row of a table, under our names and checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..conditions.registry import READINGS, encode_age, encode_bmi, encode_readings
from ..errors import InputError

_SEX = {"woman": "woman", "female": "woman", "f": "woman", "2": "woman", "man": "man", "male": "man", "m": "man",
        "1": "man"}  # fmt: skip


def person_facts(row: Mapping[str, str]) -> dict[str, Any]:
    """What a row tells: ``age``, ``sex``, ``bmi`` and ``r`` (readings by name); empty fields are absent.

    ``row`` has lower-case names. 1 is male and 2 female, as in the OAI's tables. Raises ValueError with a clause for a
    value that cannot be.
    """
    facts: dict[str, Any] = {}
    if sex := row.get("sex", ""):
        if sex.partition(":")[0].strip().lower() not in _SEX:
            raise ValueError(f"gives the sex {sex[:20]!r} instead of woman or man")
        facts["sex"] = _SEX[sex.partition(":")[0].strip().lower()]
    for name, encode in (("age", encode_age), ("bmi", encode_bmi)):
        if text := row.get(name, ""):
            try:
                facts[name] = float(text)
                encode(facts[name])
            except (ValueError, InputError):
                raise ValueError(f"gives the {name} {text[:20]!r}, which cannot be") from None
    readings: dict[str, int] = {}
    for name in READINGS:
        if text := row.get(name.lower(), ""):
            try:
                readings[name] = int(float(text.partition(":")[0]))
                encode_readings(readings)
            except (ValueError, InputError):
                raise ValueError(f"gives the reading {name} {text[:20]!r}, which cannot be") from None
    return facts | ({"r": readings} if readings else {})
