"""Train U and the radiograph tokens: predict the noise (or the velocity) of a slice's latent (paper eq. 8, 15).

Targets are posterior samples of E1 times the latent scale; conditions are the radiograph latent, depth u, p, i and the
tokens, dropped at random as in Zero-123 (A19). Every slice of a knee shares its radiograph; depths are drawn at random.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from diffusers.training_utils import compute_snr
from safetensors import SafetensorError
from torch import Tensor, nn

from ..baselines.registry import OURS
from ..diffusion.radiograph_conditions import RadiographConditions
from ..diffusion.sampling_settings import check_sampling
from ..diffusion.schedule import training_target
from ..diffusion.slice_loop import denoise, in_whole_field
from ..errors import InputError
from ..model_store.assembly import build_components
from ..model_store.network_folder import load_network
from ..models.autoencoder import decode_latents, scaled_latents
from ..models.condition_dropout import drop_conditions
from .data.pair_data import KneeLatents, soft_grades
from .export_model import assemble_model, origins
from .latent_cache import kept_latents
from .log import TrainingLog
from .loop import EmaTrainer, step_generator
from .precision import autocast, choose_device
from .warm_start import autoencoder_folder, model_part, take_over


class Denoiser(nn.Module):
    """U and the token encoder as one trainable network."""

    def __init__(self, unet: nn.Module, encoder: nn.Module) -> None:
        super().__init__()
        self.unet, self.encoder = unet, encoder


def train(config: dict[str, Any], output: Path, resume: bool = False) -> dict[str, Any]:
    """Train as a recipe says; writes ``output``/unet, ``radiograph_encoder`` and ``scheduler`` in diffusers' layout.

    At the end the whole model is written in half precision as ``output``/model.

    Parameters
    ----------
    config
        data, held_out (folders of simulated pairs), autoencoder (folder that ``train autoencoder`` wrote, or
        ``compact`` for the shipped one), method (a name of baselines.registry), latents (folder for the encoded knees,
        which runs that differ in nothing but the method may share; null for ``output``), preset,
        changes (of the preset's components), initial (a model folder, the output of an earlier training, or
        ``compact`` for the shipped model, whose tensors are taken over where they fit, see initial_weights; null for
        none), variants (how many bent versions of
        each knee), bend_mm (see crop_frame), knees (limit, null for all), exposures, workers (processes that make the
        knees ready for encoding, 0 for none), steps, minutes, keep, learning_rate, warm_up_steps, weight_decay,
        ema_decay, save_every (see EmaTrainer), knees_per_batch, depths_per_knee, noise_emphasis (1 draws all
        steps t alike; 2 in proportion to t, because the noisy ones decide the anatomy), min_snr_gamma (0 = off),
        sampling (what the model's card asks for, see diffusion.sampling_settings; null: as printed), eight_bit (whether
        the model is stored in int8), precision, compile, device, threads, seed, log_every.

    Returns {"held_out_loss", "other_radiograph_loss"} on held-out knees at fixed noise and steps, with averaged
    weights, and the "step" that these are of. A run that ``minutes`` ended returns {"step", "steps"}. Raises InputError
    for unusable pairs, autoencoder, checkpoints or entries.
    """
    _check_sampling(config)
    output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config["seed"])
    if config.get("threads"):
        torch.set_num_threads(config["threads"])
    device = choose_device(config["device"])
    parts = build_components(config["preset"], method=config.get("method", OURS), **config.get("changes", {}))
    autoencoder = autoencoder_folder(config["autoencoder"])
    vae = _trained_autoencoder(autoencoder).to(device, memory_format=torch.channels_last).eval()
    encoder, scheduler = parts["radiograph_encoder"].to(device), parts["scheduler"]
    network = Denoiser(parts["unet"], encoder).to(device, memory_format=torch.channels_last)
    if config.get("initial"):
        taken = take_over(network.unet, model_part(config["initial"], "unet"))
        taken += take_over(encoder, model_part(config["initial"], "radiograph_encoder"))
        print(f"{taken} of {len(network.state_dict())} tensors taken over", flush=True)
    training = EmaTrainer(network, config, output, resume=resume)
    # noted now: the files may be others when the training ends
    trained_from = training.progress.setdefault("trained_from", origins(autoencoder, config.get("initial")))
    places = encoder.config.slice_size // 8
    probe = torch.zeros(8, parts["unet"].config.in_channels, places, places, device=device)
    probe = probe.to(memory_format=torch.channels_last)
    uniform = {"p": torch.full((8, 5), 0.2, device=device), "i": torch.full((8, 64), 1 / 64, device=device)}
    trial = partial(network.unet, probe, 10, torch.zeros(8, device=device), uniform)
    precision = training.precision(trial)
    cast = partial(autocast, device, precision)
    encode = partial(kept_latents, vae=vae, encoder=encoder, config=config, cast=cast, device=device)
    latents = Path(config.get("latents") or output)
    latents.mkdir(parents=True, exist_ok=True)
    held_out = encode(Path(config["held_out"]), latents / "latents-held_out.safetensors", variant=None).to(device)
    variants = [
        encode(Path(config["data"]), latents / f"latents-{v}.safetensors", variant=v)
        for v in range(config.get("variants", 1))
    ]
    knees = KneeLatents.joined(variants).to(device)
    del variants
    print(f"{len(knees)} knees, {precision} on {device}", flush=True)
    if config.get("compile"):
        network.unet.compile()
    loss_of = partial(
        denoising_loss, network, scheduler=scheduler, scaled=latent_scaling(vae.config, device), config=config
    )

    with TrainingLog(output, config["log_every"], config["steps"]) as log:
        for step in training.steps():
            with cast():
                loss = loss_of(knees, generator=step_generator(config["seed"], step, device))
            training.descend(loss)
            log.loss(step + 1, loss)
            if training.due:
                with training.averaged():
                    metrics = _held_out_losses(network, loss_of, held_out, cast)
                    log.scalars(step + 1, metrics)
                    log.picture(step + 1, "held-out", sampled_sheet(network, vae, scheduler, held_out, cast, device))
                    if training.note(metrics["held_out_loss"]):
                        _write(network, scheduler, output, {"step": step + 1, **metrics})
                training.save()
                print(f"step {step + 1} held out {json.dumps(metrics)}", flush=True)
    if not training.finished:
        return training.pause()
    # Measured and written once more, since a run may have been killed between its last checkpoint and this line.
    metrics = {"step": training.take_result(), **_held_out_losses(network, loss_of, held_out, cast)}
    _write(network, scheduler, output, metrics)
    assemble_model(autoencoder, output, output / "model", config, trained_from)
    return metrics


def _check_sampling(config: dict[str, Any]) -> None:
    try:
        check_sampling(config.get("sampling"))
    except InputError as error:
        raise InputError(
            f"The entry sampling of the recipe cannot be used: {error}", code="bad-recipe", hint="Give null or others."
        ) from error


def _trained_autoencoder(folder: Path) -> AutoencoderKL:
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


def latent_scaling(config: Mapping[str, Any], device: torch.device) -> Callable[[Tensor], Tensor]:
    """``scaled_latents`` with means and deviations laid out on ``device`` once, so that a step copies nothing there."""
    if not config.get("latents_mean"):
        return partial(scaled_latents, config)
    mean, deviation = (torch.tensor(config[n], device=device)[:, None, None] for n in ("latents_mean", "latents_std"))
    return lambda latents: (latents - mean) / deviation * config["scaling_factor"]


def denoising_loss(
    network: Denoiser, knees: KneeLatents, *, scheduler: Any, scaled: Callable[[Tensor], Tensor],
    config: dict[str, Any], generator: torch.Generator | None, dropout: bool = True, radiograph_shift: int = 0,
) -> Tensor:  # fmt: skip
    """Mean weighted squared error of the prediction over a random batch of knees and depths (eq. 15).

    Everything is drawn by ``generator`` and computed on the device that the knees lie on, without waiting for it.
    ``radiograph_shift`` gives every knee the radiograph and conditions of the knee that many places on (a control).
    """
    k, d, device = config["knees_per_batch"], config["depths_per_knee"], knees.mean.device
    drawn = {"generator": generator, "device": device}
    knee = torch.randint(len(knees), (k,), **drawn)
    exposure = torch.randint(knees.crops.shape[1], (k,), **drawn)
    depth = torch.randint(knees.mean.shape[1], (k, d), **drawn)
    rows, slices = knee.repeat_interleave(d), depth.reshape(-1)
    mean, deviation = knees.mean[rows, slices].float(), knees.deviation[rows, slices].float()
    z = scaled(mean + deviation[..., None, None] * torch.randn(mean.shape, **drawn))
    noise = torch.randn(z.shape, **drawn)
    share = torch.rand(k * d, **drawn) ** (1 / config.get("noise_emphasis", 1.0))
    t = (share * scheduler.config.num_train_timesteps).long()
    noisy = scheduler.add_noise(z, noise, t)
    target = training_target(scheduler, z, noise, t)

    knee = (knee + radiograph_shift) % len(knees)
    crops = knees.crops[knee, exposure][:, None].float() / 127.5 - 1
    latent = knees.radiograph_latents[knee, exposure].float()
    latent, token = network.encoder.trained_conditions(latent, crops.to(memory_format=torch.channels_last))
    latent = latent.repeat_interleave(d, 0)
    conditions = {
        "p": soft_grades(knees.grades[knee], generator).repeat_interleave(d, 0),
        "i": knees.histograms[knee, exposure].repeat_interleave(d, 0),
    }
    token = None if token is None else token.repeat_interleave(d, 0)
    if dropout:
        latent, token, conditions = drop_conditions(latent, token, conditions, generator)
    u = slices.float() / (knees.mean.shape[1] - 1) * 2 - 1
    entering = torch.cat((noisy, latent), dim=1).to(memory_format=torch.channels_last)
    output = network.unet(entering, t, u, conditions, token)
    error = (output.float() - target).square().mean(dim=(1, 2, 3))
    return (error * _snr_weight(scheduler, t, config["min_snr_gamma"])).mean()


def _snr_weight(scheduler: Any, t: Tensor, gamma: float) -> Tensor:
    """min-SNR weight of each step (Hang et al. 2023) for the scheduler's prediction type; ones when gamma is 0."""
    if not gamma:
        return torch.ones(len(t), device=t.device)
    snr = compute_snr(scheduler, t)
    divisor = snr + 1 if scheduler.config.prediction_type == "v_prediction" else snr
    return snr.clamp(max=gamma) / divisor


