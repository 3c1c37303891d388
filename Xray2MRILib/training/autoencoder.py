"""Train E1 and D: reconstruction of MR slices and of laid-in radiographs (paper eq. 6, A11), then measure the latents.

Loss: absolute error of grey values and of their gradients (so that thin bright cartilage survives), on a scale that
spreads the dark end, where cortex, marrow and fat lie close together; squared error; a small Kullback-Leibler term.
Patches rather than whole slices, because the network is convolutional and patches are cheaper.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..errors import InputError
from ..model_store.assembly import build_components
from ..models.autoencoder import to_autoencoder_channels, to_grey
from ..simulation.pairs.pair_store import list_pairs
from .data.pair_data import exposed_crops, load_volumes, prepared, stored_volume
from .log import TrainingLog
from .loop import EmaTrainer, step_generator
from .precision import autocast, choose_device
from .warm_start import autoencoder_folder, take_over


def companded(images: Tensor, exponent: float) -> Tensor:
    """Grey values in [-1, 1] raised to ``exponent`` on the scale 0 to 1, and as [-1, 1] again; below -1 linear.

    With 0.6 the step from cortex to marrow (0.02 to 0.2 of the range) grows from 0.18 to 0.29. The slope is finite at
    black, as a loss needs it.
    """
    softening = 0.02
    floor = softening**exponent
    lifted = (((images + 1) / 2).clamp(min=0) + softening) ** exponent - floor
    below = ((images + 1) / 2).clamp(max=0)
    return 2 * (lifted / ((1 + softening) ** exponent - floor) + below) - 1


def reconstruction_loss(
    images: Tensor, output: Tensor, posterior: Any, edge_weight: float, kl_weight: float, exponent: float = 1.0
) -> Tensor:
    """Absolute error and edge-weighted gradient error of companded images, squared error, KL per latent element.

    Images are [B, 1, H, W] in [-1, 1]; ``exponent`` 1 leaves grey values as they are.
    """
    error = (images - output).square().mean()
    if exponent != 1:
        images, output = companded(images, exponent), companded(output, exponent)
    error = error + (images - output).abs().mean()
    edges = sum(((images - output).diff(dim=axis)).abs().mean() for axis in (-1, -2))
    spread = 0.5 * (posterior.mean.float().square() + posterior.var.float() - 1 - posterior.logvar.float()).mean()
    return error + edge_weight * edges + kl_weight * spread


def train(config: dict[str, Any], output: Path, resume: bool = False) -> dict[str, Any]:
    """Train as a recipe says and write ``output``/autoencoder in diffusers' layout with the measured latent scale.

    Parameters
    ----------
    config
        data, held_out (folders of simulated pairs), knees (how many to hold in memory), preset, changes (of the
        preset's components), initial (folder of an earlier autoencoder, or ``compact``, whose tensors of equal shape
        are taken over, or null), trained ("all", or "decoder": E1 stays as in ``initial``, and a diffusion model of its
        latents goes on fitting), steps, minutes, keep, learning_rate, warm_up_steps, weight_decay, ema_decay,
        save_every (see EmaTrainer), batch_size, patch (pixels), radiograph_share (0..1 of a batch), edge_weight,
        kl_weight, grey_exponent, held_out_knees (how many are measured), precision, device, threads, workers (processes
        that read the pairs, 0 for none), compile, seed, log_every.

    Returns {"psnr_db", "ssim"} on held-out slices, medians; mean and spread of the latents go into the configuration.
    A run that ``minutes`` ended returns {"step", "steps"} instead.
    """
    output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config["seed"])
    if config.get("threads"):
        torch.set_num_threads(config["threads"])
    device = choose_device(config["device"])
    parts = build_components(config["preset"], **config.get("changes", {}))
    vae = parts["autoencoder"].to(device, memory_format=torch.channels_last)
    if config.get("initial"):
        print(f"{take_over(vae, autoencoder_folder(config['initial']))} tensors taken over", flush=True)
    kept = _frozen_encoder(vae, config) if config.get("trained", "all") != "all" else None
    training = EmaTrainer(vae, {"weight_decay": 1e-4} | config, output, resume=resume)
    volumes, radiographs = (
        pictures.to(device) for pictures in _slices_and_radiographs(config, parts["radiograph_encoder"])
    )
    held_out = load_volumes(Path(config["held_out"]), config.get("held_out_knees", 10))
    probe = torch.zeros(4, vae.config.in_channels, 64, 64, device=device).to(memory_format=torch.channels_last)
    precision = training.precision(lambda: vae(probe).sample)
    print(f"{len(volumes)} knees, {precision} on {device}", flush=True)
    if config.get("compile"):
        vae.encoder.compile()
        vae.decoder.compile()

    with TrainingLog(output, config["log_every"], config["steps"]) as log:
        for step in training.steps():
            generator = step_generator(config["seed"], step)
            images = _batch(volumes, radiographs, config, generator)
            with autocast(device, precision):
                output_images, posterior = _reconstructed(vae, images, generator)
            loss = reconstruction_loss(
                images,
                output_images.float(),
                posterior,
                config["edge_weight"],
                config["kl_weight"],
                config.get("grey_exponent", 1.0),
            )
            training.descend(loss)
            log.loss(step + 1, loss)
            if training.due:
                with training.averaged():
                    metrics, sheet, _ = measured(vae, held_out[:4], device)
                    training.note(-metrics["psnr_db"])
                log.scalars(step + 1, metrics)
                log.picture(step + 1, "held-out", sheet)
                training.save()
    if not training.finished:
        return training.pause()
    training.take_result()
    return finish(vae.eval(), held_out, output, device, kept)


def _frozen_encoder(vae: torch.nn.Module, config: dict[str, Any]) -> dict[str, Any]:
    """Leave nothing but the decoder to train; returns mean and spread of the latents that E1 was measured with."""
    if config["trained"] != "decoder" or not config.get("initial"):
        raise InputError(
            f"The entry trained cannot be {config['trained']!r} here.",
            code="bad-recipe",
            hint="Choose all, or decoder together with an initial autoencoder.",
        )
    for part in (vae.encoder, vae.quant_conv):
        part.requires_grad_(False)
    stored = json.loads((autoencoder_folder(config["initial"]) / "config.json").read_text(encoding="utf-8"))
    return {name: stored[name] for name in ("latents_mean", "latents_std")}


def _reconstructed(vae: torch.nn.Module, images: Tensor, generator: torch.Generator) -> tuple[Tensor, Any]:
    """Images [B, 1, P, P] through a draw from their posterior, and the posterior. Draws on the images' device."""
    if images.device.type != "cpu":  # of its own there, so that nothing has to be copied
        generator = torch.Generator(images.device).manual_seed(generator.initial_seed())
    entering = to_autoencoder_channels(images, vae.config.in_channels).to(memory_format=torch.channels_last)
    posterior = vae.encode(entering).latent_dist
    return to_grey(vae.decode(posterior.sample(generator)).sample), posterior


