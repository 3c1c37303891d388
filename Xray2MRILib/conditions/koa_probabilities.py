"""Condition p of the paper: five probabilities of the Kellgren-Lawrence grades of one knee, with their source (A9)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import InputError

GRADES = 5
GRADE_NAMES = ("no osteoarthritis", "doubtful", "minimal", "moderate", "severe")  # Kellgren-Lawrence 0 to 4
SOURCES = ("classifier", "reader", "given", "uniform")
_SUM_TOLERANCE = 0.02  # probabilities with two decimals may deviate from a sum of 1 by this much; they are rescaled


@dataclass(frozen=True)
class KoaProbabilities:
    """Probabilities of KL-0 to KL-4, summing to 1, and their source.

    Attributes
    ----------
    values
        Five numbers in [0, 1]. Sums within 0.02 of 1 are rescaled.
    source
        ``classifier``, ``reader``, ``given`` or ``uniform``.

    Raises InputError (code ``bad-probabilities``) for other values or sources.
    """

    values: tuple[float, ...]
    source: str

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise _bad(f"The source of grade probabilities cannot be {self.source!r}")
        try:
            values = tuple(float(value) for value in self.values)
        except (TypeError, ValueError) as error:
            raise _bad("The grade probabilities are not numbers") from error
        if len(values) != GRADES:
            raise _bad(f"There are {len(values)} grade probabilities instead of {GRADES}")
        if not all(math.isfinite(value) and value >= 0 for value in values):
            raise _bad("A grade probability is negative or not a finite number")
        total = sum(values)
        if abs(total - 1) > _SUM_TOLERANCE:
            raise _bad(f"The grade probabilities add up to {total:.3g} instead of 1")
        object.__setattr__(self, "values", tuple(value / total for value in values))

    @classmethod
    def reader(cls, grade: int, smear: float = 0.0) -> KoaProbabilities:
        """A reader's grade 0 to 4 as one-hot probabilities.

        ``smear`` in [0, 1) is the share of the existing neighbouring grades, split evenly between them.
        """
        if isinstance(grade, bool) or grade not in range(GRADES):
            raise _bad(f"The Kellgren-Lawrence grade cannot be {grade!r}", "kl_grade")
        if not 0 <= smear < 1:
            raise _bad(f"The smear of a grade cannot be {smear!r}: it must be at least 0 and below 1", "kl_grade")
        grade = int(grade)
        neighbours = [other for other in (grade - 1, grade + 1) if 0 <= other < GRADES]
        values = [0.0] * GRADES
        values[grade] = 1.0 - smear
        for other in neighbours:
            values[other] = smear / len(neighbours)
        return cls(tuple(values), "reader")

    @classmethod
    def given(cls, values: Sequence[float]) -> KoaProbabilities:
        """Five probabilities from the caller."""
        return cls(tuple(values), "given")

    @classmethod
    def uniform(cls) -> KoaProbabilities:
        """No knowledge of the grade: 0.2 each."""
        return cls((1 / GRADES,) * GRADES, "uniform")

    @property
    def grade(self) -> int:
        """The most probable grade; the lowest one if several are equal."""
        return self.values.index(max(self.values))


def _bad(fault: str, field: str = "kl") -> InputError:
    return InputError(
        f"{fault}.",
        code="bad-probabilities",
        hint="Give five probabilities for the grades 0 to 4 that add up to 1, or one grade from 0 to 4.",
        field=field,
    )
