"""Volumes of many radiographs: one queue, several workers, a manifest that survives every interruption.

    from Xray2MRILib.cohort import run_cohort

    result = run_cohort("radiographs.csv", "volumes", GenerationSettings(slices=50, steps=20))

Importing this package loads no heavy libraries.
"""

from __future__ import annotations

import importlib
from typing import Any

_LAZY = {"run_cohort": ".run", "CohortResult": ".run", "CohortPlan": ".plan"}

__all__ = ["CohortPlan", "CohortResult", "run_cohort"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
