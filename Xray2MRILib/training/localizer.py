"""Train the knee detector on composite radiographs, and on radiographs with boxes where there are any (A23).

One loop: every batch is drawn by a generator seeded with (seed, step), so a resumed run sees the radiographs that the
uninterrupted one would have seen. Weights are averaged (EMA) and exported in half precision.
"""

from __future__ import annotations

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

from ..errors import InputError
from ..localization.detector import STRIDE, KneeDetector, encode_targets
from .checkpoint import load_checkpoint, save_checkpoint
from .data.box_annotations import read_box_annotations, read_joint_crops
from .data.composite_radiographs import composite_radiograph
from .data.radiograph_views import augment


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


def train(config: dict[str, Any], output: Path, resume: bool = False) -> dict[str, float]:
    """Train a detector as a recipe says (Resources/recipes/localizer.json) and write the weights ``output``/model.

    Parameters
    ----------
    config
        data (folder of joint crops, see `read_joint_crops`), crop_limit, radiographs (list of {folder, boxes, split},
        see `read_box_annotations`), radiograph_share, canvas_size, channels, seed, steps, minutes (wall-clock limit,
        null for none; the cosine schedule then ends with it), batch_size, learning_rate, weight_decay, warm_up_steps,
        ema_decay, precision ("float32" or "bfloat16"), device, threads, start_from (weights folder to begin with, or
        null), confidence_threshold, overlap_threshold, checkpoint_every, log_every.
    output
        Folder for checkpoint.safetensors and ``model``.
    resume
        Continue from ``output``/checkpoint.safetensors when it exists.

    Returns the last logged losses. Raises InputError on unusable data, checkpoints or precision.
    """
    if config["precision"] not in ("float32", "bfloat16"):
        raise InputError(
            f"The precision {config['precision']!r} is unknown.",
            code="bad-recipe",
            hint='Give "float32" or "bfloat16".',
        )
    output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(config["threads"])
    torch.manual_seed(config["seed"])
    device = torch.device(config["device"])
    crops, sides = read_joint_crops(Path(config["data"]), "train", config["crop_limit"], config["seed"])
    radiographs = [
        radiograph
        for source in config["films"]
        for radiograph in read_box_annotations(Path(source["folder"]), Path(source["boxes"]), source.get("split"))
    ]

    detector = KneeDetector(config["canvas_size"], tuple(config["channels"]))
    if config["start_from"]:
        detector.load_state_dict(KneeDetector.from_pretrained(config["start_from"]).state_dict())
    detector = detector.to(device, memory_format=torch.channels_last)
    average = EMAModel(detector.parameters(), decay=config["ema_decay"])
    rate = config["learning_rate"]
    optimiser = torch.optim.AdamW(detector.parameters(), lr=rate, weight_decay=config["weight_decay"])
    checkpoint = output / "checkpoint.safetensors"
    progress = {"step": 0, "seconds": 0.0}
    if resume and checkpoint.exists():
        progress = load_checkpoint(checkpoint, detector, average, optimiser)

    started, logged, running = time.monotonic() - progress["seconds"], {}, []
    for step in range(progress["step"], config["steps"]):
        seconds = time.monotonic() - started
        # whichever runs out first, steps or minutes, drives the schedule
        done = max(step / config["steps"], seconds / (60 * config["minutes"]) if config["minutes"] else 0.0)
        if done >= 1:
            break
        warm_up = min(1.0, (step + 1) / config["warm_up_steps"])
        for group in optimiser.param_groups:
            group["lr"] = rate * warm_up * 0.5 * (1 + math.cos(math.pi * done))

        seed = (config["seed"], step)
        canvas, heat, regression = draw_batch(
            crops, sides, radiographs, config["film_share"], config["batch_size"], config["canvas_size"], seed
        )
        canvas = canvas.to(device, memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=config["precision"] == "bfloat16"):
            maps = detector(canvas)
        losses = detection_loss(maps, heat.to(device), regression.to(device))
        (losses["heat"] + losses["side"] + 0.5 * losses["offset"]).backward()
        nn.utils.clip_grad_norm_(detector.parameters(), 5.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        average.step(detector.parameters())

        running.append([value.item() for value in losses.values()])
        if (step + 1) % config["log_every"] == 0:
            logged = dict(zip(losses, np.mean(running, axis=0).round(4).tolist(), strict=True))
            running.clear()
            print(json.dumps({"step": step + 1, "minutes": round(seconds / 60, 2), **logged}), flush=True)
        if (step + 1) % config["checkpoint_every"] == 0:
            progress = {"step": step + 1, "seconds": time.monotonic() - started}
            save_checkpoint(checkpoint, detector, average, optimiser, progress)

    average.copy_to(detector.parameters())
    thresholds = {name: config[name] for name in ("confidence_threshold", "overlap_threshold")}
    detector.register_to_config(**thresholds)
    detector.save_pretrained(output / "model")
    return logged