@torch.no_grad()
def _held_out_losses(
    network: Denoiser, loss_of: Callable[..., Tensor], knees: KneeLatents, cast: Callable[[], Any]
) -> dict[str, float]:
    """Loss over eight fixed batches of held-out knees, with their own radiographs and with those of others.

    Other radiographs are those of the fifth knee on, which has the same grade: the loss rises by what the radiograph
    tells.
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
        crop = knees.crops[knee, :1, None].reshape(1, 1, 256, 256).float().to(device) / 127.5 - 1
        count = len(depths)
        vectors = {"p": torch.eye(5)[int(knees.grades[knee])][None], "i": knees.histograms[knee, :1]}
        with cast():
            latent = knees.radiograph_latents[knee, :1].float().to(device)
            latent, token = network.encoder.trained_conditions(latent, crop)
            conditions = RadiographConditions(latent, token, {n: v.to(device) for n, v in vectors.items()})
            u = torch.tensor(depths, device=device).float() / (knees.mean.shape[1] - 1) * 2 - 1
            noise = torch.randn(1, *knees.mean.shape[2:], generator=torch.Generator().manual_seed(0)).to(device)
            made = denoise(
                network.unet, scheduler, noise.expand(count, -1, -1, -1), u, conditions, num_inference_steps=steps
            )
            truth = scaled_latents(vae.config, knees.mean[knee, list(depths)].float().to(device))
            both = decode_latents(vae, torch.stack((truth, made), dim=1).flatten(0, 1).to(vae.dtype))
            both = in_whole_field(both)
        lines.append(torch.cat((crop[0, 0].cpu(), *both[:, 0].float().cpu()), dim=1))
    network.train()
    return ((torch.cat(lines) + 1) / 2).clamp(0, 1).numpy()


def _write(network: Denoiser, scheduler: Any, output: Path, metrics: dict[str, Any]) -> None:
    network.unet.save_pretrained(output / "unet", safe_serialization=True)
    network.encoder.save_pretrained(output / "radiograph_encoder", safe_serialization=True)
    scheduler.save_pretrained(output / "scheduler")
    (output / "diffusion_metrics.json").write_text(json.dumps(metrics, indent=1))
