"""Train the five-grade Kellgren-Lawrence classifier on joint crops (A9) and report how well it agrees with the readers.

One loop: every epoch draws its order and its radiograph variations from (seed, epoch), so that a resumed run continues
as the uninterrupted one would have. Weights are averaged (EMA); the average of the best epoch on the validation split
is kept, its temperature is fitted there, and the test split is looked at once, at the end.
"""

from __future__ import annotations

import copy
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.training_utils import EMAModel
from torch import nn
from torch.nn import functional

from ..conditions.koa_classifier import KneeGradeNetwork, grade_probabilities
from ..conditions.koa_probabilities import GRADES
from ..files.json_files import write_json
from .checkpoint import load_checkpoint, save_checkpoint
from .data.augmentation import Augmentation, vary_appearance, vary_pose
from .data.graded_radiographs import (
    GradedRadiographs,
    data_folder,
    from_bytes,
    load_graded_radiographs,
    load_localised_radiographs,
)
from .grade_agreement import grade_agreement
from .loop import learning_rate_factor
from .precision import autocast, measured_precision


def ordinal_loss(logits: torch.Tensor, grades: torch.Tensor, *, smoothing: float, emd_weight: float) -> torch.Tensor:
    """Cross-entropy with targets smoothed to the neighbouring grades, plus the squared earth mover's distance.

    ``smoothing`` is the weight of a neighbour relative to the grade itself (0 gives one-hot targets); the second term
    compares cumulative probabilities (Hou et al. 2016), so that a miss by two grades costs more than one by one.
    """
    steps = (torch.arange(GRADES) - grades[:, None]).abs().float()
    target = torch.where(steps == 0, 1.0, smoothing**steps if smoothing else torch.zeros(()))
    target = target / target.sum(dim=1, keepdim=True)
    log_probabilities = functional.log_softmax(logits.float(), dim=1)
    cross_entropy = -(target * log_probabilities).sum(dim=1).mean()
    distance = log_probabilities.exp().cumsum(dim=1) - target.cumsum(dim=1)
    return cross_entropy + emd_weight * distance.square().sum(dim=1).mean()


def train(config: dict[str, Any], output: Path, resume: bool = False) -> dict[str, Any]:
    """Train as a recipe says (Resources/recipes/classifier.json) and write the weights folder ``output``/model.

    Parameters
    ----------
    config
        data (folder with index.csv, see ``load_graded_radiographs``), external_radiographs (folder of whole radiographs
        with index.csv, only measured, see ``load_localised_radiographs``, or null), limit (crops per split, 0 for all),
        network (arguments of ``KneeGradeNetwork``), variation (fields of ``Augmentation``), mirror (probability),
        cycles (list of epochs and learning_rate each), batch_size, weight_decay, warm_up_steps (of every cycle),
        ema_decay, smoothing, emd_weight, precision ("float32", "bfloat16" or "auto", which measures), threads, seed,
        validate_every (epochs).
    output
        Folder for checkpoint.safetensors, the weights folders ``best`` (uncalibrated) and ``model``, metrics.json.
    resume
        Continue from ``output``/checkpoint.safetensors when it exists.

    Returns the metrics that metrics.json holds. Raises InputError on unusable data or checkpoints.
    """
    output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(config["threads"])
    torch.manual_seed(config["seed"])
    data = data_folder(config)
    splits = {
        split: load_graded_radiographs(data, split, right_knee_space=True, limit=config["limit"])
        for split in ("train", "val", "test")
    }
    radiographs, variation = splits["train"], Augmentation(**config["variation"])
    print(", ".join(f"{len(split)} {name}" for name, split in splits.items()), "crops", flush=True)

    network = KneeGradeNetwork(**config["network"]).to(memory_format=torch.channels_last)
    size = network.config["size"]
    average = EMAModel(network.parameters(), decay=config["ema_decay"])
    optimiser = torch.optim.AdamW(
        _weight_groups(network, config["weight_decay"]), lr=config["cycles"][0]["learning_rate"]
    )
    device = torch.device("cpu")
    probe = torch.zeros(8, 1, size, size)
    precision = measured_precision(config["precision"], device, lambda: copy.deepcopy(network)(probe))
    progress = {"epoch": 0, "best_score": -math.inf, "best_epoch": 0}
    checkpoint = output / "checkpoint.safetensors"
    if resume and checkpoint.exists():
        progress = load_checkpoint(checkpoint, network, average, optimiser)

    batch, per_epoch = config["batch_size"], len(radiographs) // config["batch_size"]
    if per_epoch == 0:
        raise ValueError(f"batch_size {batch} exceeds the {len(radiographs)} training crops")
    epochs = sum(cycle["epochs"] for cycle in config["cycles"])
    for epoch in range(progress["epoch"], epochs):
        started, losses = time.monotonic(), []
        generator = torch.Generator().manual_seed(config["seed"] * 100_003 + epoch)
        torch.manual_seed(config["seed"] * 100_003 + epoch)  # dropout draws from the global generator
        order = torch.randperm(len(radiographs), generator=generator)
        network.train()
        for step in range(per_epoch):
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(config["cycles"], epoch, step, per_epoch, config["warm_up_steps"])
            chosen = order[step * batch : (step + 1) * batch]
            images = _varied(radiographs, chosen, variation, config["mirror"], size, generator)
            with autocast(device, precision):
                logits = network(images)
            loss = ordinal_loss(
                logits, radiographs.grades[chosen], smoothing=config["smoothing"], emd_weight=config["emd_weight"]
            )
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            average.step(network.parameters())
            losses.append(loss.item())
        progress["epoch"] = epoch + 1
        line = f"epoch {epoch + 1}/{epochs} loss {np.mean(losses):.4f} {time.monotonic() - started:.0f} s"
        if (epoch + 1) % config["validate_every"] == 0 or epoch + 1 == epochs:
            averaged = _averaged(network, average, radiographs, variation, config["mirror"], batch)
            found = grade_agreement(splits["val"].grades.numpy(), predict(averaged, splits["val"]))
            score = found["accuracy"] + found["quadratic_kappa"]
            if score > progress["best_score"]:
                progress |= {"best_score": score, "best_epoch": epoch + 1}
                averaged.save_pretrained(output / "best")
            line += f" | val accuracy {found['accuracy']:.4f} kappa {found['quadratic_kappa']:.4f} score {score:.4f}"
            save_checkpoint(checkpoint, network, average, optimiser, progress)
        print(line, flush=True)
    return finish(config, output, splits, progress)


