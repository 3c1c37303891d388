"""Algorithm 2 of the paper: one noise, then for every depth the reverse process under the radiograph's conditions.

As printed, the loop runs depth by depth and evaluates the encoders anew for each (``slice_loop_as_printed``). Depths do
not depend on one another, so ``slice_loop`` encodes once and denoises many depths together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional

from ..errors import Cancelled, ProcessingError
from ..models.autoencoder import decode_latents
from ..models.conditional_unet import Xray2MRIUNet
from ..volume.geometry import OAI_FIELD
from .batch_size import is_out_of_memory, release_cached_memory
from .depth_grid import coarse_first
from .initial_noise import initial_noise
from .radiograph_conditions import RadiographConditions
from .sampling_settings import SamplingSettings
from .schedule import sampler_for


def predict(
    unet: Xray2MRIUNet,
    latents: Tensor,
    timestep: Tensor,
    depths: Tensor,
    conditions: RadiographConditions,
    guidance_scale: float = 1.0,
) -> Tensor:
    """The network's prediction [B, 4, h, w] at z_t [B, 4, h, w] and depths u [B], guided classifier-free (A19)."""

    def under(given: RadiographConditions) -> Tensor:
        radiograph_latent, token, vectors = given.repeated(len(latents))
        sample = torch.cat([latents.to(unet.dtype), radiograph_latent], dim=1)
        return unet(sample, timestep, depths, vectors, token).float()

    conditional = under(conditions)
    if guidance_scale == 1.0:
        return conditional
    unconditional = under(conditions.dropped())
    return unconditional + guidance_scale * (conditional - unconditional)


@torch.inference_mode()
def denoise(
    unet: Xray2MRIUNet,
    scheduler: object,
    noise: Tensor,
    depths: Tensor,
    conditions: RadiographConditions,
    sampling: SamplingSettings,
    before_step: Callable[[int], None] = lambda step: None,
) -> Tensor:
    """z_0 [B, 4, h, w] from z_T [B, 4, h, w] at depths u [B]: the inner loop of Algorithm 2.

    The first ``guidance_share`` of the steps, rounded up, is guided. ``before_step`` is called with the number of steps
    done and may raise to stop.
    """
    sampling = sampling.for_model()
    # for_model leaves no choice open
    assert sampling.num_inference_steps is not None
    assert sampling.guidance_scale is not None
    assert sampling.guidance_share is not None
    process = sampler_for(scheduler, sampling.sampler, sampling.num_inference_steps)
    latents = noise * process.init_noise_sigma
    guided = math.ceil(sampling.guidance_share * len(process.timesteps) - 1e-6)
    for step, timestep in enumerate(process.timesteps):
        before_step(step)
        scale = sampling.guidance_scale if step < guided else 1.0
        prediction = predict(unet, latents, timestep, depths, conditions, scale)
        latents = process.step(prediction, timestep, latents).prev_sample
    return latents


def slice_loop(
    unet: Xray2MRIUNet,
    autoencoder: AutoencoderKL,
    scheduler: object,
    conditions: RadiographConditions,
    depths: Sequence[float] | np.ndarray,
    sampling: SamplingSettings,
    *,
    batch_size: int,
    on_step: Callable[[int, int], None] = lambda slices, step: None,
    on_smaller_batch: Callable[[int], None] = lambda batch_size: None,
    should_cancel: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[list[int], Tensor]]:
    """Yield (indices into ``depths``, slices [B, H, W] in [0, 1] on the CPU), batch after batch, coarse depths first.

    Parameters
    ----------
    depths
        u in [-1, 1] of S slices.
    sampling
        What determines the slices besides weights and conditions; z_T of each depth is drawn from it.
    batch_size
        Slices denoised together; halved when memory runs out, which ``on_smaller_batch`` is told.
    on_step
        Called with the size of the batch and the denoising steps it has behind it.
    should_cancel
        Asked before every step.

    Raises Cancelled, and ProcessingError (code ``out-of-memory``) when even a single slice does not fit.
    """

    def before_step(step: int) -> None:
        if should_cancel():
            raise Cancelled()
        on_step(len(batch), step)

    sampling = sampling.for_model()
    assert sampling.num_inference_steps is not None  # for_model leaves no choice open
    noise = sampling.noise_scale * initial_noise(
        depths, sampling.seed, sampling.noise, unet.config.out_channels, conditions.latent.shape[-1]
    )
    device = unet.device
    pending = coarse_first(range(len(depths)))
    while pending:
        batch = pending[:batch_size]
        try:
            latents = denoise(
                unet,
                scheduler,
                noise[batch].to(device),
                torch.tensor([depths[index] for index in batch], dtype=torch.float32, device=device),
                conditions,
                sampling,
                before_step,
            )
            before_step(sampling.num_inference_steps)
            slices = grey_slices(autoencoder, latents)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if batch_size == 1:
                raise ProcessingError(
                    "The memory does not suffice for a single slice.",
                    code="out-of-memory",
                    hint="Close other programs, or use the compact model or another device.",
                ) from error
            batch_size = (len(batch) + 1) // 2 if len(batch) > 1 else 1
            slices = None
        if slices is None:  # outside the handler, whose traceback would keep the failed batch alive
            release_cached_memory(device)
            on_smaller_batch(batch_size)
            continue
        yield batch, slices
        pending = pending[len(batch) :]


def slice_loop_as_printed(
    unet: Xray2MRIUNet,
    autoencoder: AutoencoderKL,
    scheduler: object,
    encode: Callable[[], RadiographConditions],
    depths: Sequence[float] | np.ndarray,
    noise: Tensor,
    *,
    num_inference_steps: int,
) -> Iterator[Tensor]:
    """Yield slices [H, W] in [0, 1] as Algorithm 2 is printed: one depth at a time, conditions encoded for each."""
    for depth, z_t in zip(depths, noise, strict=True):
        conditions = encode()
        latents = denoise(
            unet,
            scheduler,
            z_t[None].to(unet.device),
            torch.tensor([depth], dtype=torch.float32, device=unet.device),
            conditions,
            SamplingSettings(num_inference_steps),
        )
        yield grey_slices(autoencoder, latents)[0]


@torch.inference_mode()
def grey_slices(autoencoder: AutoencoderKL, latents: Tensor) -> Tensor:
    """Slices [B, 256, 256] in [0, 1], float32 on the CPU, of scaled latents [B, 4, h, w] (A25)."""
    images = decode_latents(autoencoder, latents.to(autoencoder.dtype)).float().cpu()
    return ((in_whole_field(images)[:, 0] + 1) / 2).clamp(0, 1)


def in_whole_field(images: Tensor) -> Tensor:
    """Slices [B, 1, 256, 256]: those of a model at half the resolution, [B, 1, 128, 128], enlarged bicubically."""
    if images.shape[-1] == OAI_FIELD.pixels:
        return images
    # antialias has nothing to filter here, but brings Keys' kernel with a = -0.5, which keeps slopes as they are; it
    # exists for float32 alone on a CPU
    return functional.interpolate(images.float(), OAI_FIELD.slice_shape, mode="bicubic", antialias=True)
