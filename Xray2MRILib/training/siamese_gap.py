"""Train Siamese-GAP on graded radiographs, with average and with maximum pooling; measure both on the test split."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..baselines.siamese_gap import GRADES, SiameseGap
from ..files.json_files import write_json
from ..volume.geometry import CROP_FRAME
from .data.augmentation import Augmentation, vary_appearance, vary_pose
from .data.graded_radiographs import GradedRadiographs, data_folder, from_bytes, load_graded_radiographs
from .loop import EmaTrainer, LoopSettings
from .precision import autocast
from .recipes.siamese_gap import SiameseGapRecipe
from .run_setup import prepare_run, steps_per_epoch


def train(recipe: SiameseGapRecipe | Mapping[str, Any], output: Path, resume: bool = False) -> dict[str, Any]:
    """Train by a recipe (``recipes/siamese_gap.py``); one weights folder per pooling in ``output``.

    Returns, and writes as metrics.json, {pooling: {"best_epoch", "val", "test"}}; the last two with accuracy,
    balanced_accuracy, auc and films (their number). The network of the best epoch on the validation split is kept, and
    the test split is measured once. Raises InputError on an unusable recipe, data or checkpoint.
    """
    recipe = SiameseGapRecipe.from_json(recipe)
    folder = data_folder(recipe.data)
    device = prepare_run(output, seed=recipe.seed, threads=recipe.threads, device=recipe.device)
    splits = {split: two_grades(folder, split, recipe.limit) for split in ("train", "val", "test")}
    print(", ".join(f"{len(radiographs)} {name}" for name, radiographs in splits.items()), "crops", flush=True)
    metrics = {
        pooling: _train_one(pooling, recipe, output / pooling, splits, device, resume) for pooling in recipe.poolings
    }
    write_json(output / "metrics.json", {"metrics": metrics, "recipe": recipe.to_json(without=("data",))})
    print(json.dumps({pooling: found["test"] for pooling, found in metrics.items()}), flush=True)
    return metrics


def two_grades(folder: Path, split: str, limit: int = 0) -> GradedRadiographs:
    """The crops of grades 0 and 2 of a split, in right-knee space; ``grades`` counts the classes 0 and 1."""
    radiographs = load_graded_radiographs(folder, split, right_knee_space=True, limit=limit)
    kept = torch.isin(radiographs.grades, torch.tensor(GRADES))
    return GradedRadiographs(
        radiographs.images[kept], (radiographs.grades[kept] == GRADES[1]).long(), radiographs.left[kept]
    )


def _train_one(
    pooling: str,
    recipe: SiameseGapRecipe,
    output: Path,
    splits: dict[str, GradedRadiographs],
    device: torch.device,
    resume: bool,
) -> dict[str, Any]:
    torch.manual_seed(recipe.seed)
    output.mkdir(exist_ok=True)
    radiographs, batch = splits["train"], recipe.batch_size
    network = SiameseGap(pooling, recipe.channels, recipe.dropout)
    network.to(device, memory_format=torch.channels_last)
    per_epoch = steps_per_epoch(len(radiographs), batch)
    settings = LoopSettings.of(
        recipe, steps=recipe.epochs * per_epoch, save_every=per_epoch, minutes=None, keep="last", clip=5.0
    )
    trainer = EmaTrainer(network, settings, output, resume=resume)
    probe = torch.zeros(8, *CROP_FRAME.shape, device=device)
    precision = trainer.precision(lambda: copy.deepcopy(network)(probe))
    progress = trainer.progress = {"epoch": 0, "best_auc": -1.0, "best_epoch": 0} | trainer.progress
    progress["step"] = progress["epoch"] * per_epoch  # checkpoints are written between epochs
    for step in trainer.steps():
        epoch, place = divmod(step, per_epoch)
        if place == 0:
            generator = torch.Generator().manual_seed(recipe.seed * 100_003 + epoch)
            torch.manual_seed(recipe.seed * 100_003 + epoch)  # dropout draws from the global generator
            order, losses = torch.randperm(len(radiographs), generator=generator), []
            network.train()
        chosen = order[place * batch : (place + 1) * batch]
        images = augment(radiographs, chosen, recipe.variation, generator).to(device)
        with autocast(device, precision):
            logits = network(images)
        loss = functional.cross_entropy(logits.float(), radiographs.grades[chosen].to(device))
        trainer.step(loss)
        losses.append(loss.item())
        if trainer.save_due:
            averaged = trainer.averaged_copy(_statistics_batches(radiographs, recipe, device))
            found = agreement(averaged, splits["val"], device)
            progress["epoch"] = epoch + 1
            if found["auc"] > progress["best_auc"]:
                progress |= {"best_auc": found["auc"], "best_epoch": epoch + 1}
                averaged.save_pretrained(output)
            trainer.save()
            print(f"{pooling} epoch {epoch + 1} loss {np.mean(losses):.4f} val {json.dumps(found)}", flush=True)
    best = SiameseGap.from_pretrained(output).to(device)
    return {"best_epoch": progress["best_epoch"]} | {s: agreement(best, splits[s], device) for s in ("val", "test")}


def augment(
    radiographs: GradedRadiographs, chosen: Tensor, variation: Augmentation, generator: torch.Generator
) -> Tensor:
    """Crops [B, 1, 256, 256] changed at random; never mirrored, because this network ignores mirroring."""
    images = from_bytes(radiographs.images[chosen])
    unmirrored = torch.zeros(len(chosen), dtype=torch.bool)
    return vary_appearance(
        vary_pose(images, variation, generator, size=CROP_FRAME.pixels, mirror=unmirrored), variation, generator
    )


@torch.inference_mode()
def agreement(
    network: nn.Module, radiographs: GradedRadiographs, device: torch.device, batch: int = 64
) -> dict[str, float]:
    """Accuracy, mean recall of the two classes, area under the ROC curve (ties count half), and number of
    radiographs."""
    network.eval()
    logits = torch.cat([network(from_bytes(part).to(device)).float().cpu() for part in radiographs.images.split(batch)])
    score, truth = (logits[:, 1] - logits[:, 0]).double().numpy(), radiographs.grades.numpy().astype(bool)
    right = (score > 0) == truth
    above = (score[truth][:, None] > score[~truth][None]).mean()
    ties = (score[truth][:, None] == score[~truth][None]).mean()
    return {
        "accuracy": round(float(right.mean()), 4),
        "balanced_accuracy": round(float((right[truth].mean() + right[~truth].mean()) / 2), 4),
        "auc": round(float(above + ties / 2), 4),
        "films": len(radiographs),
    }


def _statistics_batches(
    radiographs: GradedRadiographs, recipe: SiameseGapRecipe, device: torch.device
) -> Iterator[Tensor]:
    """Batches on which the batch-norm statistics of the averaged weights are measured."""
    generator, batch = torch.Generator().manual_seed(0), recipe.batch_size
    chosen = torch.randperm(len(radiographs), generator=generator)[: 16 * batch]
    parts = [part for part in chosen.split(batch) if len(part) > 1]
    return (augment(radiographs, part, recipe.variation, generator).to(device) for part in parts)
