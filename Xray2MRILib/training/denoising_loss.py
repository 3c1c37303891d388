"""The loss of the diffusion model (paper eq. 7, 8, 15): predict the noise, or the velocity, in a slice's latent.

Targets are posterior samples of E1 times the latent scale. Conditions are the radiograph latent, depth u, p, i and the
tokens, dropped at random as in Zero-123 (A19). All slices of a knee share its radiograph; depths are drawn at random.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from diffusers.training_utils import compute_snr
from torch import Tensor, nn

from ..diffusion.schedule import training_target
from ..models.autoencoder import scaled_latents
from ..models.condition_dropout import drop_conditions
from .data.pair_data import KneeLatents, soft_grades
from .recipes.diffusion import DiffusionRecipe


class Denoiser(nn.Module):
    """U and the token encoder as one trainable network."""

    def __init__(self, unet: nn.Module, encoder: nn.Module) -> None:
        super().__init__()
        self.unet, self.encoder = unet, encoder


def latent_scaling(config: Mapping[str, Any], device: torch.device) -> Callable[[Tensor], Tensor]:
    """``scaled_latents`` with means and deviations stored on ``device`` once, so that a step copies nothing there."""
    if not config.get("latents_mean"):
        return partial(scaled_latents, config)
    mean, deviation = (torch.tensor(config[n], device=device)[:, None, None] for n in ("latents_mean", "latents_std"))
    return lambda latents: (latents - mean) / deviation * config["scaling_factor"]


def denoising_loss(
    network: Denoiser, knees: KneeLatents, *, scheduler: Any, scaled: Callable[[Tensor], Tensor],
    recipe: DiffusionRecipe, generator: torch.Generator | None, dropout: bool = True, radiograph_shift: int = 0,
) -> Tensor:  # fmt: skip
    """Mean weighted squared error of the prediction over a random batch of knees and depths (eq. 15).

    ``generator`` draws everything; all is computed on the device of the knees, without waiting for it.
    ``radiograph_shift`` gives each knee the radiograph and conditions of the knee that many places later (a control).
    """
    k, d, device = recipe.knees_per_batch, recipe.depths_per_knee, knees.mean.device
    drawn: dict[str, Any] = {"generator": generator, "device": device}
    knee = torch.randint(len(knees), (k,), **drawn)
    exposure = torch.randint(knees.crops.shape[1], (k,), **drawn)
    depth = torch.randint(knees.mean.shape[1], (k, d), **drawn)
    rows, slices = knee.repeat_interleave(d), depth.reshape(-1)
    mean, deviation = knees.mean[rows, slices].float(), knees.deviation[rows, slices].float()
    z = scaled(mean + deviation[..., None, None] * torch.randn(mean.shape, **drawn))
    noise = torch.randn(z.shape, **drawn)
    share = torch.rand(k * d, **drawn) ** (1 / recipe.noise_emphasis)
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
    return (error * snr_weight(scheduler, t, recipe.min_snr_gamma)).mean()


def snr_weight(scheduler: Any, t: Tensor, gamma: float) -> Tensor:
    """min-SNR weight of each step (Hang et al. 2023) for the scheduler's prediction type; ones when gamma is 0."""
    if not gamma:
        return torch.ones(len(t), device=t.device)
    snr = compute_snr(scheduler, t)
    divisor = snr + 1 if scheduler.config.prediction_type == "v_prediction" else snr
    return snr.clamp(max=gamma) / divisor
