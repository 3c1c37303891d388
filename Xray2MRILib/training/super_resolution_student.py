"""Train the student of super-resolution: one pass, deterministic, led by the teacher's pictures and feature maps.

The teacher's pictures are blurred at first and become sharp stage by stage; in the second half the truth joins them.
Without a teacher the truth takes the place of its pictures: the baseline of the same size. Every part can be switched
off by the recipe.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..errors import InputError
from ..super_resolution.enhancement_network import EnhancementUNet
from ..super_resolution.residual_diffusion import angles, noisy_residual
from .data.scan_pairs import FineVolumes, ScanPictures
from .log import TrainingLog
from .loop import EmaTrainer, LoopSettings, step_generator
from .precision import autocast
from .recipes.super_resolution_student import SuperResolutionStudentRecipe
from .run_setup import prepare_run
from .super_resolution import draw, edge_difference, held_out_errors, new_network, write_network
from .teacher_pictures import TaughtPictures, teach

_FEATURES = ("down-1", "middle", "up-1", "up-0")


class LedStudent(nn.Module):
    """The student with the 1 x 1 convolutions that bring its feature maps to the teacher's width; thrown away later."""

    def __init__(self, student: EnhancementUNet, teacher: EnhancementUNet | None) -> None:
        super().__init__()
        self.student = student
        self.projections = nn.ModuleDict()
        if teacher is not None:
            for name in _FEATURES:
                own, wanted = _width(student, name), _width(teacher, name)
                if own and wanted:
                    self.projections[name] = nn.Conv2d(own, wanted, 1)


def _width(network: EnhancementUNet, place: str) -> int:
    """Channels of a feature map; 0 where the network has no such level."""
    widths = [network.config["width"] * m for m in network.config["multipliers"]]
    level = len(widths) - 1 if place == "middle" else int(place.split("-")[1])
    return widths[level] if level < len(widths) else 0


def train(
    recipe: SuperResolutionStudentRecipe | Mapping[str, Any], output: Path, resume: bool = False
) -> dict[str, Any]:
    """Train by a recipe; writes the network's folder ``output``/model with card.json.

    Returns the held-out errors, or {"step", "steps"} of a run that ``minutes`` ended. Raises InputError for an unusable
    recipe, teacher, data or checkpoint.
    """
    recipe = SuperResolutionStudentRecipe.from_json(recipe)
    device = prepare_run(output, seed=recipe.seed, threads=recipe.threads, device=recipe.device)
    volumes = FineVolumes(recipe.data, recipe.knees)
    teacher = None if recipe.teacher is None else load_teacher(Path(recipe.teacher)).to(device)
    print(f"{len(volumes)} volumes on {device}, {'with' if teacher else 'without'} a teacher", flush=True)
    taught = None if teacher is None else teach(teacher, volumes, recipe, output)
    led = LedStudent(new_network(recipe.network, volumes, recipe, teacher=False), teacher).to(device)
    trainer = EmaTrainer(led, LoopSettings.of(recipe, keep="last"), output, resume=resume)
    first = draw(volumes, recipe, 0, blocks=1, slices=1)
    precision = trainer.precision(lambda: led.student(first.pictures.to(device), first.scalars.to(device)))
    with TrainingLog(output, recipe.log_every, recipe.steps) as log:
        for step in trainer.steps():
            generator = step_generator(recipe.seed, step)
            with autocast(device, precision):
                if teacher is None or taught is None:
                    loss = plain_loss(led, draw(volumes, recipe, step), recipe, device)
                else:
                    batch = taught.drawn(recipe.blocks * recipe.slices, generator)
                    loss = led_loss(led, teacher, batch, recipe, step, generator, device)
            trainer.step(loss)
            log.loss(step + 1, loss)
            if trainer.save_due:
                trainer.save()
    if not trainer.finished:
        return trainer.report_stop()
    trainer.load_best()
    student = led.student.eval()
    measures = held_out_errors(recipe, lambda batch: student_pictures(student, batch, device))
    write_network(student, output / "model", recipe, measures)
    return measures


def student_pictures(student: EnhancementUNet, batch: ScanPictures, device: torch.device) -> Tensor:
    """The student's pictures [B, 1, H, W] of a batch."""
    residual = student(batch.pictures.to(device), batch.scalars.to(device))
    return batch.interpolated + residual.float().cpu() * student.config["residual_scale"]