def finish(
    vae: torch.nn.Module, held_out: Tensor, output: Path, device: torch.device, kept: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Measure reconstruction and latents on held-out volumes, store their spread (or ``kept``), write the network."""
    metrics, _, latents = measured(vae, held_out, device)
    channels = latents.transpose(0, 1).flatten(1)
    mean, deviation = ([round(float(v), 6) for v in values] for values in (channels.mean(1), channels.std(1)))
    statistics = kept or {"latents_mean": mean, "latents_std": deviation}
    vae.register_to_config(scaling_factor=1.0, **statistics)
    vae.save_pretrained(output / "autoencoder", safe_serialization=True)
    (output / "autoencoder_metrics.json").write_text(json.dumps(metrics, indent=1))
    print(json.dumps(metrics), flush=True)
    return metrics


@torch.no_grad()
def measured(
    vae: torch.nn.Module, volumes: Tensor, device: torch.device
) -> tuple[dict[str, float], np.ndarray, Tensor]:
    """How every ninth slice of volumes, uint8 [N, 50, 256, 256], is reconstructed.

    Returns the medians {"psnr_db", "ssim"}, a grey sheet [H, W] in [0, 1] of the first knee's slices above their
    reconstructions, and the latents [M, C, 32, 32].
    """
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    values, latents, sheet = [], [], None
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
    return {"psnr_db": psnr, "ssim": ssim}, sheet, torch.cat(latents)


def _slices_and_radiographs(config: dict[str, Any], encoder: torch.nn.Module) -> tuple[Tensor, Tensor]:
    """Slices, uint8 [N, 50, 256, 256], and a radiograph of each knee as E2 shows it to the autoencoder, [N, 1, 256,
    256]."""
    paths = list_pairs(Path(config["data"]))[: config["knees"]]
    volumes, views = [], []
    for volume, crops in prepared(partial(_volume_and_crop, seed=config["seed"]), paths, config.get("workers", 0)):
        volumes.append(torch.from_numpy(volume))
        view = encoder.autoencoder_view(torch.from_numpy(crops)[:, None])[0]
        views.append(((view + 1) * 127.5).round().to(torch.uint8))
    return torch.stack(volumes), torch.stack(views)


def _volume_and_crop(path: Path, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    return stored_volume(path), exposed_crops(path, 1, seed)


def _batch(volumes: Tensor, radiographs: Tensor, config: dict[str, Any], generator: torch.Generator) -> Tensor:
    """Random patches [B, 1, P, P] in [-1, 1]; slices mirrored at random, since left knees meet the network mirrored."""
    size, patch = volumes.shape[-1], config["patch"]
    images = []
    for _ in range(config["batch_size"]):
        draw = torch.rand(5, generator=generator)
        knee = int(draw[0] * len(volumes))
        if draw[4] < config["radiograph_share"]:
            picture = radiographs[int(draw[0] * len(radiographs)), 0]
        else:
            picture = volumes[knee, int(draw[1] * volumes.shape[1])]
        # Patches are drawn towards the centre, where the joint is, and never beyond the picture.
        row, column = (int((0.5 + 0.62 * (float(d) - 0.5) * 2 * 0.8) * (size - patch)) for d in draw[2:4])
        images.append(picture[row : row + patch, column : column + patch])
    stacked = torch.stack(images)[:, None].float() / 127.5 - 1
    return functional.hardtanh(stacked)
