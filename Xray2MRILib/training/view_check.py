"""Train the radiograph check (frontal knee or not, left or right) and measure it kind by kind, held-out kinds included.

One loop: each step draws from (seed, step), so that a resumed run continues as the uninterrupted one would have.
"""

from __future__ import annotations

import copy
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.training_utils import EMAModel
from torch import nn
from torch.nn import functional

from ..files.json_files import write_json
from ..preparation.view_check import ViewClassifier, check_probabilities
from .checkpoint import load_checkpoint, save_checkpoint
from .data.augmentation import Augmentation, vary_appearance, vary_pose
from .data.graded_radiographs import from_bytes, to_bytes
from .data.view_training_data import ViewTrainingData, measuring_bank, training_bank
from .loop import learning_rate_factor
from .precision import autocast, measured_precision


def train(config: dict[str, Any], output: Path, resume: bool = False) -> dict[str, Any]:
    """Train as a recipe says (Resources/recipes/film_check.json) and write the weights folder ``output``/model.

    Parameters
    ----------
    config
        data (folder of joint crops with index.csv), whole_radiographs (folder of whole radiographs with index.csv: a
        part trains, the other is measured; or null), mr_slices (folder of one DICOM series or null), limit (crops per
        split, 0 for all), pictures_per_kind, pictures_measured, second_share (of the frontal pictures that are not from
        ``data``), network (arguments of ``ViewClassifier``), variation (fields of ``Augmentation``), steps, batch_size,
        learning_rate, weight_decay, warm_up_steps, ema_decay, accepted_share (of real validation knees, as they are and
        varied, that the threshold must let pass), precision, threads, seed, checkpoint_every.
    output
        Folder for checkpoint.safetensors, ``model``, metrics.json and the anatomy templates.
    resume
        Continue from ``output``/checkpoint.safetensors when it exists.

    Returns the metrics that metrics.json holds. Raises InputError on unusable data or checkpoints.
    """
    output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(config["threads"])
    torch.manual_seed(config["seed"])
    bank, variation = training_bank(config, output), Augmentation(**config["variation"])
    print(f"{len(bank.kinds)} pictures of {len(bank.by_kind())} kinds, {int(bank.frontal.sum())} frontal", flush=True)
    network = ViewClassifier(**config["network"]).to(memory_format=torch.channels_last)
    average = EMAModel(network.parameters(), decay=config["ema_decay"])
    optimiser = torch.optim.AdamW(network.parameters(), lr=config["learning_rate"], weight_decay=config["weight_decay"])
    size, device = network.config["size"], torch.device("cpu")
    probe = torch.zeros(8, 1, size, size)
    precision = measured_precision(config["precision"], device, lambda: copy.deepcopy(network)(probe)[0])
    checkpoint, first = output / "checkpoint.safetensors", 0
    if resume and checkpoint.exists():
        first = load_checkpoint(checkpoint, network, average, optimiser)["step"]

    started, losses = time.monotonic(), []
    network.train()
    for step in range(first, config["steps"]):
        for group in optimiser.param_groups:
            group["lr"] = config["learning_rate"] * learning_rate_factor(step, config["warm_up_steps"], config["steps"])
        images, frontal, left = draw_batch(bank, config, variation, size, step)
        torch.manual_seed(config["seed"] * 1_000_003 + step)  # dropout draws from the global generator
        with autocast(device, precision):
            frontal_logit, left_logit = network(images)
        known = ~left.isnan()
        loss = functional.binary_cross_entropy_with_logits(frontal_logit.float(), 0.98 * frontal + 0.01)
        if known.any():
            loss = loss + functional.binary_cross_entropy_with_logits(left_logit[known].float(), left[known])
        loss.backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        average.step(network.parameters())
        losses.append(loss.item())
        if (step + 1) % config["checkpoint_every"] == 0:
            save_checkpoint(checkpoint, network, average, optimiser, {"step": step + 1})
            seconds = time.monotonic() - started
            print(f"step {step + 1}/{config['steps']} loss {np.mean(losses):.4f} {seconds:.0f} s", flush=True)
            losses = []

    average.copy_to(network.parameters())
    # The running statistics belong to the weights before averaging.
    batches = (draw_batch(bank, config, variation, size, config["steps"] + k)[0] for k in range(40))
    torch.optim.swa_utils.update_bn(batches, network)
    return finish(config, output, network.eval())


