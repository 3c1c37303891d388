"""L_rec of the second stage (paper Algorithm 1 and eq. 6), monitored on held-out knees and never trained on (A10).

The slice is estimated in one step from z_t and the prediction, decoded, and compared with what the autoencoder makes of
the true latent. At the noisiest steps the estimate says little, so the figure is an average over all steps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..models.autoencoder import decode_latents
from ..models.diffusers_parts import AutoencoderKL
from .slice_batch import SliceBatch


def one_step_estimate(scheduler: Any, noisy: Tensor, prediction: Tensor, t: Tensor) -> Tensor:
    """z_0 [B, C, h, w] from z_t, the predicted noise or velocity, and the steps t [B] (eq. 4 solved for z_0)."""
    alpha = scheduler.alphas_cumprod.to(noisy.device)[t][:, None, None, None]
    if scheduler.config.prediction_type == "epsilon":
        return (noisy - (1 - alpha).sqrt() * prediction) / alpha.sqrt().clamp(min=1e-4)
    return alpha.sqrt() * noisy - (1 - alpha).sqrt() * prediction


@torch.no_grad()
def reconstruction_estimate(
    network: Callable[..., Tensor], vae: AutoencoderKL, batch: SliceBatch, *, scheduler: Any,
    scaled: Callable[[Tensor], Tensor],
) -> float:  # fmt: skip
    """Mean squared error of the decoded estimates of a batch's slices, grey values in [-1, 1]."""
    z = scaled(batch.clean)
    noisy = scheduler.add_noise(z, batch.noise, batch.t)
    estimate = one_step_estimate(scheduler, noisy, network(noisy, batch).float(), batch.t)
    made, true = (decode_latents(vae, latents.to(vae.dtype)).float().clamp(-1, 1) for latents in (estimate, z))
    return float((made - true).square().mean())
