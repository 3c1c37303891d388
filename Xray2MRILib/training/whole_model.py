"""Train a whole model with one command: simulate pairs, then autoencoder, U-Net with radiograph encoder, and student.

Pairs are simulated by processes of their own, which go on while the autoencoder learns from the first of them. With
``growing`` they go on until the diffusion model is trained, and both networks take the new pairs in. Every stage is a
training of its own folder, so a run that ``minutes`` ended, or that was killed, resumes where it was.

```
pairs/, held-out/       as the recipe names them
OUTPUT/autoencoder/     training/autoencoder.py
OUTPUT/diffusion/       training/diffusion.py, with the model folder ``model``
OUTPUT/student/         training/distillation.py, with a model folder for every round
OUTPUT/whole_model.json how many pairs each stage began with
```
"""

from __future__ import annotations

import importlib
import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from typing import Any

from ..device import begin_worker, choose_device
from ..errors import InputError, ProcessingError
from ..files.json_files import write_json
from ..simulation.pairs.device_population import simulate_on_device
from ..simulation.pairs.pair_store import pair_files, pair_path
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
    with _simulation(recipe, wanted=_are_pairs_wanted(recipe, state)) as pairs:
        for name, stage in stages.items():
            if name in state["metrics"]:
                continue
            if name == "distillation" or (name == "diffusion" and not recipe.growing):
                pairs.stop()  # the processors are needed to encode what there is
            _import(name)  # some seconds, while pairs are simulated
            knees = state["knees"].get(name)
            if knees is None:
                knees = pairs.wait(recipe.first_knees, ends)
                if knees is None:
                    return {"stage": "simulation", "step": pairs.count(), "steps": recipe.first_knees}
                state["knees"][name] = knees
                write_json(state_file, state)
            pairs.leave_device()
            if recipe.growing:
                knees = recipe.knees
            left = None if math.isinf(ends) else max(ends - time.monotonic(), 1.0) / 60
            metrics = _run(name, stage | {"knees": knees, "minutes": left}, output / _FOLDERS[name], resume)
            if "steps" in metrics:
                return {"stage": name, **metrics}
            state["metrics"][name] = metrics
            write_json(state_file, state)
            print(f"{name}: {json.dumps(metrics)}", flush=True)
    return state["metrics"]


_FOLDERS = {"autoencoder": "autoencoder", "diffusion": "diffusion", "distillation": "student"}
_MODULES = {name: f"{__package__}.{name}" for name in _FOLDERS}


def _are_pairs_wanted(recipe: WholeModelRecipe, state: Mapping[str, Any]) -> bool:
    """Whether a stage that is not done takes new pairs."""
    if recipe.growing:
        return "diffusion" not in state["metrics"]
    return state["knees"].get("diffusion") is None


def _stage_recipes(recipe: WholeModelRecipe, output: Path) -> dict[str, dict[str, Any]]:
    """The recipe of every stage. Raises InputError (code ``bad-recipe``) for an entry that a stage does not know."""
    common: dict[str, Any] = {"data": recipe.pairs, "held_out": recipe.held_out, "seed": recipe.seed}
    if recipe.growing:
        common["growing"] = True
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


def _import(name: str) -> ModuleType:
    return importlib.import_module(_MODULES[name])


def _run(name: str, values: dict[str, Any], folder: Path, resume: bool) -> dict[str, Any]:
    return _import(name).train(values, folder, resume)


class Simulation:
    """The pairs of a recipe, and the processes that make them, one of them maybe on a device."""

    def __init__(self, recipe: WholeModelRecipe, processes: list[BaseProcess], on_device: BaseProcess | None) -> None:
        self._recipe, self._processes, self._on_device = recipe, processes, on_device

    def count(self) -> int:
        """How many pairs there are; not all of those below the last one need exist."""
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

    def leave_device(self) -> None:
        """End the process on the device, which a training needs from now on."""
        if self._on_device is not None:
            _end([self._on_device])
            self._on_device = None

    def stop(self) -> None:
        """End all processes; a pair that is not complete leaves no file."""
        self.leave_device()
        _end(self._processes)


def _end(processes: list[BaseProcess]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        process.join()


@contextmanager
def _simulation(recipe: WholeModelRecipe, wanted: bool) -> Iterator[Simulation]:
    """Processes that simulate the missing pairs, the held-out ones first."""
    pairs = (Path(recipe.pairs), recipe.knees, recipe.seed)
    every = {pairs[0]: recipe.regraded_every}
    missing = [
        part
        for part in ((Path(recipe.held_out), recipe.held_out_knees, HELD_OUT_OFFSET), pairs)
        if wanted and _count(part[0], part[1]) < part[1]
    ]
    processes: list[BaseProcess] = []
    on_device = None
    context = get_context("spawn")  # a forked process could not use a GPU
    if missing:
        stride = min(recipe.simulators, max(count for _, count, _ in missing))
        processes = [
            context.Process(target=_simulate, args=(missing, first, stride, every), daemon=True)
            for first in range(stride)
        ]
    if pairs in missing and recipe.simulate_device is not None and _count(pairs[0], pairs[1]) < recipe.first_knees:
        on_device = context.Process(target=_simulate_on_device, args=(*pairs, recipe.simulate_device), daemon=True)
        on_device.start()  # it takes longest to begin
    for process in processes:
        process.start()
    simulation = Simulation(recipe, processes, on_device)
    try:
        yield simulation
    finally:
        simulation.stop()


def _simulate(parts: list[tuple[Path, int, int]], first: int, stride: int, regraded: dict[Path, int]) -> None:
    """One process's share of the pairs; ``regraded``: of which folders every how many are made at a second grade."""
    begin_worker()
    if hasattr(os, "nice"):
        os.nice(10)  # whoever feeds a GPU comes first
    for folder, count, seed in parts:
        simulate_population(
            folder, count, seed=seed, first=first, stride=stride, regraded_every=regraded.get(folder, 0)
        )


def _simulate_on_device(folder: Path, count: int, seed: int, device: str) -> None:
    """The work of the process on a device."""
    begin_worker()
    report_on_device(folder, count, seed, device)


def report_on_device(folder: Path, count: int, seed: int, device: str) -> None:
    """Pairs on a device, as many as there is time for. If it fails, it says so, and the others make all pairs."""
    try:
        simulate_on_device(folder, count, choose_device(device), seed=seed)
    except Exception as error:  # whatever a device raises
        print(f"No pairs are simulated on {device}: {(str(error) or type(error).__name__).splitlines()[0]}", flush=True)


def _count(folder: Path, largest: int) -> int:
    """How many of the pairs 0 to ``largest`` - 1 exist."""
    there = {path.name for path in pair_files(folder)}
    return sum(pair_path(folder, k).name in there for k in range(largest))