def finish(
    config: dict[str, Any], output: Path, splits: dict[str, GradedRadiographs], progress: dict[str, Any]
) -> dict[str, Any]:
    """Calibrate the best network on the validation split, measure it on all, write ``model`` and metrics.json."""
    network = KneeGradeNetwork.from_pretrained(output / "best").to(memory_format=torch.channels_last)
    temperature = fit_temperature(network, splits["val"])
    metrics: dict[str, Any] = {"best_epoch": progress["best_epoch"], "temperature": temperature}
    for split in ("val", "test"):
        metrics[split] = grade_agreement(splits[split].grades.numpy(), predict(network, splits[split], temperature))
    if config["external_films"]:
        external, counts = load_localised_radiographs(Path(config["external_films"]), config["limit"])
        graded = external.grades >= 0
        single = GradedRadiographs(external.images[graded], external.grades[graded], external.left[graded])
        metrics["external"] = counts | grade_agreement(single.grades.numpy(), predict(network, single, temperature))
    network.register_to_config(temperature=temperature)
    network.save_pretrained(output / "model")
    recipe = {key: value for key, value in config.items() if key not in ("data", "external_films")}
    write_json(output / "metrics.json", {"metrics": metrics, "recipe": recipe})
    print(json.dumps(metrics["test"]), flush=True)
    return metrics


def learning_rate(cycles: list[dict[str, Any]], epoch: int, step: int, steps_per_epoch: int, warm_up: int) -> float:
    """Cosine cycles with warm restarts (Loshchilov and Hutter 2017): each has epochs and its own highest rate."""
    for cycle in cycles:
        if epoch < cycle["epochs"]:
            total = cycle["epochs"] * steps_per_epoch
            return cycle["learning_rate"] * learning_rate_factor(epoch * steps_per_epoch + step, warm_up, total)
        epoch -= cycle["epochs"]
    raise ValueError("the epoch lies beyond the last cycle")


def predict(
    network: nn.Module, radiographs: GradedRadiographs, temperature: float = 1.0, batch: int = 64
) -> np.ndarray:
    """Probabilities [N, 5] of all crops, mirror-averaged as the product does."""
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


def _varied(
    radiographs: GradedRadiographs,
    chosen: torch.Tensor,
    variation: Augmentation,
    mirror: float,
    size: int,
    generator: torch.Generator,
) -> torch.Tensor:
    mirrored = torch.rand(len(chosen), generator=generator) < mirror
    images = vary_pose(from_bytes(radiographs.images[chosen]), variation, generator, size=size, mirror=mirrored)
    return vary_appearance(images, variation, generator)


def _weight_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay on matrices and kernels, none on biases and norms."""
    decayed = [p for p in network.parameters() if p.ndim > 1]
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": [p for p in network.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _averaged(
    network: nn.Module,
    average: EMAModel,
    radiographs: GradedRadiographs,
    variation: Augmentation,
    mirror: float,
    batch: int,
) -> nn.Module:
    """Copy of the network with averaged weights; its batch-norm statistics are measured anew, since the running ones
    belong to the weights before averaging."""
    averaged = copy.deepcopy(network)
    average.copy_to(averaged.parameters())
    generator = torch.Generator().manual_seed(0)
    chosen = torch.randperm(len(radiographs), generator=generator)[: 24 * batch]
    parts = [part for part in chosen.split(batch) if len(part) > 1]
    batches = (_varied(radiographs, part, variation, mirror, network.config["size"], generator) for part in parts)
    torch.optim.swa_utils.update_bn(batches, averaged)
    return averaged.eval()
