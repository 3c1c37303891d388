"""The plan of a benchmark and where its results lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..volume.geometry import OAI_FIELD
from .held_out import select_files


@dataclass(frozen=True)
class BenchmarkPlan:
    """The methods, the knees and the settings of a benchmark.

    Attributes
    ----------
    models
        Title -> model folder or shipped name, in the order of the table; the first is tested against the others.
    pairs, training
        Held-out pairs, and training pairs for the control "training mean" (None leaves it out).
    output
        Folder of all results; a folder with the results of another plan is refused.
    knees, slices, steps, seed, grades, device
        As in held_out and GenerationSettings; ``knees`` None takes all.
    densities, density_knees
        Numbers of slices in the correlation curve, and number of knees for it.
    specificity_knees
        Number of knees for which every volume is compared with every reference.
    """

    models: dict[str, str]
    pairs: Path
    output: Path
    training: Path | None = None
    knees: int | None = None
    slices: int = OAI_FIELD.num_slices
    steps: int = 20
    seed: int = 0
    grades: str = "truth"
    device: str = "auto"
    densities: tuple[int, ...] = (30, 50, 100, 200, 300, 400, 500)
    density_knees: int = 2
    specificity_knees: int = 12

    def signature(self) -> dict[str, Any]:
        """The settings that two runs must have in common to share results."""
        return {"slices": self.slices, "steps": self.steps, "seed": self.seed, "grades": self.grades,
                "pairs": [path.name for path in select_files(self.pairs, self.knees)]}  # fmt: skip


def method_folder(plan: BenchmarkPlan, title: str) -> Path:
    """The folder of a method's volumes, named after its title."""
    return plan.output / "volumes" / "".join(c if c.isalnum() else "-" for c in title.lower())


def volume_file(plan: BenchmarkPlan, title: str, knee: str) -> Path:
    """Path of a method's volume of a knee: uint8 [S, 256, 256], posterior slice first."""
    return method_folder(plan, title) / f"{knee}.npz"


def correlation_file(plan: BenchmarkPlan, title: str, knee: str, density: int) -> Path:
    """The file with the adjacent-slice correlation of a method's volume of ``density`` slices."""
    return plan.output / "correlation" / method_folder(plan, title).name / f"{knee}-{density}.json"
