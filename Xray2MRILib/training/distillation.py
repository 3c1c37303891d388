"""Distil a model into a student of few steps: guidance folded in first, then half the steps in every round.

Source: Salimans and Ho, "Progressive Distillation for Fast Sampling of Diffusion Models" (arXiv 2202.00512); Meng et
al., "On Distillation of Guided Diffusion Models" (arXiv 2210.03142). ``distillation_target.py`` has the formulas. The
student is U alone: autoencoder and radiograph encoder are the teacher's. It has two modes, since the deviation over
seeds is measured on samples as printed, and these must not have the guidance in them.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..diffusion.sampling_settings import SamplingSettings
from ..errors import InputError
from ..models.condition_dropout import null_conditions
from ..models.conditional_unet import Xray2MRIUNet
from .data.pair_data import KneeLatents
from .denoising_loss import latent_scaling
from .distillation_target import StepGrid, guided_share, state_at, turned, two_step_target
from .distillation_teacher import encoding_autoencoder, load_teacher
from .latent_cache import encode_knees
from .log import TrainingLog
from .loop import EmaTrainer, LoopSettings, step_generator
from .precision import autocast
from .recipes.distillation import DistillationRecipe
from .run_setup import prepare_run
from .slice_batch import SliceBatch, draw_batch

_NOT_IN_CARD = ("data", "held_out", "teacher", "autoencoder", "latents", "eight_bit")  # folders, and what is seen
_HELD_OUT_STEPS = 40  # of the guided teacher whose samples the student is compared with


def train(recipe: DistillationRecipe | Mapping[str, Any], output: Path, resume: bool = False) -> dict[str, Any]:
    """Distil by a recipe; writes the student of every round as a model folder ``output``/model-N with N steps.

    Returns {"rounds": {steps: metrics}}, see ``error_to_teacher``; a run that ``minutes`` ended returns {"step",
    "steps"} of its round. Raises InputError for an unusable recipe, teacher, pairs or checkpoint.
    """
    recipe = DistillationRecipe.from_json(recipe)
    _check_rounds(recipe)
    device = prepare_run(output, seed=recipe.seed, threads=recipe.threads, device=recipe.device)
    ends = math.inf if recipe.minutes is None else time.monotonic() + 60 * recipe.minutes
    distiller = Distiller.of(recipe, output, device)
    print(f"{len(distiller.knees)} knees, {distiller.precision} on {device}", flush=True)
    metrics: dict[str, Any] = {}
    reference = None  # the student of the round before
    for number, (steps, updates) in enumerate(zip(recipe.rounds, recipe.updates, strict=True)):
        student = distiller.new_student(reference)
        minutes = None if math.isinf(ends) else max(ends - time.monotonic(), 1e-3) / 60
        settings = LoopSettings(
            steps=updates, learning_rate=recipe.learning_rate, warm_up_steps=None, weight_decay=recipe.weight_decay,
            ema_decay=recipe.ema_decay, save_every=recipe.save_every, minutes=minutes, keep="last",
            precision=distiller.precision,
        )  # fmt: skip
        folder = output / f"round-{steps}"
        folder.mkdir(exist_ok=True)
        trainer = EmaTrainer(student, settings, folder, resume=resume)
        with TrainingLog(folder, recipe.log_every, updates) as log:
            for step in trainer.steps():
                generator = step_generator(recipe.seed + 101 * number, step, device)
                with distiller.cast():
                    loss = distiller.loss(student, reference, steps, generator)
                trainer.step(loss, rate=recipe.learning_rate * (1 - step / updates))
                log.loss(step + 1, loss)
                if trainer.save_due:
                    trainer.save()
        if not trainer.finished:
            return trainer.report_stop()
        trainer.load_best()
        metrics[str(steps)] = distiller.error_to_teacher(student, steps)
        print(f"{steps} steps: {json.dumps(metrics[str(steps)])}", flush=True)
        distiller.write(student, steps, metrics, output / f"model-{steps}")
        reference = student.requires_grad_(False).eval()
    return {"rounds": metrics}


@dataclass
class Distiller:
    """The teacher, the knees, and what a student learns from them."""

    recipe: DistillationRecipe
    teacher_folder: Path
    parts: dict[str, Any]
    card: dict[str, Any]
    teacher_hashes: dict[str, str]
    sampling: SamplingSettings
    knees: KneeLatents
    held_out: KneeLatents
    precision: str
    cast: Callable[[], Any]
    device: torch.device
    grids: dict[int, StepGrid] = field(default_factory=dict)

    @classmethod
    def of(cls, recipe: DistillationRecipe, output: Path, device: torch.device) -> Distiller:
        """Load the teacher and encode the knees. Raises InputError for a teacher that cannot be distilled."""
        folder, hashes, parts, card = load_teacher(recipe.teacher)
        encoding = encoding_autoencoder(recipe, parts["autoencoder"]).to(device, memory_format=torch.channels_last)
        for name in ("autoencoder", "unet", "radiograph_encoder"):
            parts[name].to(device, memory_format=torch.channels_last).requires_grad_(False).eval()
        precision = recipe.precision
        if precision == "auto":
            precision = "bfloat16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "float32"
        cast = partial(autocast, device, precision)
        knees, held_out = encode_knees(
            recipe, output, vae=encoding.eval(), encoder=parts["radiograph_encoder"], cast=cast, device=device
        )
        sampling = SamplingSettings().for_model(card)
        return cls(recipe, folder, parts, card, hashes, sampling, knees, held_out, precision, cast, device)

    def new_student(self, before: Xray2MRIUNet | None) -> Xray2MRIUNet:
        """A network of two modes with the weights of the round before, or of the teacher."""
        source = before or self.parts["unet"]
        student = Xray2MRIUNet.from_config({**source.config, "two_modes": True})
        missing, unknown = student.load_state_dict(source.state_dict(), strict=False)
        assert not unknown
        assert set(missing) <= {"printed_mode"}
        student.to(self.device, memory_format=torch.channels_last)
        if self.recipe.compile:
            student.compile()
        return student

    def loss(
        self, student: Xray2MRIUNet, before: Xray2MRIUNet | None, steps: int, generator: torch.Generator
    ) -> Tensor:
        """Mean squared error of the student's velocity in one random batch; ``before`` None folds the guidance in."""
        batch = self._batch(generator)
        place = torch.randint(steps, (len(batch),), generator=generator, device=self.device)
        printed = torch.rand(len(batch), generator=generator, device=self.device) < self.recipe.printed_share
        reduced = torch.full((len(batch),), float(self.sampling.noise_scale or 1.0), device=self.device)
        scale = torch.where(printed, torch.ones_like(reduced), reduced)
        grid = self._grid(steps)
        conditions = self._conditions(batch)
        with torch.no_grad():
            clean = latent_scaling(self.parts["autoencoder"].config, self.device)(batch.clean)
            z = state_at(clean, batch.noise, grid.angles[place], scale)
            if before is None:
                share = float(self.sampling.guidance_share or 0.0)
                guided = guided_share(place, steps, share) & ~printed
                target = self._guided(z, grid.timesteps[place], batch.u, conditions, guided)
            else:
                velocity = partial(_velocity, before, depth=batch.u, conditions=conditions, printed=printed)
                fine = self._grid(2 * steps)
                target = two_step_target(velocity, grid, fine, z, place)
        found = _velocity(student, z, grid.timesteps[place], depth=batch.u, conditions=conditions, printed=printed)
        return (found.float() - target.float()).square().mean()

    def _grid(self, steps: int) -> StepGrid:
        if steps not in self.grids:
            self.grids[steps] = StepGrid.of(self.parts["scheduler"], steps, self.device)
        return self.grids[steps]

    def _batch(self, generator: torch.Generator, knees: KneeLatents | None = None) -> SliceBatch:
        return draw_batch(
            knees or self.knees, knees_per_batch=self.recipe.knees_per_batch,
            depths_per_knee=self.recipe.depths_per_knee, noise_emphasis=1.0,
            timesteps=self.parts["scheduler"].config.num_train_timesteps, generator=generator, dropout=False,
            regraded_share=self.recipe.regraded_share,
        )  # fmt: skip

    @torch.no_grad()
    def _conditions(self, batch: SliceBatch) -> dict[str, Any]:
        encoder, d = self.parts["radiograph_encoder"], batch.depths_per_knee
        crops = batch.crops.to(memory_format=torch.channels_last)
        latent, token = encoder.trained_conditions(batch.radiograph_latents, crops, batch.embeddings)
        token = None if token is None else token.repeat_interleave(d, 0)
        return {"latent": latent.repeat_interleave(d, 0), "token": token, "vectors": batch.conditions}

    @torch.no_grad()
    def _guided(
        self, z: Tensor, t: Tensor, depth: Tensor, conditions: dict[str, Any], guided: Tensor
    ) -> Tensor:  # fmt: skip
        """The teacher's velocity with its guidance where ``guided`` [B] says so."""
        unet = self.parts["unet"]
        velocity = partial(_velocity, unet, z, t, depth=depth, printed=None)
        with_radiograph = velocity(conditions=conditions)
        null = {
            "latent": torch.zeros_like(conditions["latent"]),
            "token": None if conditions["token"] is None else torch.zeros_like(conditions["token"]),
            "vectors": null_conditions(conditions["vectors"]),
        }
        without = velocity(conditions=null)
        strength = torch.where(guided, float(self.sampling.guidance_scale or 1.0), 1.0)[:, None, None, None]
        return without + strength * (with_radiograph - without)

    @torch.no_grad()
    def error_to_teacher(self, student: Xray2MRIUNet, steps: int) -> dict[str, float]:
        """How far samples lie from the guided teacher's samples with many steps, on held-out knees, same noise.

        {"student", "teacher"}: root mean square difference of the latents, both with ``steps`` steps, relative to the
        standard deviation of the many-step samples.
        """
        generator = torch.Generator(self.device).manual_seed(977)
        batch = self._batch(generator, self.held_out)
        conditions = self._conditions(batch)
        noise = float(self.sampling.noise_scale or 1.0) * batch.noise
        share = float(self.sampling.guidance_share or 0.0)

        def teacher(count: int) -> Tensor:
            z, grid = noise, self._grid(count)
            for place in range(count):
                places = torch.full((len(batch),), place, device=self.device)
                guided = guided_share(places, count, share)
                v = self._guided(z, grid.timesteps[places], batch.u, conditions, guided)
                z = turned(z, v, (grid.angles[place] - grid.angles[place + 1]).expand(len(batch)))
            return z

        student.eval()
        z, grid = noise, self._grid(steps)
        printed = torch.zeros(len(batch), dtype=torch.bool, device=self.device)
        for place in range(steps):
            t = grid.timesteps[place].expand(len(batch))
            v = _velocity(student, z, t, depth=batch.u, conditions=conditions, printed=printed)
            z = turned(z, v, (grid.angles[place] - grid.angles[place + 1]).expand(len(batch)))
        wanted = teacher(_HELD_OUT_STEPS)
        spread = float(wanted.std())
        errors = {"student": z - wanted, "teacher": teacher(steps) - wanted}
        return {name: round(float(e.square().mean().sqrt()) / spread, 4) for name, e in errors.items()}

    def write(self, student: Xray2MRIUNet, steps: int, metrics: dict[str, Any], folder: Path) -> None:
        """Write the student as a model folder whose card names its teacher and its steps."""
        from ..generation.pipeline import Xray2MRIPipeline

        teacher_sampling = {
            name: getattr(self.sampling, name)
            for name in ("guidance_scale", "guidance_share", "noise_scale", "renewed_noise")
        }
        card = {
            **self.card,
            "sampling": {
                "num_inference_steps": steps, "guidance_scale": 1.0, "guidance_share": 1.0,
                "noise_scale": self.sampling.noise_scale, "renewed_noise": self.sampling.renewed_noise,
            },
            "distilled": {
                "teacher": self.teacher_folder.name,
                "teacher_sha256": self.teacher_hashes,
                "teacher_sampling": teacher_sampling,
                "error_to_teacher": dict(metrics),
                "recipe": self.recipe.to_json(without=_NOT_IN_CARD),
            },
        }  # fmt: skip
        parts = {**self.parts, "unet": student}
        Xray2MRIPipeline(**parts).save_pretrained(
            folder, half_precision=True, eight_bit=self.recipe.eight_bit, card=card
        )


def _velocity(
    unet: Xray2MRIUNet, z: Tensor, t: Tensor, *, depth: Tensor, conditions: Mapping[str, Any], printed: Tensor | None
) -> Tensor:
    """The velocity [B, C, h, w] that a network predicts; ``printed`` [B] is the mode of a network of two modes."""
    entering = torch.cat((z, conditions["latent"]), dim=1).to(memory_format=torch.channels_last)
    mode: dict[str, Any] = {} if printed is None else {"as_printed": printed}
    return unet(entering, t, depth, conditions["vectors"], conditions["token"], **mode).float()


def _check_rounds(recipe: DistillationRecipe) -> None:
    halved = all(late * 2 == early for early, late in zip(recipe.rounds, recipe.rounds[1:], strict=False))
    if not halved or len(recipe.updates) != len(recipe.rounds):
        raise InputError(
            f"The rounds {list(recipe.rounds)} of the recipe do not halve the steps with a number of updates each.",
            code="bad-recipe",
            hint="Give rounds such as [16, 8, 4] and as many updates.",
            field="rounds",
        )
