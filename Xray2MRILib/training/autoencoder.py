"""Train E1 and D to reconstruct MR slices and radiographs (A11), then measure the spread of the latents.

The loss is in ``reconstruction_loss.py``, the recipe in ``recipes/autoencoder.py``. The network is convolutional, so it
learns from patches, which are cheaper than whole slices.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..model_store.assembly import build_components
from ..models.autoencoder import to_autoencoder_channels, to_grey
from .data.pair_data import load_volumes
from .data.picture_set import PictureSet
from .data_origin import describe_pairs, describe_training_data, write_origin
from .log import TrainingLog
from .loop import EmaTrainer, LoopSettings, step_generator
from .precision import autocast
from .recipes.autoencoder import AutoencoderRecipe
from .reconstruction_loss import reconstruction_loss
from .run_setup import prepare_run
from .warm_start import autoencoder_folder, load_matching_weights


def train(recipe: AutoencoderRecipe | Mapping[str, Any], output: Path, resume: bool = False) -> dict[str, Any]:
    """Train by a recipe and write ``output``/autoencoder in diffusers' layout with the measured latent scale.

    Returns the medians {"psnr_db", "ssim"} over held-out slices; a run that ``minutes`` ended returns {"step", "steps"}
    instead. Raises InputError for an unusable recipe, pairs, initial autoencoder or checkpoint.
    """
    recipe = AutoencoderRecipe.from_json(recipe)
    device = prepare_run(output, seed=recipe.seed, threads=recipe.threads, device=recipe.device)
    parts = build_components(recipe.preset, **recipe.changes)
    vae = parts["autoencoder"].to(device, memory_format=torch.channels_last)
    if recipe.initial:
        print(f"{load_matching_weights(vae, autoencoder_folder(recipe.initial))} tensors copied", flush=True)
    statistics = _freeze_encoder(vae, recipe) if recipe.trained == "decoder" else None
    trainer = EmaTrainer(vae, LoopSettings.of(recipe), output, resume=resume)
    pictures = PictureSet(recipe, parts["radiograph_encoder"], device)
    held_out = load_volumes(Path(recipe.held_out), recipe.held_out_knees)
    probe = torch.zeros(4, vae.config.in_channels, 64, 64, device=device).to(memory_format=torch.channels_last)
    precision = trainer.precision(lambda: vae(probe).sample)
    print(f"{len(pictures.current()[0])} knees, {precision} on {device}", flush=True)
    if recipe.compile:
        vae.encoder.compile()
        vae.decoder.compile()

    with TrainingLog(output, recipe.log_every, recipe.steps) as log, pictures:
        for step in trainer.steps():
            generator = step_generator(recipe.seed, step)
            images = draw_patches(*pictures.current(), recipe, generator)
            with autocast(device, precision):
                output_images, posterior = _reconstruct(vae, images, generator)
            loss = reconstruction_loss(
                images,
                output_images.float(),
                posterior,
                recipe.edge_weight,
                recipe.kl_weight,
                recipe.grey_exponent,
            )
            trainer.step(loss)
            log.loss(step + 1, loss)
            if trainer.save_due:
                with trainer.averaged():
                    metrics, sheet, _ = measure_reconstruction(vae, held_out[:4], device)
                    trainer.record_validation(-metrics["psnr_db"])
                log.scalars(step + 1, metrics)
                log.picture(step + 1, "held-out", sheet)
                trainer.save()
    if not trainer.finished:
        return trainer.report_stop()
    trainer.load_best()
    origin = describe_pairs(Path(recipe.data))
    if recipe.initial:
        origin = describe_training_data(origin, autoencoder_folder(recipe.initial), None)
    write_origin(output, origin)
    return finish(vae.eval(), held_out, output, device, statistics)


def _freeze_encoder(vae: torch.nn.Module, recipe: AutoencoderRecipe) -> dict[str, Any]:
    """Leave only the decoder to train; returns mean and spread of the latents as the initial autoencoder has them."""
    for part in (vae.encoder, vae.quant_conv):
        part.requires_grad_(False)
    folder = autoencoder_folder(recipe.initial or "")
    stored = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return {name: stored[name] for name in ("latents_mean", "latents_std")}


def _reconstruct(vae: torch.nn.Module, images: Tensor, generator: torch.Generator) -> tuple[Tensor, Any]:
    """Images [B, 1, P, P] through a draw from their posterior, and the posterior. Draws on the images' device."""
    if images.device.type != "cpu":  # of its own there, so that nothing has to be copied
        generator = torch.Generator(images.device).manual_seed(generator.initial_seed())
    entering = to_autoencoder_channels(images, vae.config.in_channels).to(memory_format=torch.channels_last)
    posterior = vae.encode(entering).latent_dist
    return to_grey(vae.decode(posterior.sample(generator)).sample), posterior


