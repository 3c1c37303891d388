"""Means of a population of real radiographs against the simulator's outlines, fitted once and shipped.

How it was fitted is told in docs/simulator-realism.md; no real radiograph can be restored from these few numbers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...files.resources import resource_path

POPULATION = "anatomy/radiograph_population/population.json"


@dataclass(frozen=True)
class RadiographPopulation:
    """What was fitted to real radiographs.

    Attributes
    ----------
    towards_mm
        {outline: float32 [2, N, N]}, displacement (z, x) in mm at control points, rows from superior to inferior,
        columns from lateral to medial; it leads from the knee to its outline.
    log_mineral
        {"femur", "tibia": float32 [rows, columns]; "patella": float32 [1, 1]}, natural logarithm of a factor of the
        mineral, see ``radiograph.regional_mineral``.
    """

    towards_mm: dict[str, np.ndarray]
    log_mineral: dict[str, np.ndarray]


@lru_cache(maxsize=1)
def radiograph_population() -> RadiographPopulation:
    """The population that ships."""
    found = json.loads(resource_path(POPULATION).read_text(encoding="utf-8"))

    def arrays(part: dict[str, list]) -> dict[str, np.ndarray]:
        return {name: np.array(values, np.float32) for name, values in part.items()}

    return RadiographPopulation(arrays(found["towards_mm"]), arrays(found["log_mineral"]))
