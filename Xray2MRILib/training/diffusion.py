"""Train U and the radiograph encoder on the latents of simulated pairs (paper Algorithm 1).

The loss is in ``denoising_loss.py``, the recipe in ``recipes/diffusion.py``. E1 is frozen, so every knee is encoded
once (``latent_cache.py``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from ..diffusion.radiograph_conditions import RadiographConditions
from ..diffusion.sampling_settings import SamplingSettings, check_sampling
from ..diffusion.slice_loop import denoise, enlarge_to_field
from ..errors import InputError
from ..model_store.assembly import build_components
from ..model_store.clip_weights import load_clip_weights
from ..model_store.network_folder import load_network
from ..models.autoencoder import decode_latents, scaled_latents
from ..models.clip_tower import has_published_size
from ..models.diffusers_parts import AutoencoderKL
from ..volume.geometry import CROP_FRAME
from .data.pair_data import KneeLatents
from .denoising_loss import Denoiser, denoising_loss, latent_scaling
from .export_model import assemble_model, origins
from .latent_cache import encode_knees
from .log import TrainingLog
from .loop import EmaTrainer, LoopSettings, step_generator
from .precision import autocast
from .recipes.diffusion import DiffusionRecipe
from .run_setup import prepare_run
from .told_conditions import changes_with_told, check_told
from .warm_start import autoencoder_folder, holds_clip_tower, load_matching_weights, model_part


def train(recipe: DiffusionRecipe | Mapping[str, Any], output: Path, resume: bool = False) -> dict[str, Any]:
    """Train by a recipe; writes ``output``/unet, ``radiograph_encoder`` and ``scheduler`` in diffusers' layout.

    At the end it writes the whole model in half precision as ``output``/model. Returns {"held_out_loss",
    "other_film_loss"} on held-out knees at fixed noise and steps, with averaged weights, and their "step"; a run that
    ``minutes`` ended returns {"step", "steps"}. Raises InputError for an unusable recipe, pairs, autoencoder or
    checkpoint.
    """
    recipe = DiffusionRecipe.from_json(recipe)
    _check_sampling(recipe)
    device = prepare_run(output, seed=recipe.seed, threads=recipe.threads, device=recipe.device)
    parts = build_components(recipe.preset, method=recipe.method, **changes_with_told(recipe))
    autoencoder = autoencoder_folder(recipe.autoencoder)
    vae = load_autoencoder(autoencoder).to(device, memory_format=torch.channels_last).eval()
    encoder, scheduler = parts["radiograph_encoder"], parts["scheduler"]
    network = Denoiser(parts["unet"], encoder)
    _begin(network, recipe)
    tower = encoder.take_tower()  # frozen: it is needed to encode the radiographs and in the finished model
    network = network.to(device, memory_format=torch.channels_last)
    trainer = EmaTrainer(network, LoopSettings.of(recipe), output, resume=resume)
    # recorded now: the files may be others when the training ends
    trained_from = trainer.progress.setdefault("trained_from", origins(autoencoder, recipe.initial))
    precision = trainer.precision(_trial(network, device))
    cast = partial(autocast, device, precision)
    with encoder.with_tower(tower):
        knees, held_out = encode_knees(recipe, output, vae=vae, encoder=encoder, cast=cast, device=device)
    check_told(recipe, knees, held_out)
    print(f"{len(knees)} knees, {precision} on {device}", flush=True)
    if recipe.compile:
        network.unet.compile()
    loss_of = partial(
        denoising_loss, network, scheduler=scheduler, scaled=latent_scaling(vae.config, device), recipe=recipe
    )

    with TrainingLog(output, recipe.log_every, recipe.steps) as log:
        for step in trainer.steps():
            with cast():
                loss = loss_of(knees, generator=step_generator(recipe.seed, step, device))
            trainer.step(loss)
            log.loss(step + 1, loss)
            if trainer.save_due:
                with trainer.averaged():
                    metrics = _held_out_losses(network, loss_of, held_out, cast)
                    log.scalars(step + 1, metrics)
                    log.picture(step + 1, "held-out", sampled_sheet(network, vae, scheduler, held_out, cast, device))
                    if trainer.record_validation(metrics["held_out_loss"]):
                        _write(network, tower, scheduler, output, {"step": step + 1, **metrics})
                trainer.save()
                print(f"step {step + 1} held out {json.dumps(metrics)}", flush=True)
    if not trainer.finished:
        return trainer.report_stop()
    # Measured and written once more, since a run may have been killed between its last checkpoint and this line.
    metrics = {"step": trainer.load_best(), **_held_out_losses(network, loss_of, held_out, cast)}
    _write(network, tower, scheduler, output, metrics)
    assemble_model(autoencoder, output, output / "model", recipe, trained_from)
    return metrics


def _begin(network: Denoiser, recipe: DiffusionRecipe) -> None:
    """Load the weights that the training begins from: the initial model's and CLIP's published ones."""
    if recipe.initial:
        copied = load_matching_weights(network.unet, model_part(recipe.initial, "unet"))
        copied += load_matching_weights(network.encoder, model_part(recipe.initial, "radiograph_encoder"))
        print(f"{copied} of {len(network.state_dict())} tensors copied", flush=True)
    if network.encoder.config.token_encoder == "clip" and not (recipe.initial and holds_clip_tower(recipe.initial)):
        if has_published_size(network.encoder.clip_visual):
            load_clip_weights(network.encoder.clip_visual, Path(recipe.clip_weights) if recipe.clip_weights else None)


def _check_sampling(recipe: DiffusionRecipe) -> None:
    try:
        check_sampling(recipe.sampling)
    except InputError as error:
        raise InputError(
            f"The entry sampling of the recipe cannot be used: {error}",
            code="bad-recipe",
            hint="Give null or other values.",
            field="sampling",
        ) from error


def _trial(network: Denoiser, device: torch.device) -> Callable[[], Tensor]:
    """A forward pass of U on eight slices, to compare precisions."""
    places = network.encoder.config.slice_size // 8
    probe = torch.zeros(8, network.unet.config.in_channels, places, places, device=device)
    probe = probe.to(memory_format=torch.channels_last)
    config = network.unet.config
    sizes = zip(config.condition_names, config.condition_sizes, strict=True)
    uniform = {name: torch.full((8, size), 1 / size, device=device) for name, size in sizes}
    return partial(network.unet, probe, 10, torch.zeros(8, device=device), uniform)


def load_autoencoder(folder: Path) -> AutoencoderKL:
    """What ``train autoencoder`` wrote. Raises InputError when the folder does not hold it."""
    try:
        return load_network(AutoencoderKL, folder)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise InputError(
            f"The folder {folder.name} holds no autoencoder.",
            code="bad-recipe",
            hint="Train an autoencoder first and give its folder, or compact for the shipped one.",
            field="autoencoder",
        ) from error


@torch.no_grad()
def _held_out_losses(
    network: Denoiser, loss_of: Callable[..., Tensor], knees: KneeLatents, cast: Callable[[], Any]
) -> dict[str, float]:
    """Loss over eight fixed batches of held-out knees, with their own radiographs and with those of other knees.

    The other radiograph is that of the knee five places later, which has the same grade. The increase of the loss
    measures how much the model uses the radiograph.
    """
    network.eval()
    losses = {}
    for name, shift in (("held_out_loss", 0), ("other_film_loss", 5)):
        values = []
        for index in range(8):
            generator = torch.Generator(knees.mean.device).manual_seed(977 + index)
            with cast():
                values.append(float(loss_of(knees, generator=generator, dropout=False, radiograph_shift=shift)))
        losses[name] = sum(values) / len(values)
    network.train()
    return losses


@torch.no_grad()
def sampled_sheet(
    network: Denoiser, vae: AutoencoderKL, scheduler: Any, knees: KneeLatents, cast: Any, device: torch.device,
    *, rows: int = 3, depths: tuple[int, ...] = (14, 24, 34), steps: int = 10,
) -> np.ndarray:  # fmt: skip
    """Grey sheet [H, W] in [0, 1]: per knee its normalised radiograph, then true and generated slices in turn."""
    network.eval()
    chosen = [round(k * (len(knees) - 1) / max(rows - 1, 1)) for k in range(rows)]
    lines = []
    for knee in chosen:
        crop = knees.crops[knee, :1, None].reshape(1, *CROP_FRAME.shape).float().to(device) / 127.5 - 1
        count = len(depths)
        grade = int(knees.grades[knee])
        p = torch.full((1, 5), 0.2) if grade < 0 else torch.eye(5)[grade][None]
        told = {name: vector[knee][None] for name, vector in knees.told().items()}
        vectors = {"p": p, "i": knees.histograms[knee, :1], **told}
        with cast():
            latent = knees.radiograph_latents[knee, :1].float().to(device)
            embedding = None if knees.embeddings is None else knees.embeddings[knee, :1].to(device)
            latent, token = network.encoder.trained_conditions(latent, crop, embedding)
            conditions = RadiographConditions(latent, token, {n: v.to(device) for n, v in vectors.items()})
            u = torch.tensor(depths, device=device).float() / (knees.mean.shape[1] - 1) * 2 - 1
            noise = torch.randn(1, *knees.mean.shape[2:], generator=torch.Generator().manual_seed(0)).to(device)
            made = denoise(
                network.unet, scheduler, noise.expand(count, -1, -1, -1), u, conditions, SamplingSettings(steps)
            )
            truth = scaled_latents(vae.config, knees.mean[knee, list(depths)].float().to(device))
            both = decode_latents(vae, torch.stack((truth, made), dim=1).flatten(0, 1).to(vae.dtype))
            both = enlarge_to_field(both)
        lines.append(torch.cat((crop[0, 0].cpu(), *both[:, 0].float().cpu()), dim=1))
    network.train()
    return ((torch.cat(lines) + 1) / 2).clamp(0, 1).numpy()


def _write(network: Denoiser, tower: nn.Module | None, scheduler: Any, output: Path, metrics: dict[str, Any]) -> None:
    network.unet.save_pretrained(output / "unet", safe_serialization=True)
    with network.encoder.with_tower(tower):
        network.encoder.save_pretrained(output / "radiograph_encoder", safe_serialization=True)
    scheduler.save_pretrained(output / "scheduler")
    (output / "diffusion_metrics.json").write_text(json.dumps(metrics, indent=1))
