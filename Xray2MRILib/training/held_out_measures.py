"""Measures and pictures of held-out knees while a diffusion model learns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..diffusion.radiograph_conditions import RadiographConditions
from ..diffusion.sampling_settings import SamplingSettings
from ..diffusion.slice_loop import denoise, enlarge_to_field
from ..models.autoencoder import decode_latents, scaled_latents
from ..models.diffusers_parts import AutoencoderKL
from ..volume.geometry import CROP_FRAME
from .data.pair_data import KneeLatents
from .denoising_loss import Denoiser
from .reconstruction_estimate import reconstruction_estimate
from .slice_batch import SliceBatch

_BATCHES = 8
_DECODED_KNEES = 8  # of a batch: decoding costs more than predicting


@torch.no_grad()
def held_out_losses(
    network: Denoiser, loss_of: Callable[..., Tensor], draw: Callable[..., SliceBatch], cast: Callable[[], Any]
) -> dict[str, float]:
    """Loss over eight fixed batches of held-out knees, with their own radiographs and with those of other knees.

    ``draw`` draws a batch of them with a generator. The other radiograph is that of the knee five places later, which
    has the same grade. The increase of the loss measures how much the model uses the radiograph.
    """
    network.eval()
    losses = {}
    for name, shift in (("held_out_loss", 0), ("other_film_loss", 5)):
        values = []
        for batch in _fixed_batches(network, draw, radiograph_shift=shift):
            with cast():
                values.append(float(loss_of(network, batch)))
        losses[name] = sum(values) / len(values)
    network.train()
    return losses


def held_out_reconstruction(
    network: Denoiser, vae: AutoencoderKL, draw: Callable[..., SliceBatch], cast: Callable[[], Any], **schedule: Any
) -> dict[str, float]:
    """L_rec of ``reconstruction_estimate`` over the same batches, at most eight knees of each (A10)."""
    network.eval()
    values = []
    for batch in _fixed_batches(network, draw):
        with cast():
            values.append(reconstruction_estimate(network, vae, batch.of_knees(0, _DECODED_KNEES), **schedule))
    network.train()
    return {"held_out_reconstruction": sum(values) / len(values)}


def _fixed_batches(network: Denoiser, draw: Callable[..., SliceBatch], **more: Any) -> list[SliceBatch]:
    device = next(network.parameters()).device
    generators = (torch.Generator(device).manual_seed(977 + index) for index in range(_BATCHES))
    return [draw(generator=generator, dropout=False, **more) for generator in generators]


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