def finish(
    vae: torch.nn.Module, held_out: Tensor, output: Path, device: torch.device, statistics: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Measure reconstruction and latents on held-out volumes and write the network.

    ``statistics`` are the mean and spread of the latents to store; None stores the measured ones.
    """
    metrics, _, latents = measure_reconstruction(vae, held_out, device)
    channels = latents.transpose(0, 1).flatten(1)
    mean, deviation = ([round(float(v), 6) for v in values] for values in (channels.mean(1), channels.std(1)))
    vae.register_to_config(scaling_factor=1.0, **(statistics or {"latents_mean": mean, "latents_std": deviation}))
    vae.save_pretrained(output / "autoencoder", safe_serialization=True)
    (output / "autoencoder_metrics.json").write_text(json.dumps(metrics, indent=1), encoding="utf-8")
    print(json.dumps(metrics), flush=True)
    return metrics


@torch.no_grad()
def measure_reconstruction(
    vae: torch.nn.Module, volumes: Tensor, device: torch.device
) -> tuple[dict[str, float], np.ndarray, Tensor]:
    """How every ninth slice of volumes, uint8 [N, 50, 256, 256], is reconstructed.

    Returns the medians {"psnr_db", "ssim"}, a grey sheet [H, W] in [0, 1] of the first knee's slices above their
    reconstructions, and the latents [M, C, 32, 32].
    """
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    sheet: np.ndarray | None = None
    values, latents = [], []
    for volume in volumes:
        images = volume[4::9, None].float() / 127.5 - 1
        entering = to_autoencoder_channels(images, vae.config.in_channels).to(device)
        posterior = vae.encode(entering).latent_dist
        latents.append(posterior.mean.cpu())
        decoded = to_grey(vae.decode(posterior.mode()).sample).cpu().clamp(-1, 1)
        slices, found = (((x[:, 0] + 1) / 2).numpy() for x in (images, decoded))
        if sheet is None:
            sheet = np.concatenate([np.concatenate(list(row), axis=1) for row in (slices, found)])
        for one, other in zip(slices, found, strict=True):
            ssim = structural_similarity(
                one, other, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
            )
            values.append((peak_signal_noise_ratio(one, other, data_range=1.0), ssim))
    psnr, ssim = (float(torch.tensor(column).median()) for column in zip(*values, strict=True))
    assert sheet is not None  # the first volume made it
    return {"psnr_db": psnr, "ssim": ssim}, sheet, torch.cat(latents)


def draw_patches(
    volumes: Tensor, radiographs: Tensor, recipe: AutoencoderRecipe, generator: torch.Generator | None
) -> Tensor:
    """Random patches [B, 1, P, P] in [-1, 1] of slices and radiographs, on their device.

    Places are drawn on the processor; the device cuts all patches out at once and is not waited for.
    """
    size, patch = volumes.shape[-1], recipe.patch
    draws = torch.rand(recipe.batch_size, 5, generator=generator)
    knee = (draws[:, 0] * len(volumes)).long()
    shown = (draws[:, 0] * len(radiographs)).long()
    slices = (draws[:, 1] * volumes.shape[1]).long()
    # Patches are drawn towards the centre, where the joint is, and never beyond the picture.
    corner = ((0.5 + 0.62 * (draws[:, 2:4].double() - 0.5) * 2 * 0.8) * (size - patch)).long()
    is_radiograph = draws[:, 4] < recipe.radiograph_share
    drawn = torch.stack((knee, shown, slices, *corner.T, is_radiograph.long())).to(volumes.device)
    knee, shown, slices, row, column, is_radiograph = drawn[..., None, None]
    span = torch.arange(patch, device=volumes.device)
    rows, columns = row + span[:, None], column + span
    images = torch.where(
        is_radiograph.bool(), radiographs[shown, 0, rows, columns], volumes[knee, slices, rows, columns]
    )
    return functional.hardtanh(images[:, None].float() / 127.5 - 1)
