"""The conditions that a model may be told besides the radiograph itself, by name: size, source, encoding, meaning.

Every condition is a vector whose entries are at least 0 and add up to 1 (``models.adaptive_weight``). A value that is
not known is a vector too: the uniform distribution that condition dropout shows the network in training, or, for
readings, the extra level "not read" (A21). Only the standard library is imported, so that the command line and 3D
Slicer can import the registry.

A number (age, BMI) is spread over the two nearest of some centres, in proportion to its nearness.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InputError

SEXES = ("woman", "man")
AGE_CENTRES = (20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0)  # years
BMI_CENTRES = (18.0, 22.0, 26.0, 30.0, 34.0, 38.0, 44.0)  # kg per square metre
AGE_RANGE, BMI_RANGE = (18.0, 100.0), (12.0, 70.0)
# reading of a radiograph -> number of its levels, 0 the least; names as in the OAI's tables, without the visit
READINGS = {
    **{f"XROS{bone}{side}": 4 for bone in "FT" for side in "ML"},  # osteophytes of femur and tibia, medial and lateral
    **{f"XRJS{side}": 4 for side in "ML"},  # narrowing of the joint space
    **{f"XRSC{bone}{side}": 4 for bone in "FT" for side in "ML"},  # sclerosis
    **{f"XRCY{bone}{side}": 2 for bone in "FT" for side in "ML"},  # cysts
    **{f"XRATT{side}": 4 for side in "ML"},  # attrition
}


@dataclass(frozen=True)
class Condition:
    """One condition.

    Attributes
    ----------
    name, size
        As in a U-Net's ``condition_names`` and ``condition_sizes``.
    meaning, source
        Noun phrases: what it says, and where its value comes from.
    unknown
        The vector of a value that is not known.
    encode
        Value -> vector. Raises InputError for a value that cannot be.
    """

    name: str
    size: int
    meaning: str
    source: str
    unknown: tuple[float, ...]
    encode: Callable[[Any], tuple[float, ...]]

    def vector(self, value: Any) -> tuple[float, ...]:
        """The vector of a value; None is one that is not known."""
        return self.unknown if value is None else self.encode(value)


def condition(name: str) -> Condition:
    """The condition of a name. Raises InputError (code ``unknown-condition``) for another name."""
    if name not in REGISTRY:
        raise InputError(
            f"There is no condition named {name[:40]!r}.",
            code="unknown-condition",
            hint=f"Known are {', '.join(REGISTRY)}.",
        )
    return REGISTRY[name]


def told_conditions(names: Sequence[str]) -> list[str]:
    """Those of ``names`` that a user tells: not the grade and the histogram, which the radiograph gives."""
    return [name for name in names if name in REGISTRY and name not in ("p", "i")]


def encode_told(names: Sequence[str], told: Mapping[str, Any]) -> dict[str, tuple[float, ...]]:
    """Name -> vector of the told conditions among ``names``; what ``told`` lacks is unknown.

    ``told`` holds ``age``, ``sex``, ``bmi`` and ``r`` (readings by name). Raises InputError for values out of range.
    """
    return {name: condition(name).vector(told.get(name)) for name in told_conditions(names)}


def encode_sex(value: Any) -> tuple[float, ...]:
    """(woman, man), one of them 1."""
    if value not in SEXES:
        raise _impossible("sex", value, "woman or man", "sex")
    return tuple(1.0 if value == one else 0.0 for one in SEXES)


def encode_age(years: Any) -> tuple[float, ...]:
    """Shares of AGE_CENTRES."""
    return _spread(_number("age", years, AGE_RANGE, "years"), AGE_CENTRES)


def encode_bmi(value: Any) -> tuple[float, ...]:
    """Shares of BMI_CENTRES."""
    return _spread(_number("bmi", value, BMI_RANGE, "kg per square metre"), BMI_CENTRES)


def encode_readings(readings: Mapping[str, Any]) -> tuple[float, ...]:
    """One level of each of READINGS, the last one "not read", divided by the number of readings."""
    unknown = set(readings) - set(READINGS)
    if unknown:
        raise InputError(
            f"There is no reading named {sorted(unknown)[0][:20]!r}.",
            code="bad-option",
            hint=f"Known are {', '.join(READINGS)}.",
        )
    vector: list[float] = []
    for name, levels in READINGS.items():
        level = readings.get(name)
        if level is not None and (isinstance(level, bool) or level not in range(levels)):
            raise _impossible(f"reading {name}", level, f"0 to {levels - 1}", "")
        place = levels if level is None else int(level)
        vector += [1 / len(READINGS) if k == place else 0.0 for k in range(levels + 1)]
    return tuple(vector)


def _uniform(size: int) -> tuple[float, ...]:
    return (1 / size,) * size


def _spread(value: float, centres: Sequence[float]) -> tuple[float, ...]:
    value = min(max(value, centres[0]), centres[-1])
    shares = [0.0] * len(centres)
    above = next(k for k, centre in enumerate(centres) if value <= centre)
    if not above:
        shares[0] = 1.0
        return tuple(shares)
    share = (value - centres[above - 1]) / (centres[above] - centres[above - 1])
    shares[above - 1], shares[above] = 1 - share, share
    return tuple(shares)


def _number(name: str, value: Any, limits: tuple[float, float], unit: str) -> float:
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    if not limits[0] <= number <= limits[1]:
        raise _impossible(name, value, f"{limits[0]:g} to {limits[1]:g} {unit}", name)
    return float(number)


def _impossible(name: str, value: Any, allowed: str, field: str) -> InputError:
    return InputError(f"The {name} cannot be {value!r:.40}.", code="bad-option", hint=f"Give {allowed}.", field=field)


def _one_hot_grade(grade: Any) -> tuple[float, ...]:
    from .koa_probabilities import KoaProbabilities

    return KoaProbabilities.reader(grade).values


def _given(value: Any) -> tuple[float, ...]:
    return tuple(float(share) for share in value)


_READ_SIZE = sum(levels + 1 for levels in READINGS.values())
REGISTRY: dict[str, Condition] = {
    one.name: one
    for one in (
        Condition("p", 5, "Kellgren-Lawrence grade", "classifier, reader or user", _uniform(5), _one_hot_grade),
        Condition("i", 64, "grey-level distribution of the radiograph", "the radiograph", _uniform(64), _given),
        Condition("age", len(AGE_CENTRES), "age in years", "user", _uniform(len(AGE_CENTRES)), encode_age),
        Condition("sex", len(SEXES), "sex, woman or man", "user", _uniform(len(SEXES)), encode_sex),
        Condition("bmi", len(BMI_CENTRES), "body mass index in kg per square metre", "user",
                  _uniform(len(BMI_CENTRES)), encode_bmi),
        Condition("r", _READ_SIZE, "readings of radiographic features", "reader", encode_readings({}), encode_readings),
    )
}  # fmt: skip
