"""Train the morphing model on random pairs of radiographs: a healthy knee and another person's severely affected
knee."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ..baselines.morphing import SIZE, STEPS, MorphingModel, local_correlation, morphing_loss, warp
from ..errors import InputError
from ..files.json_files import write_json
from .data.graded_radiographs import data_folder, from_bytes, load_graded_radiographs
from .log import TrainingLog
from .loop import EmaTrainer, LoopSettings, step_generator
from .recipes.morphing import MorphingRecipe
from .run_setup import prepare_run

HEALTHY, SEVERE = 0, 4  # Kellgren-Lawrence grades of a pair


def train(recipe: MorphingRecipe | Mapping[str, Any], output: Path, resume: bool = False) -> dict[str, Any]:
    """Train by a recipe (``recipes/morphing.py``) and write the weights folder ``output``/model.

    Returns, and writes as metrics.json, over pairs of the validation split: the local correlation with the severe
    radiograph of the healthy radiograph itself (``correlation_before``), deformed with the pair's own code
    (``correlation_own_code``) and with the mean code (``correlation_mean_code``). A run that ``minutes`` ended returns
    {"step", "steps"}. Raises InputError on an unusable recipe, data or checkpoint.
    """
    recipe = MorphingRecipe.from_json(recipe)
    folder = data_folder(recipe.data)
    device = prepare_run(output, seed=recipe.seed, threads=recipe.threads, device=recipe.device)
    healthy, severe = radiographs_of_two_grades(folder, "train", recipe.limit)
    print(f"{len(healthy)} radiographs of KL-{HEALTHY}, {len(severe)} of KL-{SEVERE} on {device}", flush=True)
    model = MorphingModel().to(device)
    settings = LoopSettings.of(
        recipe, warm_up_steps=None, weight_decay=0.0, keep="last", precision="float32", clip=10.0
    )
    trainer = EmaTrainer(model, settings, output, resume=resume)
    with TrainingLog(output, recipe.log_every, recipe.steps) as log:
        for step in trainer.steps():
            generator = step_generator(recipe.seed, step)
            one, other = (
                radiographs[torch.randint(len(radiographs), (recipe.batch_size,), generator=generator)].to(device)
                for radiographs in (healthy, severe)
            )
            noise = torch.randn(other.shape, generator=generator).to(device)
            t = torch.randint(STEPS, (len(other),), generator=generator).to(device)
            loss = morphing_loss(model, one, other, noise, t, recipe.morphing_weight)
            trainer.step(loss)
            log.loss(step + 1, loss)
            if trainer.save_due:
                trainer.save()
    if not trainer.finished:
        return trainer.report_stop()
    trainer.load_best()
    model.eval()
    model.mean_code.copy_(mean_code(model, healthy, severe, recipe.code_pairs, device))
    metrics = measure_correlation(model, *radiographs_of_two_grades(folder, "val", recipe.limit), device)
    model.save_pretrained(output / "model")
    write_json(output / "metrics.json", {"metrics": metrics, "recipe": recipe.to_json(without=("data",))})
    print(json.dumps(metrics), flush=True)
    return metrics


def radiographs_of_two_grades(folder: Path, split: str, limit: int = 0) -> tuple[Tensor, Tensor]:
    """Radiographs [N, 1, 128, 128] in [-1, 1] of KL-0 and of KL-4, in right-knee space.

    Raises InputError when the split has none of one grade.
    """
    radiographs = load_graded_radiographs(folder, split, right_knee_space=True, limit=limit)
    found = []
    for grade in (HEALTHY, SEVERE):
        images = from_bytes(radiographs.images[radiographs.grades == grade])
        if not len(images):
            raise InputError(
                f"The split {split} of {folder.name} has no radiograph of KL-{grade}.",
                code="bad-training-data",
                hint=f"It needs radiographs of KL-{HEALTHY} and of KL-{SEVERE}.",
                field="data",
            )
        found.append(functional.interpolate(images, (SIZE, SIZE), mode="bilinear", antialias=True))
    return found[0], found[1]


@torch.no_grad()
def mean_code(model: MorphingModel, healthy: Tensor, severe: Tensor, pairs: int, device: torch.device) -> Tensor:
    """Mean [1, 1, 128, 128] over random pairs of the code of the severe radiograph without noise, at the first step."""
    generator = torch.Generator().manual_seed(0)
    total = torch.zeros(1, 1, SIZE, SIZE, device=device)
    for _ in range(pairs):
        one, other = (f[torch.randint(len(f), (1,), generator=generator)].to(device) for f in (healthy, severe))
        total += model.code(one, other, other, 0)
    return total / pairs


@torch.no_grad()
def measure_correlation(
    model: MorphingModel, healthy: Tensor, severe: Tensor, device: torch.device, pairs: int = 50
) -> dict[str, float]:
    """Local correlation with the severe radiograph before and after deformation, over random held-out pairs."""
    generator = torch.Generator().manual_seed(1)
    rows = []
    for _ in range(pairs):
        one, other = (f[torch.randint(len(f), (1,), generator=generator)].to(device) for f in (healthy, severe))
        codes = (model.code(one, other, other, 0), model.mean_code)
        deformed = [one, *(warp(one, model.displacement(one, code)) for code in codes)]
        rows.append([float(local_correlation((radiograph + 1) / 2, (other + 1) / 2)) for radiograph in deformed])
    before, own, mean = torch.tensor(rows).mean(dim=0).tolist()
    return {
        "correlation_before": round(before, 4),
        "correlation_own_code": round(own, 4),
        "correlation_mean_code": round(mean, 4),
    }
