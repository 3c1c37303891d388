"""Train Siamese-GAP on graded radiographs, with average and with maximum pooling; measure both on the test split."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.training_utils import EMAModel
from torch import Tensor, nn
from torch.nn import functional

from ..baselines.siamese_gap import GRADES, POOLINGS, SiameseGap
from ..files.shipped_weights import read_weights, write_json, write_weights
from ..volume.geometry import CROP_FRAME
from .data.augmentation import Augmentation, vary_appearance, vary_pose
from .data.graded_radiographs import GradedRadiographs, data_folder, from_bytes, load_graded_radiographs
from .loop import EmaTrainer
from .precision import autocast, choose_device


def train(config: dict[str, Any], output: Path, resume: bool = False) -> dict[str, Any]:
    """Train as a recipe says (Resources/recipes/siamese_gap.json); one weights folder per pooling in ``output``.

    Parameters
    ----------
    config
        data (folder with index.csv, see ``load_graded_radiographs``), limit (crops per split, 0 for all), poolings
        (list of "average", "max"), channels, dropout, variation (fields of Augmentation), epochs, batch_size,
        learning_rate, weight_decay, warm_up_steps, ema_decay, precision, device, threads, seed.

    Returns, and writes as metrics.json, {pooling: {"best_epoch", "val", "test"}}; the last two with accuracy,
    balanced_accuracy, auc and radiographs. The network of the best epoch on the validation split is kept, and the test
    split is looked at once. Raises InputError on unusable data or checkpoints.
    """
    output.mkdir(parents=True, exist_ok=True)
    if config.get("threads"):
        torch.set_num_threads(config["threads"])
    unknown = set(config["poolings"]) - set(POOLINGS)
    if unknown:
        raise ValueError(f"there is no pooling {sorted(unknown)[0]!r}")
    splits = {split: two_grades(data_folder(config), split, config["limit"]) for split in ("train", "val", "test")}
    print(", ".join(f"{len(radiographs)} {name}" for name, radiographs in splits.items()), "crops", flush=True)
    metrics = {pooling: _train_one(pooling, config, output / pooling, splits, resume) for pooling in config["poolings"]}
    recipe = {key: value for key, value in config.items() if key != "data"}
    write_json(output / "metrics.json", {"metrics": metrics, "recipe": recipe})
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
    pooling: str, config: dict[str, Any], output: Path, splits: dict[str, GradedRadiographs], resume: bool
) -> dict[str, Any]:
    torch.manual_seed(config["seed"])
    output.mkdir(exist_ok=True)
    device, radiographs = choose_device(config["device"]), splits["train"]
    network = SiameseGap(pooling, config["channels"], config["dropout"])
    network.to(device, memory_format=torch.channels_last)
    batch = config["batch_size"]
    per_epoch = len(radiographs) // batch
    if not per_epoch:
        raise ValueError(f"batch_size {batch} exceeds the {len(radiographs)} training crops")
    steps = {"steps": config["epochs"] * per_epoch}
    training = EmaTrainer(network, config | steps, output, resume=resume, clip=5.0)
    probe = torch.zeros(8, *CROP_FRAME.shape, device=device)
    precision = training.precision(lambda: copy.deepcopy(network)(probe))
    progress = training.progress = {"epoch": 0, "best_auc": -1.0, "best_epoch": 0} | training.progress
    for epoch in range(progress["epoch"], config["epochs"]):
        progress["step"] = epoch * per_epoch  # on which the rate depends
        generator = torch.Generator().manual_seed(config["seed"] * 100_003 + epoch)
        torch.manual_seed(config["seed"] * 100_003 + epoch)  # dropout draws from the global generator
        order, losses = torch.randperm(len(radiographs), generator=generator), []
        network.train()
        for step in range(per_epoch):
            chosen = order[step * batch : (step + 1) * batch]
            images = varied(radiographs, chosen, config["variation"], generator).to(device)
            with autocast(device, precision):
                logits = network(images)
            loss = functional.cross_entropy(logits.float(), radiographs.grades[chosen].to(device))
            training.descend(loss)
            losses.append(loss.item())
        averaged = _averaged(network, training.average, radiographs, config["variation"], batch, device)
        found = agreement(averaged, splits["val"], device)
        progress["epoch"] = epoch + 1
        if found["auc"] > progress["best_auc"]:
            progress |= {"best_auc": found["auc"], "best_epoch": epoch + 1}
            write_weights(output, averaged.config, averaged.state_dict())
        training.save()
        print(f"{pooling} epoch {epoch + 1} loss {np.mean(losses):.4f} val {json.dumps(found)}", flush=True)
    stored, state = read_weights(output)
    best = SiameseGap(**stored)
    best.load_state_dict(state)
    best.to(device).eval()
    return {"best_epoch": progress["best_epoch"]} | {s: agreement(best, splits[s], device) for s in ("val", "test")}


def varied(
    radiographs: GradedRadiographs, chosen: Tensor, variation: dict[str, float], generator: torch.Generator
) -> Tensor:
    """Crops [B, 1, 256, 256] changed at random; never mirrored, which this network would not notice."""
    limits = Augmentation(**variation)
    images = from_bytes(radiographs.images[chosen])
    unmirrored = torch.zeros(len(chosen), dtype=torch.bool)
    return vary_appearance(
        vary_pose(images, limits, generator, size=CROP_FRAME.pixels, mirror=unmirrored), limits, generator
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


def _averaged(
    network: SiameseGap,
    average: EMAModel,
    radiographs: GradedRadiographs,
    variation: dict,
    batch: int,
    device: torch.device,
) -> SiameseGap:
    """Copy with averaged weights; its batch-norm statistics, which belong to other weights, are measured anew."""
    averaged = copy.deepcopy(network)
    average.copy_to(averaged.parameters())
    generator = torch.Generator().manual_seed(0)
    chosen = torch.randperm(len(radiographs), generator=generator)[: 16 * batch]
    parts = [part for part in chosen.split(batch) if len(part) > 1]
    torch.optim.swa_utils.update_bn((varied(radiographs, p, variation, generator).to(device) for p in parts), averaged)
    return averaged.eval()