def draw_batch(
    bank: ViewTrainingData, config: dict[str, Any], variation: Augmentation, size: int, step: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One varied batch: images [B, 1, size, size], frontal [B] (1 or 0), left [B] (1, 0 or NaN).

    Half the pictures are frontal knees, ``second_share`` of these whole radiographs and projections of label maps; the
    other half draws each kind of counter-example equally often.
    """
    generator = torch.Generator().manual_seed(config["seed"] * 1_000_003 + step)
    groups = {True: [], False: []}
    for indices in bank.by_kind().values():
        groups[bool(bank.frontal[indices[0]])].append(indices)
    chosen = []
    for position in range(config["batch_size"]):
        kinds = groups[position % 2 == 0]
        pick = torch.rand((), generator=generator).item()
        if position % 2 == 0:  # the first frontal kind is the real one
            drawn = config["second_share"] if len(kinds) > 1 else 0.0
            kind = kinds[0] if pick >= drawn else kinds[1 + int(pick / drawn * (len(kinds) - 1))]
        else:
            kind = kinds[int(pick * len(kinds))]
        chosen.append(int(kind[torch.randint(len(kind), (), generator=generator)]))
    mirrored = torch.rand(len(chosen), generator=generator) < 0.5
    images = vary_pose(from_bytes(bank.images[chosen]), variation, generator, size=size, mirror=mirrored)
    left = torch.where(mirrored, 1 - bank.left[chosen], bank.left[chosen])
    return vary_appearance(images, variation, generator), bank.frontal[chosen].float(), left


def finish(config: dict[str, Any], output: Path, network: ViewClassifier) -> dict[str, Any]:
    """Choose the threshold on the validation knees, measure every kind, write ``model`` and metrics.json."""
    bank = measuring_bank(config, output)
    frontal, left = predict(network, bank.images)
    kinds = bank.by_kind()
    threshold = choose_threshold(network, bank.images[kinds["frontal knee, OAI val"]], config)
    table = {}
    for kind, indices in kinds.items():
        known = ~bank.left[indices].isnan().numpy()
        right_side = (left[indices] > 0.5) == (bank.left[indices].numpy() > 0.5)
        table[kind] = {
            "count": len(indices),
            "frontal": bool(bank.frontal[indices[0]]),
            "flagged": float((frontal[indices] < threshold).mean()),
            "median_probability": float(np.median(frontal[indices])),
            "side_accuracy": float(right_side[known].mean()) if known.any() else None,
        }
    network.register_to_config(frontal_threshold=threshold)
    network.save_pretrained(output / "model")
    recipe = {key: value for key, value in config.items() if key not in ("data", "whole_films", "mr_slices")}
    metrics = {"frontal_threshold": threshold, "kinds": table}
    write_json(output / "metrics.json", {"metrics": metrics, "recipe": recipe})
    print(json.dumps(metrics), flush=True)
    return metrics


def choose_threshold(network: nn.Module, knees: torch.Tensor, config: dict[str, Any]) -> float:
    """Frontal probability that all but 1 - ``accepted_share`` of real knees reach, half of them varied as in training.

    At most 0.5, at least 0.05.
    """
    plain, generator = from_bytes(knees), torch.Generator().manual_seed(config["seed"])
    variation, still = Augmentation(**config["variation"]), torch.zeros(len(knees), dtype=torch.bool)
    moved = vary_pose(plain, variation, generator, size=plain.shape[-1], mirror=still)
    varied = to_bytes(vary_appearance(moved, variation, generator)[:, 0].numpy())
    reached = np.concatenate([predict(network, images)[0] for images in (knees, torch.from_numpy(varied))])
    return float(np.clip(np.quantile(reached, 1 - config["accepted_share"]), 0.05, 0.5))


def predict(network: nn.Module, images: torch.Tensor, batch: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (frontal [N], left [N]) of uint8 pictures [N, S, S], as the product computes them."""
    parts = [check_probabilities(network, from_bytes(part)) for part in images.split(batch)]
    return tuple(torch.cat([part[k] for part in parts]).numpy() for k in range(2))
