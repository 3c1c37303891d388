"""Train the CAE generator on the pairs of the diffusion model, in the same frame and with the same bends."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import open_memmap
from torch import Tensor

from ..baselines.cae_generator import WIDTHS, CaeGenerator, hybrid_loss
from ..files.json_files import write_json
from ..generation.cae_pipeline import CaePipeline
from ..volume.geometry import CROP_FRAME, OAI_FIELD
from .data.graded_radiographs import to_bytes
from .data.training_knee import list_training_pairs, open_knee
from .data_origin import describe_pairs
from .log import TrainingLog
from .loop import EmaTrainer, LoopSettings, step_generator
from .precision import autocast
from .recipes.cae import CaeRecipe
from .run_setup import prepare_run


def train(recipe: CaeRecipe | Mapping[str, Any], output: Path, resume: bool = False) -> dict[str, Any]:
    """Train by a recipe (``recipes/cae.py``) and write the model folder ``output``/model.

    Returns {"held_out_film_mse", "held_out_volume_mse"} with averaged weights, in units of the range [-1, 1]. A run
    that ``minutes`` ended returns {"step", "steps"}. Raises InputError for an unusable recipe, pairs or checkpoint.
    """
    recipe = CaeRecipe.from_json(recipe)
    device = prepare_run(output, seed=recipe.seed, threads=recipe.threads, device=recipe.device)
    network = CaeGenerator(width=WIDTHS[recipe.preset]).to(device)
    trainer = EmaTrainer(network, LoopSettings.of(recipe, keep="last"), output, resume=resume)
    radiographs, volumes = _load_or_make_pairs(Path(recipe.data), output / "training", recipe, bend=True)
    probe = torch.zeros(2, *CROP_FRAME.shape, device=device)
    precision = trainer.precision(lambda: network.volume(probe))
    cast = partial(autocast, device, precision)
    print(f"{len(radiographs)} knees, {precision} on {device}", flush=True)
    network.train()
    with TrainingLog(output, recipe.log_every, recipe.steps) as log:
        for step in trainer.steps():
            generator = step_generator(recipe.seed, step)
            knee = torch.randint(len(radiographs), (recipe.batch_size,), generator=generator)
            exposure = torch.randint(radiographs.shape[1], (recipe.batch_size,), generator=generator)
            radiograph = _pictures([radiographs[k, e][None] for k, e in zip(knee, exposure, strict=True)], device)
            volume = _pictures([volumes[k] for k in knee], device)
            with cast():
                loss = hybrid_loss(network, radiograph, volume, recipe.volume_weight)
            trainer.step(loss)
            log.loss(step + 1, loss)
            if trainer.save_due:
                trainer.save()
    if not trainer.finished:
        return trainer.report_stop()
    averaged = trainer.averaged_copy(_statistics_batches(radiographs, recipe.batch_size, device))
    held_out = _load_or_make_pairs(Path(recipe.held_out), output / "held-out", recipe, bend=False)
    metrics = _held_out(averaged, *held_out, device)
    origin = describe_pairs(Path(recipe.data))
    card = {
        "preset": recipe.preset,
        "method": {"name": "cae", "title": "CAE generator"},
        "training_data": origin.text,
        "licence": origin.licence,
        "intended_use": "research and teaching; synthetic pictures, not for diagnosis",
        "metrics": metrics,
        "recipe": recipe.to_json(without=("data", "held_out")),
    }
    CaePipeline(averaged).save_pretrained(output / "model", card=card)
    write_json(output / "cae_metrics.json", metrics)
    print(json.dumps(metrics), flush=True)
    return metrics


def _load_or_make_pairs(folder: Path, cache: Path, recipe: CaeRecipe, *, bend: bool) -> tuple[np.ndarray, np.ndarray]:
    """Radiographs uint8 [N, E, 256, 256] and volumes uint8 [N, 50, 256, 256] on disk, made once; 0 and 255 are -1 and
    1."""
    paths = list_training_pairs(folder)[: recipe.knees]
    variants, exposures = (recipe.variants if bend else 1), recipe.exposures
    files = cache.with_name(f"{cache.name}-films.npy"), cache.with_name(f"{cache.name}-volumes.npy")
    if not all(file.exists() for file in files):
        count = len(paths) * variants
        drafts = [file.with_name(file.name + ".tmp") for file in files]
        shapes = (count, exposures, *CROP_FRAME.shape[1:]), (count, *OAI_FIELD.shape)
        radiographs, volumes = (open_memmap(d, "w+", np.uint8, s) for d, s in zip(drafts, shapes, strict=True))
        for place in range(count):
            variant, knee = divmod(place, len(paths))
            one = open_knee(paths[knee])
            rng = np.random.default_rng([recipe.seed + 7919 * variant, one.seed])
            volume, crops = one.in_radiograph_frame(exposures, rng, bend_mm=recipe.bend_mm if bend else None)
            radiographs[place], volumes[place] = to_bytes(crops), np.round(volume * 255)
        for draft, file, array in zip(drafts, files, (radiographs, volumes), strict=True):
            array.flush()
            draft.replace(file)
    return tuple(np.load(file, mmap_mode="r") for file in files)


def _pictures(parts: list[np.ndarray], device: torch.device) -> Tensor:
    return torch.from_numpy(np.stack(parts)).to(device).float() / 127.5 - 1


def _statistics_batches(radiographs: np.ndarray, batch: int, device: torch.device) -> Iterator[Tensor]:
    """Batches of radiographs on which the batch-norm statistics are measured."""
    parts = np.array_split(np.arange(len(radiographs))[:256], max(1, min(len(radiographs), 256) // batch))
    return (_pictures([radiographs[k, 0][None] for k in part], device) for part in parts if len(part) > 1)


@torch.no_grad()
def _held_out(
    network: CaeGenerator, radiographs: np.ndarray, volumes: np.ndarray, device: torch.device
) -> dict[str, float]:
    errors = []
    for radiograph, volume in zip(radiographs, volumes, strict=True):
        picture, truth = _pictures([radiograph[:1]], device), _pictures([volume], device)
        seen, made = network(picture)
        radiograph_error = (seen - network.radiograph_as_seen(picture)).square().mean()
        errors.append((float(radiograph_error), float((made - truth).square().mean())))
    radiograph_mse, volume_mse = np.mean(errors, axis=0)
    return {"held_out_film_mse": float(radiograph_mse), "held_out_volume_mse": float(volume_mse)}
