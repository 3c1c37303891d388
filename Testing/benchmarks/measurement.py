"""What is measured with, and what a measurement says."""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from Xray2MRILib.generation.pipeline import Xray2MRIPipeline
    from Xray2MRILib.preparation.joint_crop import PreparedRadiograph

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Measurement:
    """One line of the table; ``wanted`` is the aim, empty when there is none."""

    what: str
    result: str
    wanted: str = ""


@dataclass
class Bench:
    """The radiograph, the model and the sizes that all measurements use."""

    radiograph: Path
    model: str
    device: str
    slices: int
    steps: int

    @cached_property
    def pipeline(self) -> Xray2MRIPipeline:
        """The model, loaded once and warmed up."""
        from Xray2MRILib.generation.pipeline import Xray2MRIPipeline

        pipeline = Xray2MRIPipeline.from_pretrained(self.model, device=self.device)
        pipeline(self.picture, num_slices=2, num_inference_steps=1)
        return pipeline

    @cached_property
    def picture(self) -> PreparedRadiograph:
        """The prepared radiograph."""
        from Xray2MRILib.generation.prepared_knee import prepare_knee
        from Xray2MRILib.generation.settings import GenerationSettings
        from Xray2MRILib.radiograph.reading import read_radiograph

        return prepare_knee(read_radiograph(self.radiograph), GenerationSettings()).prepared

    @cached_property
    def folder(self) -> Path:
        """A folder for results, removed at the end."""
        self._folder = tempfile.TemporaryDirectory()
        return Path(self._folder.name)

    def command(self, *arguments: str) -> list[str]:
        """The command line of ``xray2mri`` from this checkout."""
        return [sys.executable, "-m", "Xray2MRILib", *arguments]

    def generate_command(self, name: str, slices: int, steps: int) -> list[str]:
        """``xray2mri generate`` with the radiograph, model and device of the bench."""
        return self.command(
            "generate", str(self.radiograph), "-o", str(self.folder / name), "--slices", str(slices),
            "--steps", str(steps), "--model", self.model, "--device", self.device,
        )  # fmt: skip

    @property
    def environment(self) -> dict[str, str]:
        """Environment of child processes that run this checkout."""
        return {**os.environ, "PYTHONPATH": str(ROOT)}
