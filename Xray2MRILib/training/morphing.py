"""Train the morphing model on real radiographs: random pairs of a healthy knee and another person's severely affected
one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ..baselines.morphing import SIZE, STEPS, MorphingModel, local_correlation, morphing_loss, warp
from ..files.shipped_weights import write_json, write_weights
from .data.graded_radiographs import data_folder, from_bytes, load_graded_radiographs
from .log import TrainingLog
from .loop import EmaTrainer, step_generator
from .precision import choose_device

HEALTHY, SEVERE = 0, 4  # Kellgren-Lawrence grades of a pair


def train(config: dict[str, Any], output: Path, resume: bool = False) -> dict[str, Any]:
    """Train as a recipe says (Resources/recipes/morphing.json) and write the weights folder ``output``/model.

    Parameters
    ----------
    config
        data (folder with index.csv, see ``load_graded_radiographs``), limit (crops per split, 0 for all), batch_size,
        morphing_weight, steps, minutes, learning_rate, ema_decay, save_every (see EmaTrainer), code_pairs (over
        how many training pairs the mean code is taken), device, threads, seed, log_every.

    Returns, and writes as metrics.json, over pairs of the validation split: the local correlation with the severe
    radiograph of the healthy radiograph itself (``correlation_before``), bent with the pair's own code
    (``correlation_own_code``) and with the mean code (``correlation_mean_code``). A run that ``minutes`` ended returns
    {"step", "steps"}. Raises InputError on unusable data or checkpoints.
    """
    output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config["seed"])
    if config.get("threads"):
        torch.set_num_threads(config["threads"])
    device, folder = choose_device(config["device"]), data_folder(config)
    healthy, severe = radiographs_of_two_grades(folder, "train", config["limit"])
    print(f"{len(healthy)} radiographs of KL-{HEALTHY}, {len(severe)} of KL-{SEVERE} on {device}", flush=True)
    model = MorphingModel().to(device)
    training = EmaTrainer(model, config, output, resume=resume, clip=10.0)
    with TrainingLog(output, config["log_every"], config["steps"]) as log:
        for step in training.steps():
            generator = step_generator(config["seed"], step)
            one, other = (
                radiographs[torch.randint(len(radiographs), (config["batch_size"],), generator=generator)].to(device)
                for radiographs in (healthy, severe)
            )
            noise = torch.randn(other.shape, generator=generator).to(device)
            t = torch.randint(STEPS, (len(other),), generator=generator).to(device)
            loss = morphing_loss(model, one, other, noise, t, config["morphing_weight"])
            training.descend(loss)
            log.loss(step + 1, loss)
            if training.due:
                training.save()
    if not training.finished:
        return training.pause()
    training.take_result()
    model.eval()
    model.mean_code.copy_(mean_code(model, healthy, severe, config["code_pairs"], device))
    metrics = measured(model, *radiographs_of_two_grades(folder, "val", config["limit"]), device)
    write_weights(output / "model", {"size": SIZE}, model.state_dict())
    recipe = {key: value for key, value in config.items() if key != "data"}
    write_json(output / "metrics.json", {"metrics": metrics, "recipe": recipe})
    print(json.dumps(metrics), flush=True)
    return metrics


def radiographs_of_two_grades(folder: Path, split: str, limit: int = 0) -> tuple[Tensor, Tensor]:
    """Radiographs [N, 1, 128, 128] in [-1, 1] of KL-0 and of KL-4, in right-knee space."""
    radiographs = load_graded_radiographs(folder, split, right_knee_space=True, limit=limit)
    found = []
    for grade in (HEALTHY, SEVERE):
        images = from_bytes(radiographs.images[radiographs.grades == grade])
        if not len(images):
            raise ValueError(f"the split {split} has no radiograph of KL-{grade}")
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
def measured(
    model: MorphingModel, healthy: Tensor, severe: Tensor, device: torch.device, pairs: int = 50
) -> dict[str, float]:
    """Local correlation with the severe radiograph, before and after, over random pairs that the training never saw."""
    generator = torch.Generator().manual_seed(1)
    rows = []
    for _ in range(pairs):
        one, other = (f[torch.randint(len(f), (1,), generator=generator)].to(device) for f in (healthy, severe))
        codes = (model.code(one, other, other, 0), model.mean_code)
        bent = [one, *(warp(one, model.displacement(one, code)) for code in codes)]
        rows.append([float(local_correlation((radiograph + 1) / 2, (other + 1) / 2)) for radiograph in bent])
    before, own, mean = torch.tensor(rows).mean(dim=0).tolist()
    return {
        "correlation_before": round(before, 4),
        "correlation_own_code": round(own, 4),
        "correlation_mean_code": round(mean, 4),
    }
