"""What the record of a simulated person tells, under the names of the registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .registry import SEXES

# middle of each class of body mass, kg per square metre
BMI_OF_CLASS = {"normal": 22.0, "overweight": 27.5, "obese": 34.0}


def told_of_simulated(person: Mapping[str, Any] | None) -> dict[str, Any]:
    """``sex`` and ``bmi`` of a record's entry ``person``; empty for knees without one."""
    if not isinstance(person, Mapping):
        return {}
    told: dict[str, Any] = {}
    if person.get("sex") in SEXES:
        told["sex"] = person["sex"]
    if person.get("body_mass") in BMI_OF_CLASS:
        told["bmi"] = BMI_OF_CLASS[person["body_mass"]]
    return told
