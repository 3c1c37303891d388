"""Train the knee detector on composite radiographs, and on radiographs with known boxes where there are any (A23).

Every batch is drawn by a generator seeded with (seed, step), so that a resumed run sees the radiographs of an
uninterrupted one. The averaged weights (EMA) are written in half precision. The recipe is in ``recipes/localizer.py``.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from ..localization.detector import STRIDE, KneeDetector, encode_targets
from .data.box_annotations import read_box_annotations, read_joint_crops
from .data.composite_radiographs import composite_radiograph
from .data.graded_radiographs import data_folder
from .data.radiograph_views import augment
from .loop import EmaTrainer, LoopSettings
from .precision import autocast
from .recipes.localizer import LocalizerRecipe
from .run_setup import prepare_run


def draw_batch(
    crops: np.ndarray,
    sides: np.ndarray,
    radiographs: list[tuple[np.ndarray, np.ndarray]],
    radiograph_share: float,
    batch_size: int,
    canvas_size: int,
    seed: tuple[int, int],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Canvases [B, 1, S, S], heat maps [B, C, C] and regression targets [B, 4, C, C] of one training step.

    A share ``radiograph_share`` of the canvases shows varied ``radiographs`` (pixels, boxes), the others composites of
    ``crops``.
    """
    rng = np.random.default_rng(seed)
    canvases, heats, regressions = [], [], []
    for _ in range(batch_size):
        if radiographs and rng.random() < radiograph_share:
            radiograph, boxes = radiographs[rng.integers(len(radiographs))]
            canvas, boxes = augment(radiograph, boxes, rng, canvas_size)
        else:
            canvas, boxes = composite_radiograph(crops, sides, rng, canvas_size)
        heat, regression = encode_targets(boxes, canvas_size // STRIDE)
        canvases.append(canvas[None])
        heats.append(heat)
        regressions.append(regression)
    return tuple(torch.from_numpy(np.stack(part)) for part in (canvases, heats, regressions))


def detection_loss(maps: torch.Tensor, heat: torch.Tensor, regression: torch.Tensor) -> dict[str, torch.Tensor]:
    """Focal loss on the heat map, and weighted L1 on log side and offset.

    ``maps`` [B, 4, C, C] from the detector, ``heat`` [B, C, C] and ``regression`` [B, 4, C, C] from `encode_targets`.
    Source: "Objects as Points" (Zhou et al. 2019, arXiv 1904.07850), equation 1 with alpha 2 and beta 4.
    """
    maps = maps.float()
    is_joint = heat == 1
    probability = torch.sigmoid(maps[:, 0])
    hit = -((1 - probability) ** 2) * functional.logsigmoid(maps[:, 0])
    miss = -(probability**2) * (1 - heat) ** 4 * functional.logsigmoid(-maps[:, 0])
    weight = regression[:, 0]
    total = weight.sum().clamp(min=1)
    return {
        "heat": torch.where(is_joint, hit, miss).sum() / is_joint.sum().clamp(min=1),
        "side": (weight * (maps[:, 1] - regression[:, 1]).abs()).sum() / total,
        "offset": (weight[:, None] * (maps[:, 2:] - regression[:, 2:]).abs()).sum() / total,
    }


def train(recipe: LocalizerRecipe | Mapping[str, Any], output: Path, resume: bool = False) -> dict[str, float]:
    """Train a detector by a recipe and write the weights ``output``/model.

    Parameters
    ----------
    recipe
        See ``recipes/localizer.py``.
    output
        Folder for checkpoint.safetensors and ``model``.
    resume
        Continue from ``output``/checkpoint.safetensors when it exists.

    Returns the last logged losses. Raises InputError on an unusable recipe, data or checkpoint.
    """
    recipe = LocalizerRecipe.from_json(recipe)
    crops, sides = read_joint_crops(data_folder(recipe.data), "train", recipe.crop_limit, recipe.seed)
    radiographs = [
        radiograph
        for source in recipe.radiographs
        for radiograph in read_box_annotations(Path(source.folder), Path(source.boxes), source.split)
    ]
    device = prepare_run(output, seed=recipe.seed, threads=recipe.threads, device=recipe.device)
    detector = KneeDetector(recipe.canvas_size, recipe.channels)
    if recipe.start_from:
        detector.load_state_dict(KneeDetector.from_pretrained(recipe.start_from).state_dict())
    detector = detector.to(device, memory_format=torch.channels_last)
    settings = LoopSettings.of(
        recipe, minutes=None, keep="last", save_every=recipe.checkpoint_every, clip=5.0, ema_warm_up="ratio"
    )
    trainer = EmaTrainer(detector, settings, output, resume=resume)
    probe = torch.zeros(8, 1, recipe.canvas_size, recipe.canvas_size, device=device)
    precision = trainer.precision(lambda: copy.deepcopy(detector)(probe))

    # minutes is the time of all pieces together here, and the learning rate ends with it
    started = time.monotonic() - trainer.progress.setdefault("seconds", 0.0)
    logged: dict[str, float] = {}
    running = []
    for step in trainer.steps():
        seconds = time.monotonic() - started
        done = finished_share(recipe, step, seconds)
        if done >= 1:
            trainer.save()
            break
        canvas, heat, regression = draw_batch(
            crops, sides, radiographs, recipe.radiograph_share, recipe.batch_size, recipe.canvas_size,
            (recipe.seed, step),
        )  # fmt: skip
        with autocast(device, precision):
            maps = detector(canvas.to(device, memory_format=torch.channels_last))
        losses = detection_loss(maps, heat.to(device), regression.to(device))
        loss = losses["heat"] + losses["side"] + 0.5 * losses["offset"]
        trainer.step(loss, rate=learning_rate(recipe, step, done))
        trainer.progress["seconds"] = time.monotonic() - started

        running.append([value.item() for value in losses.values()])
        if (step + 1) % recipe.log_every == 0:
            logged = dict(zip(losses, np.mean(running, axis=0).round(4).tolist(), strict=True))
            running.clear()
            print(json.dumps({"step": step + 1, "minutes": round(seconds / 60, 2), **logged}), flush=True)
        if trainer.save_due:
            trainer.save()

    trainer.load_best()
    thresholds = {name: getattr(recipe, name) for name in ("confidence_threshold", "overlap_threshold")}
    detector.register_to_config(**thresholds)
    detector.save_pretrained(output / "model")
    return logged


def finished_share(recipe: LocalizerRecipe, step: int, seconds: float) -> float:
    """The finished share of the run, by steps or by minutes, whichever ends first."""
    return max(step / recipe.steps, seconds / (60 * recipe.minutes) if recipe.minutes else 0.0)


def learning_rate(recipe: LocalizerRecipe, step: int, done: float) -> float:
    """Linear warm-up times a half cosine that reaches zero when the share ``done`` of the run is 1."""
    warm_up = min(1.0, (step + 1) / max(1, recipe.warm_up_steps))
    return recipe.learning_rate * warm_up * 0.5 * (1 + math.cos(math.pi * done))
