"""Train the view check (frontal knee or not, left or right) and measure it per kind of picture, held-out kinds
included.

Each step draws from (seed, step), so that a resumed run equals an uninterrupted one. The recipe is in
``recipes/view_check.py``.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ..files.json_files import write_json
from ..preparation.view_check import ViewClassifier, check_probabilities
from .data.augmentation import Augmentation, vary_appearance, vary_pose
from .data.graded_radiographs import data_folder, from_bytes, to_bytes
from .data.view_training_data import ViewTrainingData, measuring_bank, training_bank
from .log import TrainingLog
from .loop import EmaTrainer, LoopSettings, step_generator
from .precision import autocast
from .recipes.view_check import ViewCheckRecipe
from .run_setup import prepare_run


def train(recipe: ViewCheckRecipe | Mapping[str, Any], output: Path, resume: bool = False) -> dict[str, Any]:
    """Train by a recipe and write the weights folder ``output``/model.

    Parameters
    ----------
    recipe
        See ``recipes/view_check.py``.
    output
        Folder for checkpoint.safetensors, ``model``, metrics.json and the anatomy templates.
    resume
        Continue from ``output``/checkpoint.safetensors when it exists.

    Returns the metrics that metrics.json holds. Raises InputError on an unusable recipe, data or checkpoint.
    """
    recipe = ViewCheckRecipe.from_json(recipe)
    data_folder(recipe.data)
    device = prepare_run(output, seed=recipe.seed, threads=recipe.threads)
    bank = training_bank(recipe)
    print(f"{len(bank.kinds)} pictures of {len(bank.by_kind())} kinds, {int(bank.frontal.sum())} frontal", flush=True)
    network = ViewClassifier(**recipe.network.to_json()).to(memory_format=torch.channels_last)
    settings = LoopSettings.of(
        recipe, save_every=recipe.checkpoint_every, minutes=None, keep="last", clip=None, ema_warm_up="ratio"
    )
    trainer = EmaTrainer(network, settings, output, resume=resume)
    size = recipe.network.size
    probe = torch.zeros(8, 1, size, size)
    precision = trainer.precision(lambda: copy.deepcopy(network)(probe)[0])

    def batch(step: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return draw_batch(
            bank, recipe.variation, size, step_generator(recipe.seed, step), batch_size=recipe.batch_size,
            second_share=recipe.second_share,
        )  # fmt: skip

    network.train()
    with TrainingLog(output, recipe.checkpoint_every) as log:
        for step in trainer.steps():
            images, frontal, left = batch(step)
            torch.manual_seed(recipe.seed * 1_000_003 + step)  # dropout draws from the global generator
            with autocast(device, precision):
                frontal_logit, left_logit = network(images)
            loss = view_loss(frontal_logit, left_logit, frontal, left)
            trainer.step(loss)
            log.loss(step + 1, loss)
            if trainer.save_due:
                trainer.save()
    return finish(recipe, output, trainer.averaged_copy(batch(recipe.steps + k)[0] for k in range(40)))


def view_loss(
    frontal_logit: torch.Tensor, left_logit: torch.Tensor, frontal: torch.Tensor, left: torch.Tensor
) -> torch.Tensor:
    """Cross-entropies of view and side, all [B]; ``left`` is NaN where the side is unknown.

    Targets of the view are smoothed to 0.01 and 0.99.
    """
    loss = functional.binary_cross_entropy_with_logits(frontal_logit.float(), 0.98 * frontal + 0.01)
    known = ~left.isnan()
    if known.any():
        loss = loss + functional.binary_cross_entropy_with_logits(left_logit[known].float(), left[known])
    return loss


def draw_batch(
    bank: ViewTrainingData,
    variation: Augmentation,
    size: int,
    generator: torch.Generator,
    *,
    batch_size: int,
    second_share: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One augmented batch: images [B, 1, size, size], frontal [B] (1 or 0), left [B] (1, 0 or NaN).

    Half the pictures are frontal knees; the share ``second_share`` of these are whole radiographs and projections of
    label maps. The other half draws each kind of counter-example equally often.
    """
    groups: dict[bool, list[torch.Tensor]] = {True: [], False: []}
    for indices in bank.by_kind().values():
        groups[bool(bank.frontal[indices[0]])].append(indices)
    chosen = []
    for position in range(batch_size):
        kinds = groups[position % 2 == 0]
        pick = torch.rand((), generator=generator).item()
        if position % 2 == 0:  # the first frontal kind is the real one
            drawn = second_share if len(kinds) > 1 else 0.0
            kind = kinds[0] if pick >= drawn else kinds[1 + int(pick / drawn * (len(kinds) - 1))]
        else:
            kind = kinds[int(pick * len(kinds))]
        chosen.append(int(kind[torch.randint(len(kind), (), generator=generator)]))
    mirrored = torch.rand(len(chosen), generator=generator) < 0.5
    images = vary_pose(from_bytes(bank.images[chosen]), variation, generator, size=size, mirror=mirrored)
    left = torch.where(mirrored, 1 - bank.left[chosen], bank.left[chosen])
    return vary_appearance(images, variation, generator), bank.frontal[chosen].float(), left


def finish(recipe: ViewCheckRecipe, output: Path, network: ViewClassifier) -> dict[str, Any]:
    """Choose the threshold on the validation knees, measure every kind, write ``model`` and metrics.json."""
    bank = measuring_bank(recipe)
    frontal, left = predict(network, bank.images)
    kinds = bank.by_kind()
    threshold = choose_threshold(network, bank.images[kinds["frontal knee, OAI val"]], recipe)
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
    metrics = {"frontal_threshold": threshold, "kinds": table}
    values = recipe.to_json(without=("data", "whole_films", "mr_slices"))
    write_json(output / "metrics.json", {"metrics": metrics, "recipe": values})
    print(json.dumps(metrics), flush=True)
    return metrics


def choose_threshold(network: nn.Module, knees: torch.Tensor, recipe: ViewCheckRecipe) -> float:
    """Frontal probability that the share ``accepted_share`` of real knees reaches; half of them are augmented.

    At most 0.5, at least 0.05.
    """
    plain, generator = from_bytes(knees), torch.Generator().manual_seed(recipe.seed)
    variation, unmirrored = recipe.variation, torch.zeros(len(knees), dtype=torch.bool)
    moved = vary_pose(plain, variation, generator, size=plain.shape[-1], mirror=unmirrored)
    varied = to_bytes(vary_appearance(moved, variation, generator)[:, 0].numpy())
    reached = np.concatenate([predict(network, images)[0] for images in (knees, torch.from_numpy(varied))])
    return float(np.clip(np.quantile(reached, 1 - recipe.accepted_share), 0.05, 0.5))


def predict(network: nn.Module, images: torch.Tensor, batch: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (frontal [N], left [N]) of uint8 pictures [N, S, S], as in inference."""
    parts = [check_probabilities(network, from_bytes(part)) for part in images.split(batch)]
    return tuple(torch.cat([part[k] for part in parts]).numpy() for k in range(2))
