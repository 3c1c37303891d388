"""Train a whole model with one command: simulate pairs, then autoencoder, U-Net with radiograph encoder, and student.

Pairs are simulated by processes of their own, which go on while the autoencoder learns from the first of them. Every
stage is a training of its own folder, so a run that ``minutes`` ended, or that was killed, resumes where it was.

```
pairs/, held-out/       as the recipe names them
OUTPUT/autoencoder/     training/autoencoder.py
OUTPUT/diffusion/       training/diffusion.py, with the model folder ``model``
OUTPUT/student/         training/distillation.py, with a model folder for every round
OUTPUT/whole_model.json how many pairs each stage began with
```
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from ..device import begin_worker
from ..errors import InputError, ProcessingError
from ..files.json_files import write_json
from ..simulation.pairs.pair_store import pair_path
from ..simulation.pairs.population import HELD_OUT_OFFSET, simulate_population
from .recipe_files import chosen_recipe
from .recipes.whole_model import WholeModelRecipe

STATE = "whole_model.json"
_LOOK_EVERY_S = 0.5


def train(recipe: WholeModelRecipe | Mapping[str, Any], output: Path, resume: bool = False) -> dict[str, Any]:
    """Train by a recipe; returns the metrics of the stages, {"autoencoder", "diffusion", "distillation"}.

    A run that ``minutes`` ended returns {"stage", "step", "steps"}. Raises InputError for an unusable recipe, and
    ProcessingError when no pairs can be simulated.
    """
    recipe = WholeModelRecipe.from_json(recipe)
    stages = _stage_recipes(recipe, output)
    output.mkdir(parents=True, exist_ok=True)
    state_file = output / STATE
    if not resume:
        state_file.unlink(missing_ok=True)
    state: dict[str, Any] = (
        json.loads(state_file.read_text(encoding="utf-8")) if state_file.exists() else {"knees": {}, "metrics": {}}
    )
    ends = math.inf if recipe.minutes is None else time.monotonic() + 60 * recipe.minutes
    simulated = state["knees"].get("diffusion") is not None
    with _simulation(recipe, wanted=not simulated) as pairs:
        for name, stage in stages.items():
            if name in state["metrics"]:
                continue
            if name != "autoencoder":
                pairs.stop()  # the processors are needed to encode what there is
            knees = state["knees"].get(name)
            if knees is None:
                knees = pairs.wait(recipe.first_knees, ends)
                if knees is None:
                    return {"stage": "simulation", "step": pairs.count(), "steps": recipe.first_knees}
                state["knees"][name] = knees
                write_json(state_file, state)
            left = None if math.isinf(ends) else max(ends - time.monotonic(), 1.0) / 60
            metrics = _run(name, stage | {"knees": knees, "minutes": left}, output / _FOLDERS[name], resume)
            if "steps" in metrics:
                return {"stage": name, **metrics}
            state["metrics"][name] = metrics
            write_json(state_file, state)
            print(f"{name}: {json.dumps(metrics)}", flush=True)
    return state["metrics"]


_FOLDERS = {"autoencoder": "autoencoder", "diffusion": "diffusion", "distillation": "student"}


def _stage_recipes(recipe: WholeModelRecipe, output: Path) -> dict[str, dict[str, Any]]:
    """The recipe of every stage. Raises InputError (code ``bad-recipe``) for an entry that a stage does not know."""
    common = {"data": recipe.pairs, "held_out": recipe.held_out, "seed": recipe.seed}
    stages: dict[str, dict[str, Any]] = {}
    for name in _FOLDERS:
        changes = getattr(recipe, name)
        if changes is None:
            continue
        values = chosen_recipe(name, recipe.parts)
        unknown = sorted(set(changes) - set(values))
        if unknown:
            raise InputError(
                f"The entry {name} of the recipe has an entry {unknown[0][:60]!r}, which {name} does not know.",
                code="bad-recipe",
                hint=f"It knows {', '.join(values)}.",
                field=name,
            )
        stages[name] = values | dict(changes) | common
    stages["diffusion"]["autoencoder"] = str(output / "autoencoder" / "autoencoder")
    if "distillation" in stages:
        stages["distillation"] |= {
            "teacher": str(output / "diffusion" / "model"),
            "autoencoder": stages["diffusion"]["autoencoder"],
            "latents": stages["diffusion"]["latents"] or str(output / "diffusion"),
            # the same knees, encoded once
            **{n: stages["diffusion"][n] for n in ("variants", "bend_mm", "exposures", "unreadable_share")},
        }
    return stages


def _run(name: str, values: dict[str, Any], folder: Path, resume: bool) -> dict[str, Any]:
    if name == "autoencoder":
        from .autoencoder import train as train_autoencoder

        return train_autoencoder(values, folder, resume)
    if name == "diffusion":
        from .diffusion import train as train_diffusion

        return train_diffusion(values, folder, resume)
    from .distillation import train as train_student

    return train_student(values, folder, resume)


class Simulation:
    """The pairs of a recipe, and the processes that make them."""

    def __init__(self, recipe: WholeModelRecipe, processes: list[BaseProcess]) -> None:
        self._recipe, self._processes = recipe, processes

    def count(self) -> int:
        """How many pairs there are without a gap from the first on; later ones may exist."""
        return _count(Path(self._recipe.pairs), self._recipe.knees)

    def wait(self, knees: int, ends: float) -> int | None:
        """The number of pairs when it is at least ``knees``, and the held-out ones are there; None when time is over.

        Raises ProcessingError when the processes have ended without them.
        """
        held_out = Path(self._recipe.held_out)
        wanted = min(knees, self._recipe.knees)
        while self.count() < wanted or _count(held_out, self._recipe.held_out_knees) < self._recipe.held_out_knees:
            if time.monotonic() >= ends:
                return None
            if not any(process.is_alive() for process in self._processes):
                if self.count() >= wanted and _count(held_out, self._recipe.held_out_knees):
                    break
                raise ProcessingError(
                    "The simulation of the pairs ended early.",
                    code="simulation-failed",
                    hint="Simulate pairs into their folder alone to see why.",
                )
            time.sleep(_LOOK_EVERY_S)
        return self.count()

    def stop(self) -> None:
        """End the processes; a pair that is not complete leaves no file."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join()


@contextmanager
def _simulation(recipe: WholeModelRecipe, wanted: bool) -> Iterator[Simulation]:
    """Processes that simulate the missing pairs, the held-out ones first."""
    processes: list[BaseProcess] = []
    for folder, count, seed in (
        (recipe.held_out, recipe.held_out_knees, HELD_OUT_OFFSET),
        (recipe.pairs, recipe.knees, recipe.seed),
    ):
        if not wanted or _count(Path(folder), count) == count:
            continue
        stride = min(recipe.simulators, count)
        for first in range(stride):
            share = (Path(folder), count, seed, first, stride)
            process = get_context("spawn").Process(target=_simulate, args=share, daemon=True)
            process.start()
            processes.append(process)
    simulation = Simulation(recipe, processes)
    try:
        yield simulation
    finally:
        simulation.stop()


def _simulate(folder: Path, count: int, seed: int, first: int, stride: int) -> None:
    """One process's share of the pairs."""
    begin_worker()
    simulate_population(folder, count, seed=seed, first=first, stride=stride)


def _count(folder: Path, largest: int) -> int:
    return next((k for k in range(largest) if not pair_path(folder, k).exists()), largest)
