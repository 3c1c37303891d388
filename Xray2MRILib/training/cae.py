"""Train the CAE generator on the pairs that the diffusion model learns from, in the same frame, bent alike."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import open_memmap
from torch import Tensor

from ..baselines.cae_generator import WIDTHS, CaeGenerator, hybrid_loss
from ..files.shipped_weights import write_json
from ..generation.cae_pipeline import CaePipeline
from ..simulation.pairs.pair_store import list_pairs, read_pair
from .data.graded_radiographs import to_bytes
from .data.pair_data import pair_in_radiograph_frame
from .log import TrainingLog
from .loop import EmaTrainer, step_generator
from .precision import autocast, choose_device


def train(config: dict[str, Any], output: Path, resume: bool = False) -> dict[str, Any]:
    """Train as a recipe says (Resources/recipes/cae.json) and write the model folder ``output``/model.

    Parameters
    ----------
    config
        data, held_out (folders of simulated pairs), preset, knees (limit, null for all), variants, bend_mm, exposures
        (as for diffusion), batch_size (2 or more), volume_weight (lambda), steps, minutes, learning_rate,
        warm_up_steps, weight_decay, ema_decay, save_every (see EmaTrainer), precision, device, threads, seed,
        log_every.

    Returns {"held_out_radiograph_mse", "held_out_volume_mse"} with averaged weights, in units of the range [-1, 1]. A
    run that ``minutes`` ended returns {"step", "steps"}.
    """
    output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config["seed"])
    if config.get("threads"):
        torch.set_num_threads(config["threads"])
    device = choose_device(config["device"])
    network = CaeGenerator(width=WIDTHS[config["preset"]]).to(device)
    training = EmaTrainer(network, config, output, resume=resume)
    radiographs, volumes = _pairs_once(Path(config["data"]), output / "training", config, bent=True)
    probe = torch.zeros(2, 1, 256, 256, device=device)
    precision = training.precision(lambda: network.volume(probe))
    cast = partial(autocast, device, precision)
    print(f"{len(radiographs)} knees, {precision} on {device}", flush=True)
    network.train()
    with TrainingLog(output, config["log_every"], config["steps"]) as log:
        for step in training.steps():
            generator = step_generator(config["seed"], step)
            knee = torch.randint(len(radiographs), (config["batch_size"],), generator=generator)
            exposure = torch.randint(radiographs.shape[1], (config["batch_size"],), generator=generator)
            radiograph = _pictures([radiographs[k, e][None] for k, e in zip(knee, exposure, strict=True)], device)
            volume = _pictures([volumes[k] for k in knee], device)
            with cast():
                loss = hybrid_loss(network, radiograph, volume, config["volume_weight"])
            training.descend(loss)
            log.loss(step + 1, loss)
            if training.due:
                training.save()
    if not training.finished:
        return training.pause()
    training.take_result()
    _measure_batch_statistics(network, radiographs, volumes, config["batch_size"], device)
    metrics = _held_out(
        network, *_pairs_once(Path(config["held_out"]), output / "held-out", config, bent=False), device
    )
    recipe = {key: value for key, value in config.items() if key not in ("data", "held_out")}
    card = {
        "preset": config["preset"],
        "method": {"name": "cae", "title": "CAE generator"},
        "training_data": "simulated knees made by this project; no patient's MRI",
        "licence": "Apache-2.0",
        "intended_use": "research and teaching; synthetic pictures, not for diagnosis",
        "metrics": metrics,
        "recipe": recipe,
    }
    CaePipeline(network).save_pretrained(output / "model", card=card)
    write_json(output / "cae_metrics.json", metrics)
    print(json.dumps(metrics), flush=True)
    return metrics


def _pairs_once(folder: Path, kept: Path, config: dict[str, Any], *, bent: bool) -> tuple[np.ndarray, np.ndarray]:
    """Radiographs uint8 [N, E, 256, 256] and volumes uint8 [N, 50, 256, 256] on disk, made once; 0 and 255 are -1 and
    1."""
    paths = list_pairs(folder)[: config.get("knees")]
    variants, exposures = (config["variants"] if bent else 1), config["exposures"]
    files = kept.with_name(f"{kept.name}-films.npy"), kept.with_name(f"{kept.name}-volumes.npy")
    if not all(file.exists() for file in files):
        count = len(paths) * variants
        drafts = [file.with_name(file.name + ".tmp") for file in files]
        shapes = (count, exposures, 256, 256), (count, 50, 256, 256)
        radiographs, volumes = (open_memmap(d, "w+", np.uint8, s) for d, s in zip(drafts, shapes, strict=True))
        for place in range(count):
            variant, knee = divmod(place, len(paths))
            pair = read_pair(paths[knee])
            rng = np.random.default_rng([config["seed"] + 7919 * variant, pair.parameters.seed])
            volume, crops = pair_in_radiograph_frame(pair, exposures, rng, bend_mm=config["bend_mm"] if bent else None)
            radiographs[place], volumes[place] = to_bytes(crops), np.round(volume * 255)
        for draft, file, array in zip(drafts, files, (radiographs, volumes), strict=True):
            array.flush()
            draft.replace(file)
    return tuple(np.load(file, mmap_mode="r") for file in files)


def _pictures(parts: list[np.ndarray], device: torch.device) -> Tensor:
    return torch.from_numpy(np.stack(parts)).to(device).float() / 127.5 - 1


@torch.no_grad()
def _measure_batch_statistics(
    network: CaeGenerator, radiographs: np.ndarray, volumes: np.ndarray, batch: int, device: torch.device
) -> None:
    """The running statistics belong to the weights before averaging; they are measured anew."""
    parts = np.array_split(np.arange(len(radiographs))[:256], max(1, min(len(radiographs), 256) // batch))
    batches = (_pictures([radiographs[k, 0][None] for k in part], device) for part in parts if len(part) > 1)
    torch.optim.swa_utils.update_bn(batches, network)


@torch.no_grad()
def _held_out(
    network: CaeGenerator, radiographs: np.ndarray, volumes: np.ndarray, device: torch.device
) -> dict[str, float]:
    network.eval()
    errors = []
    for radiograph, volume in zip(radiographs, volumes, strict=True):
        picture, truth = _pictures([radiograph[:1]], device), _pictures([volume], device)
        seen, made = network(picture)
        radiograph_error = (seen - network.radiograph_as_seen(picture)).square().mean()
        errors.append((float(radiograph_error), float((made - truth).square().mean())))
    radiograph_mse, volume_mse = np.mean(errors, axis=0)
    return {"held_out_film_mse": float(radiograph_mse), "held_out_volume_mse": float(volume_mse)}
