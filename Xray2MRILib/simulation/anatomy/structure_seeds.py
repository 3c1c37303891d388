"""Where muscles, vessels and nerves lie in a scan: lines of points that somebody read off its sections."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import InputError

SEEDS = "structure_seeds.json"


@dataclass
class StructureSeeds:
    """Lines of points [N, 3] (y, z, x): in mm from the plateau voxel of the scan, or about the joint centre.

    Attributes
    ----------
    muscles
        {muscle: lines inside it}.
    lines
        {vessel or nerve: (radius in mm, its centre line)}.
    """

    muscles: dict[str, list[np.ndarray]]
    lines: dict[str, tuple[float, np.ndarray]]

    def moved(self, turn: np.ndarray, offset_mm: np.ndarray) -> StructureSeeds:
        """The same seeds in the template's axes: ``(point - offset) @ turn``."""

        def to_template(line: np.ndarray) -> np.ndarray:
            return (line - offset_mm) @ turn

        return StructureSeeds(
            {name: [to_template(line) for line in lines] for name, lines in self.muscles.items()},
            {name: (radius, to_template(line)) for name, (radius, line) in self.lines.items()},
        )


def read_seeds(folder: Path) -> StructureSeeds | None:
    """The seeds in ``folder``, None where it has none. Raises InputError for a file that is no such list of points."""
    path = folder / SEEDS
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        muscles = {str(n): [_line(points) for points in lines] for n, lines in found["muscles"].items()}
        lines = {str(n): (float(v["radius_mm"]), _line(v["points_mm"])) for n, v in found["lines"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"The file {SEEDS} in {folder.name} is no list of structures.",
            code="bad-tissue-maps",
            hint="It needs muscles (lines of points) and lines (radius_mm, points_mm), see docs/image-templates.md.",
        ) from error
    return StructureSeeds(muscles, lines)


def _line(points: list) -> np.ndarray:
    line = np.asarray(points, float)
    if line.ndim != 2 or line.shape[1] != 3 or len(line) < 2:
        raise ValueError("a line is at least two points of three numbers")
    return line
