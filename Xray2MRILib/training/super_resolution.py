"""Train the teacher of super-resolution: a diffusion model of what interpolation lacks, conditioned on the scan.

Each step draws from (seed, step), so that a resumed run equals an uninterrupted one. docs/super-resolution.md.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..files.json_files import write_json
from ..super_resolution.enhancement_network import EnhancementUNet
from ..super_resolution.residual_diffusion import noisy_residual, sample_residual
from .data.scan_pairs import FineVolumes, ScanPictures, draw_scan_pictures
from .log import TrainingLog
from .loop import EmaTrainer, LoopSettings, step_generator
from .precision import autocast
from .recipes.super_resolution import EnhancementNetworkSection, SuperResolutionRecipe
from .recipes.super_resolution_student import SuperResolutionStudentRecipe
from .run_setup import prepare_run

_MEASURED_SEED, _MEASURED_BATCHES = 90_001, 4
_HELD_OUT_STEPS = 10
NOT_IN_CARD = ("data", "held_out", "teacher")  # folders


def train(recipe: SuperResolutionRecipe | Mapping[str, Any], output: Path, resume: bool = False) -> dict[str, Any]:
    """Train by a recipe; writes the network's folder ``output``/model with card.json.

    Returns the held-out errors, see ``held_out_errors``, or {"step", "steps"} of a run that ``minutes`` ended. Raises
    InputError for an unusable recipe, data or checkpoint.
    """
    recipe = SuperResolutionRecipe.from_json(recipe)
    device = prepare_run(output, seed=recipe.seed, threads=recipe.threads, device=recipe.device)
    volumes = FineVolumes(recipe.data, recipe.knees)
    print(f"{len(volumes)} volumes on {device}", flush=True)
    network = new_network(recipe.network, volumes, recipe, teacher=True).to(device)
    settings = LoopSettings.of(recipe, keep="last")
    trainer = EmaTrainer(network, settings, output, resume=resume)
    angle_of_trial = torch.full((recipe.blocks,), 1.0, device=device)
    first = draw(volumes, recipe, 0, blocks=recipe.blocks, slices=1)
    trial = tuple(part.to(device) for part in (first.pictures, first.scalars))
    precision = trainer.precision(lambda: network(*trial, trial[0][:, :1], angle_of_trial))
    with TrainingLog(output, recipe.log_every, recipe.steps) as log:
        for step in trainer.steps():
            generator = step_generator(recipe.seed, step)
            batch = draw(volumes, recipe, step)
            angle = torch.rand(len(batch.truth), generator=generator) * (math.pi / 2)
            noise = torch.randn(batch.truth.shape, generator=generator)
            z, velocity = noisy_residual(batch.residual / network.config["residual_scale"], noise, angle)
            pictures, scalars, z, angle = (t.to(device) for t in (batch.pictures, batch.scalars, z, angle))
            with autocast(device, precision):
                found = network(pictures, scalars, z, angle)
            loss = (found.float() - velocity.to(device)).square().mean()
            trainer.step(loss)
            log.loss(step + 1, loss)
            if trainer.save_due:
                trainer.save()
    if not trainer.finished:
        return trainer.report_stop()
    trainer.load_best()
    measures = held_out_errors(recipe, lambda batch: teacher_pictures(network, batch, device))
    write_network(network, output / "model", recipe, measures)
    return measures


def draw(
    volumes: FineVolumes, recipe: SuperResolutionRecipe | SuperResolutionStudentRecipe, step: int, **sizes: int
) -> ScanPictures:
    """The batch of one step, the same whether the run was stopped before it or not."""
    return draw_scan_pictures(
        volumes, step_generator(recipe.seed + 1, step), blocks=sizes.get("blocks", recipe.blocks),
        slices=sizes.get("slices", recipe.slices), tile=recipe.tile, guidance_missing=recipe.guidance_missing,
    )  # fmt: skip


def new_network(
    sizes: EnhancementNetworkSection, volumes: FineVolumes,
    recipe: SuperResolutionRecipe | SuperResolutionStudentRecipe, *, teacher: bool,
) -> EnhancementUNet:  # fmt: skip
    """An untrained network whose ``residual_scale`` is measured on the first batches."""
    residuals = [draw(volumes, recipe, 10_000_000 + k).residual for k in range(_MEASURED_BATCHES)]
    scale = float(torch.cat(residuals).std())
    network = EnhancementUNet(
        **sizes.to_json(), teacher=teacher, residual_scale=round(max(scale, 1e-3), 5), linear_head=True,
        local_contrast=True,
    )  # fmt: skip
    return network.to(memory_format=torch.channels_last)


def teacher_pictures(network: EnhancementUNet, batch: ScanPictures, device: torch.device) -> Tensor:
    """One sample of the teacher [B, 1, H, W] for a batch."""
    noise = torch.randn(batch.truth.shape, generator=torch.Generator().manual_seed(_MEASURED_SEED))
    residual = sample_residual(
        network, batch.pictures.to(device), batch.scalars.to(device), noise.to(device), _HELD_OUT_STEPS
    )
    return batch.interpolated + residual.cpu() * network.config["residual_scale"]


def held_out_errors(
    recipe: SuperResolutionRecipe | SuperResolutionStudentRecipe, enhanced: Callable[[ScanPictures], Tensor]
) -> dict[str, Any]:
    """Errors of ``enhanced`` and of cubic interpolation on volumes that did not train; {} without any.

    {"network", "cubic"}: {"l1", "edge_l1"}, mean absolute error of pixels and of neighbours' differences.
    """
    if recipe.held_out is None:
        return {}
    volumes = FineVolumes(recipe.held_out)
    sums: dict[str, list[tuple[float, float]]] = {"network": [], "cubic": []}
    for k in range(_MEASURED_BATCHES):
        generator = torch.Generator().manual_seed(_MEASURED_SEED + k)
        batch = draw_scan_pictures(
            volumes, generator, blocks=recipe.blocks, slices=recipe.slices, tile=recipe.tile, guidance_missing=1.0
        )
        with torch.no_grad():
            found = {"network": enhanced(batch), "cubic": batch.interpolated}
        for name, pictures in found.items():
            sums[name].append(
                (float((pictures - batch.truth).abs().mean()), float(edge_difference(pictures, batch.truth)))
            )
    measures = {
        name: {"l1": sum(v[0] for v in values) / len(values), "edge_l1": sum(v[1] for v in values) / len(values)}
        for name, values in sums.items()
    }
    print(json.dumps(measures), flush=True)
    return measures


def edge_difference(found: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute difference of the differences between neighbouring pixels, along rows and columns."""
    down = (found.diff(dim=-2) - truth.diff(dim=-2)).abs().mean()
    across = (found.diff(dim=-1) - truth.diff(dim=-1)).abs().mean()
    return down + across


def write_network(
    network: EnhancementUNet, folder: Path, recipe: SuperResolutionRecipe | SuperResolutionStudentRecipe,
    measures: dict[str, Any],
) -> None:  # fmt: skip
    """The folder of a trained network and card.json: training data, licence, recipe and held-out errors."""
    network.eval().save_pretrained(folder, eight_bit=recipe.eight_bit)
    card = {
        "network": "teacher" if network.is_teacher else "student",
        "training_data": "simulated knees seen by two scanners (docs/super-resolution.md); no patient's MRI",
        "license": "Apache-2.0",
        "held_out_errors": measures,
        "recipe": recipe.to_json(without=NOT_IN_CARD),
    }
    write_json(folder / "card.json", card)
