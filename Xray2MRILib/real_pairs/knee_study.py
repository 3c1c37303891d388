"""One knee at one visit: which files show it, and what is known of the person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SIDES = ("right", "left")


@dataclass(frozen=True)
class KneeStudy:
    """A radiograph and an MR series of one knee.

    Attributes
    ----------
    participant, visit
        As the archive names them; they identify a person and never leave the private folder.
    side
        "right" or "left".
    radiograph, series
        The radiograph's file, and the folder of the MR series' DICOM files (or a folder of such folders).
    kl_grade
        Reader's Kellgren-Lawrence grade 0 to 4; None when unknown.
    box
        The knee's rectangle on the radiograph (x, y, width, height) in pixels; None leaves it to the detector.
    person
        What is known of ``age`` (years), ``sex`` ("woman" or "man"), ``bmi`` (kg per square metre) and of the readings
        of the radiograph, by the names of ``conditions.registry``; unknown ones are absent.
    """

    participant: str
    visit: str
    side: str
    radiograph: Path
    series: Path
    kl_grade: int | None = None
    box: tuple[float, float, float, float] | None = None
    person: Mapping[str, Any] = field(default_factory=dict)

    @property
    def identity(self) -> tuple[str, str, str]:
        """Participant, visit and side: no two studies of a cohort share them."""
        return self.participant, self.visit, self.side


@dataclass(frozen=True)
class LeftOut:
    """A knee of the archive that cannot even be tried: who, and one sentence why."""

    participant: str
    visit: str
    side: str
    reason: str
