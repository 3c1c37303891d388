"""Train the five-grade Kellgren-Lawrence classifier on joint crops (A9) and measure its agreement with the readers.

Every epoch draws its order and its augmentation from (seed, epoch), so that a resumed run equals an uninterrupted one.
Of the averaged weights (EMA), those of the best epoch on the validation split are kept. Their temperature is fitted
there, and the test split is measured once, at the end. The recipe is in ``recipes/classifier.py``.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ..conditions.koa_classifier import KneeGradeNetwork, grade_probabilities
from ..conditions.koa_probabilities import GRADES
from ..files.json_files import write_json
from .data.augmentation import vary_appearance, vary_pose
from .data.graded_radiographs import (
    GradedRadiographs,
    data_folder,
    from_bytes,
    load_graded_radiographs,
    load_localised_radiographs,
)
from .grade_agreement import grade_agreement
from .loop import EmaTrainer, LoopSettings, learning_rate_factor
from .precision import autocast
from .recipes.classifier import ClassifierRecipe, Cycle
from .run_setup import prepare_run, steps_per_epoch


def ordinal_loss(logits: torch.Tensor, grades: torch.Tensor, *, smoothing: float, emd_weight: float) -> torch.Tensor:
    """Cross-entropy with targets smoothed to the neighbouring grades, plus the squared earth mover's distance.

    ``smoothing`` is the weight of a neighbour relative to the grade itself (0 gives one-hot targets); the second term
    compares cumulative probabilities (Hou et al. 2016), so that an error of two grades costs more than one of one.
    """
    steps = (torch.arange(GRADES) - grades[:, None]).abs().float()
    target = torch.where(steps == 0, 1.0, smoothing**steps if smoothing else torch.zeros(()))
    target = target / target.sum(dim=1, keepdim=True)
    log_probabilities = functional.log_softmax(logits.float(), dim=1)
    cross_entropy = -(target * log_probabilities).sum(dim=1).mean()
    distance = log_probabilities.exp().cumsum(dim=1) - target.cumsum(dim=1)
    return cross_entropy + emd_weight * distance.square().sum(dim=1).mean()


def train(recipe: ClassifierRecipe | Mapping[str, Any], output: Path, resume: bool = False) -> dict[str, Any]:
    """Train by a recipe and write the weights folder ``output``/model.

    Parameters
    ----------
    recipe
        See ``recipes/classifier.py``.
    output
        Folder for checkpoint.safetensors, the weights folders ``best`` (uncalibrated) and ``model``, metrics.json.
    resume
        Continue from ``output``/checkpoint.safetensors when it exists.

    Returns the metrics that metrics.json holds. Raises InputError on an unusable recipe, data or checkpoint.
    """
    recipe = ClassifierRecipe.from_json(recipe)
    data = data_folder(recipe.data)
    device = prepare_run(output, seed=recipe.seed, threads=recipe.threads)
    splits = {
        split: load_graded_radiographs(data, split, right_knee_space=True, limit=recipe.limit)
        for split in ("train", "val", "test")
    }
    print(", ".join(f"{len(split)} {name}" for name, split in splits.items()), "crops", flush=True)
    radiographs, batch = splits["train"], recipe.batch_size
    per_epoch = steps_per_epoch(len(radiographs), batch)
    epochs = sum(cycle.epochs for cycle in recipe.cycles)

    network = KneeGradeNetwork(**recipe.network.to_json()).to(memory_format=torch.channels_last)
    settings = LoopSettings.of(
        recipe, steps=epochs * per_epoch, learning_rate=recipe.cycles[0].learning_rate, minutes=None, keep="last",
        save_every=recipe.validate_every * per_epoch, clip=5.0, ema_warm_up="ratio",
    )  # fmt: skip
    groups = _weight_groups(network, recipe.weight_decay)
    trainer = EmaTrainer(network, settings, output, resume=resume, parameter_groups=groups)
    probe = torch.zeros(8, 1, recipe.network.size, recipe.network.size)
    precision = trainer.precision(lambda: copy.deepcopy(network)(probe))
    progress = trainer.progress = {"epoch": 0, "best_score": -math.inf, "best_epoch": 0} | trainer.progress
    progress["step"] = progress["epoch"] * per_epoch  # checkpoints are written between epochs
    for step in trainer.steps():
        epoch, place = divmod(step, per_epoch)
        if place == 0:
            started, losses = time.monotonic(), []
            generator = torch.Generator().manual_seed(recipe.seed * 100_003 + epoch)
            torch.manual_seed(recipe.seed * 100_003 + epoch)  # dropout draws from the global generator
            order = torch.randperm(len(radiographs), generator=generator)
            network.train()
        chosen = order[place * batch : (place + 1) * batch]
        images = _augment(radiographs, chosen, recipe, generator)
        with autocast(device, precision):
            logits = network(images)
        loss = ordinal_loss(
            logits, radiographs.grades[chosen], smoothing=recipe.smoothing, emd_weight=recipe.emd_weight
        )
        trainer.step(loss, rate=learning_rate(recipe.cycles, epoch, place, per_epoch, recipe.warm_up_steps))
        losses.append(loss.item())
        if place + 1 < per_epoch:
            continue
        progress["epoch"] = epoch + 1
        line = f"epoch {epoch + 1}/{epochs} loss {np.mean(losses):.4f} {time.monotonic() - started:.0f} s"
        if trainer.save_due:
            averaged = trainer.averaged_copy(_statistics_batches(radiographs, recipe))
            found = grade_agreement(splits["val"].grades.numpy(), predict(averaged, splits["val"]))
            score = found["accuracy"] + found["quadratic_kappa"]
            if score > progress["best_score"]:
                progress |= {"best_score": score, "best_epoch": epoch + 1}
                averaged.save_pretrained(output / "best")
            line += f" | val accuracy {found['accuracy']:.4f} kappa {found['quadratic_kappa']:.4f} score {score:.4f}"
            trainer.save()
        print(line, flush=True)
    return finish(recipe, output, splits, progress["best_epoch"])


def finish(
    recipe: ClassifierRecipe, output: Path, splits: dict[str, GradedRadiographs], best_epoch: int
) -> dict[str, Any]:
    """Calibrate the best network on the validation split, measure it on all, write ``model`` and metrics.json."""
    network = KneeGradeNetwork.from_pretrained(output / "best").to(memory_format=torch.channels_last)
    temperature = fit_temperature(network, splits["val"])
    metrics: dict[str, Any] = {"best_epoch": best_epoch, "temperature": temperature}
    for split in ("val", "test"):
        metrics[split] = grade_agreement(splits[split].grades.numpy(), predict(network, splits[split], temperature))
    if recipe.external_radiographs:
        external, counts = load_localised_radiographs(Path(recipe.external_radiographs), recipe.limit)
        graded = external.grades >= 0
        single = GradedRadiographs(external.images[graded], external.grades[graded], external.left[graded])
        metrics["external"] = counts | grade_agreement(single.grades.numpy(), predict(network, single, temperature))
    network.register_to_config(temperature=temperature)
    network.save_pretrained(output / "model")
    values = recipe.to_json(without=("data", "external_films"))
    write_json(output / "metrics.json", {"metrics": metrics, "recipe": values})
    print(json.dumps(metrics["test"]), flush=True)
    return metrics


def learning_rate(cycles: tuple[Cycle, ...], epoch: int, step: int, steps_per_epoch: int, warm_up: int) -> float:
    """Cosine cycles with warm restarts (Loshchilov and Hutter 2017): each has epochs and its own highest rate."""
    for cycle in cycles:
        if epoch < cycle.epochs:
            total = cycle.epochs * steps_per_epoch
            return cycle.learning_rate * learning_rate_factor(epoch * steps_per_epoch + step, warm_up, total)
        epoch -= cycle.epochs
    raise ValueError("the epoch is after the last cycle")


def predict(
    network: nn.Module, radiographs: GradedRadiographs, temperature: float = 1.0, batch: int = 64
) -> np.ndarray:
    """Probabilities [N, 5] of all crops, averaged over both mirror images as in inference."""
    network.eval()
    chunks = [grade_probabilities(network, from_bytes(part), temperature) for part in radiographs.images.split(batch)]
    return torch.cat(chunks).numpy()


def fit_temperature(network: nn.Module, radiographs: GradedRadiographs) -> float:
    """Temperature with the least log loss of the mirror-averaged probabilities (Guo et al. 2017), 0.4 to 3."""
    with torch.inference_mode():
        logits = torch.cat(
            [
                torch.stack((network(from_bytes(p)), network(from_bytes(p).flip(-1))), 1)
                for p in radiographs.images.split(64)
            ]
        )  # [N, 2, 5]
    candidates = np.geomspace(0.4, 3.0, 120)
    losses = [
        -torch.softmax(logits / t, dim=-1)
        .mean(dim=1)
        .gather(1, radiographs.grades[:, None])
        .clamp_min(1e-12)
        .log()
        .mean()
        for t in candidates.tolist()
    ]
    return float(candidates[int(torch.stack(losses).argmin())])


def _augment(
    radiographs: GradedRadiographs, chosen: torch.Tensor, recipe: ClassifierRecipe, generator: torch.Generator
) -> torch.Tensor:
    """Crops [B, 1, S, S] changed and mirrored at random."""
    mirrored = torch.rand(len(chosen), generator=generator) < recipe.mirror
    images, size = from_bytes(radiographs.images[chosen]), recipe.network.size
    images = vary_pose(images, recipe.variation, generator, size=size, mirror=mirrored)
    return vary_appearance(images, recipe.variation, generator)


def _statistics_batches(radiographs: GradedRadiographs, recipe: ClassifierRecipe) -> Iterator[torch.Tensor]:
    """Batches on which the batch-norm statistics of the averaged weights are measured."""
    generator, batch = torch.Generator().manual_seed(0), recipe.batch_size
    chosen = torch.randperm(len(radiographs), generator=generator)[: 24 * batch]
    return (_augment(radiographs, part, recipe, generator) for part in chosen.split(batch) if len(part) > 1)


def _weight_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay on matrices and kernels, none on biases and norms."""
    decayed = [p for p in network.parameters() if p.ndim > 1]
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": [p for p in network.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