def load_teacher(folder: Path) -> EnhancementUNet:
    """The frozen teacher of a folder of ``train super-resolution``. Raises InputError for another network."""
    inner = folder / "model"
    network = EnhancementUNet.from_pretrained(inner if inner.is_dir() else folder)
    if not network.is_teacher:
        raise InputError(
            f"The folder {folder.name} holds a student, which cannot teach.",
            code="bad-recipe",
            hint="Name the folder of xray2mri train super-resolution.",
            field="teacher",
        )
    return network.requires_grad_(False).to(memory_format=torch.channels_last)


def plain_loss(
    led: LedStudent, batch: ScanPictures, recipe: SuperResolutionStudentRecipe, device: torch.device
) -> Tensor:
    """Mean absolute error to the truth, and of its edges, in units of the residual's spread."""
    scale = led.student.config["residual_scale"]
    truth = batch.residual.to(device) / scale
    found = led.student(batch.pictures.to(device), batch.scalars.to(device)).float()
    return (found - truth).abs().mean() + recipe.edge_weight * edge_difference(found, truth)


def led_loss(
    led: LedStudent, teacher: EnhancementUNet, batch: TaughtPictures, recipe: SuperResolutionStudentRecipe, step: int,
    generator: torch.Generator, device: torch.device,
) -> Tensor:  # fmt: skip
    """|f - G y_T| + feature maps + truth in the second half + edges; see the module."""
    scale = led.student.config["residual_scale"]
    pictures, scalars = batch.scan.pictures.to(device), batch.scan.scalars.to(device)
    interpolated = batch.scan.interpolated.to(device)
    truth = batch.scan.residual.to(device) / scale
    taught = batch.taught.to(device)
    wanted = (blurred(taught, blur_of_step(recipe, step)) - interpolated) / scale
    found, own = led.student.with_features(pictures, scalars)
    loss = (found.float() - wanted).abs().mean()
    if 2 * step >= recipe.steps:
        loss = loss + recipe.truth_weight * (found.float() - truth).abs().mean()
    loss = loss + recipe.edge_weight * edge_difference(found.float(), truth)
    if recipe.feature_weight > 0 and len(led.projections):
        with torch.no_grad():
            late = angles(recipe.teacher_steps)[-3:-1]
            pick = (torch.rand(len(taught), generator=generator) * 2).long()
            noise = torch.randn(taught.shape, generator=generator).to(device)
            residual = (taught - interpolated) / teacher.config["residual_scale"]
            angle = late[pick].to(device)
            shown = teacher.with_features(pictures, scalars, noisy_residual(residual, noise, angle)[0], angle)[1]
        loss = loss + recipe.feature_weight * feature_distance(led, own, shown)
    return loss


def feature_distance(led: LedStudent, own: Mapping[str, Tensor], shown: Mapping[str, Tensor]) -> Tensor:
    """Mean over the places of |W h_S - h_T|^2 relative to h_T^2; the student's maps take the teacher's size."""
    terms = []
    for name, projection in led.projections.items():
        wanted, found = shown[name].float(), projection(own[name]).float()
        if found.shape[-2:] != wanted.shape[-2:]:
            found = functional.interpolate(found, wanted.shape[-2:], mode="bilinear", align_corners=False)
        terms.append((found - wanted).square().mean() / wanted.square().mean().clamp(min=1e-6))
    return torch.stack(terms).mean()


def blur_of_step(recipe: SuperResolutionStudentRecipe, step: int) -> float:
    """Standard deviation in pixels of the blur of the teacher's pictures: falls to 0 in the last stage."""
    if recipe.stages == 1:
        return 0.0
    left = recipe.stages - 1 - min(step * recipe.stages // recipe.steps, recipe.stages - 1)
    return recipe.blur_px * left / (recipe.stages - 1)


def blurred(pictures: Tensor, deviation: float) -> Tensor:
    """Gaussian blur of pictures [B, 1, H, W], edges repeated."""
    if deviation <= 0:
        return pictures
    reach = max(math.ceil(3 * deviation), 1)
    place = torch.arange(-reach, reach + 1, dtype=torch.float32, device=pictures.device)
    kernel = torch.exp(-0.5 * (place / deviation) ** 2)
    kernel = kernel / kernel.sum()
    padded = functional.pad(pictures, (reach,) * 4, mode="replicate")
    return functional.conv2d(functional.conv2d(padded, kernel[None, None, :, None]), kernel[None, None, None])
