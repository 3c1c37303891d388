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
from .data.pair_data import KneeLatents
from .recipes.diffusion import DiffusionRecipe
from .slice_batch import SliceBatch, draw_batch


class Denoiser(nn.Module):
    """U and the radiograph encoder as one trainable network."""

    def __init__(self, unet: nn.Module, encoder: nn.Module) -> None:
        super().__init__()
        self.unet, self.encoder = unet, encoder

    def forward(self, noisy: Tensor, batch: SliceBatch) -> Tensor:
        """The prediction [B, C, h, w] of noise or velocity for the noisy latents of a batch."""
        crops = batch.crops.to(memory_format=torch.channels_last)
        latent, token = self.encoder.trained_conditions(batch.radiograph_latents, crops, batch.embeddings)
        d = batch.depths_per_knee
        latent, token = latent.repeat_interleave(d, 0), None if token is None else token.repeat_interleave(d, 0)
        conditions = batch.conditions
        if batch.dropout is not None:
            latent, token, conditions = drop_conditions(latent, token, conditions, draw=batch.dropout)
        entering = torch.cat((noisy, latent), dim=1).to(memory_format=torch.channels_last)
        return self.unet(entering, batch.t, batch.u, conditions, token)


def latent_scaling(config: Mapping[str, Any], device: torch.device) -> Callable[[Tensor], Tensor]:
    """``scaled_latents`` with means and deviations stored on ``device`` once, so that a step copies nothing there."""
    if not config.get("latents_mean"):
        return partial(scaled_latents, config)
    mean, deviation = (torch.tensor(config[n], device=device)[:, None, None] for n in ("latents_mean", "latents_std"))
    return lambda latents: (latents - mean) / deviation * config["scaling_factor"]


def drawn_batch(
    knees: KneeLatents, *, scheduler: Any, recipe: DiffusionRecipe, generator: torch.Generator | None, **more: Any
) -> SliceBatch:
    """A batch of ``draw_batch`` as large as the recipe says."""
    return draw_batch(
        knees, knees_per_batch=recipe.knees_per_batch, depths_per_knee=recipe.depths_per_knee,
        noise_emphasis=recipe.noise_emphasis, timesteps=scheduler.config.num_train_timesteps, generator=generator,
        **{"regraded_share": recipe.regraded_share} | more,
    )  # fmt: skip


def batch_loss(
    network: Callable[..., Tensor], batch: SliceBatch, *, scheduler: Any, scaled: Callable[[Tensor], Tensor],
    min_snr_gamma: float,
) -> Tensor:  # fmt: skip
    """Mean weighted squared error of the prediction over the slices of a batch (eq. 15)."""
    z = scaled(batch.clean)
    noisy = scheduler.add_noise(z, batch.noise, batch.t)
    target = training_target(scheduler, z, batch.noise, batch.t)
    error = (network(noisy, batch).float() - target).square().mean(dim=(1, 2, 3))
    return (error * snr_weight(scheduler, batch.t, min_snr_gamma)).mean()


def denoising_loss(
    network: Denoiser, knees: KneeLatents, *, scheduler: Any, scaled: Callable[[Tensor], Tensor],
    recipe: DiffusionRecipe, generator: torch.Generator | None, **more: Any,
) -> Tensor:  # fmt: skip
    """``batch_loss`` of a random batch of knees and depths; ``more`` as for ``draw_batch``."""
    batch = drawn_batch(knees, scheduler=scheduler, recipe=recipe, generator=generator, **more)
    return batch_loss(network, batch, scheduler=scheduler, scaled=scaled, min_snr_gamma=recipe.min_snr_gamma)


def snr_weight(scheduler: Any, t: Tensor, gamma: float) -> Tensor:
    """min-SNR weight of each step (Hang et al. 2023) for the scheduler's prediction type; ones when gamma is 0."""
    if not gamma:
        return torch.ones(len(t), device=t.device)
    snr = compute_snr(scheduler, t)
    divisor = snr + 1 if scheduler.config.prediction_type == "v_prediction" else snr
    return snr.clamp(max=gamma) / divisor
