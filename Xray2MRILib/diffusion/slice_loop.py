"""Algorithm 2 of the paper: one noise, then the reverse process for every depth under the radiograph's conditions.

In the paper the loop runs depth by depth and evaluates the encoders for each depth (``slice_loop_as_printed``). Depths
are independent of one another, so ``slice_loop`` encodes once and denoises many depths together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..errors import Cancelled, ProcessingError
from ..models.autoencoder import decode_latents, decoding_chunk
from ..models.conditional_unet import Xray2MRIUNet
from ..models.diffusers_parts import AutoencoderKL
from ..volume.geometry import OAI_FIELD
from .batch_size import is_out_of_memory, release_cached_memory
from .depth_grid import coarse_first
from .initial_noise import fresh_noise, initial_noise
from .precision import autocast
from .radiograph_conditions import RadiographConditions
from .sampling_settings import TRAIN_TIMESTEPS, SamplingSettings, is_printed
from .schedule import clean_estimate, renew_noise, sampler_for

# noise is renewed at the first retained step in this last share of the T steps, or at the last one (measured: 4 steps)
_RENEWED_SHARE = 0.5


def predict(
    unet: Xray2MRIUNet,
    latents: Tensor,
    timestep: Tensor,
    depths: Tensor,
    conditions: RadiographConditions,
    guidance_scale: float = 1.0,
    as_printed: bool = False,
) -> Tensor:
    """Predict noise or v [B, 4, h, w] at z_t [B, 4, h, w] and depths u [B], with classifier-free guidance (A19).

    ``as_printed`` tells a network of two modes that the samples began with unit noise.
    """
    mode = {"as_printed": as_printed} if getattr(unet.config, "two_modes", False) else {}

    def under(given: RadiographConditions) -> Tensor:
        radiograph_latent, token, vectors = given.repeat(len(latents))
        sample = torch.cat([latents.to(unet.dtype), radiograph_latent], dim=1)
        return unet(sample, timestep, depths, vectors, token, **mode).float()

    conditional = under(conditions)
    if guidance_scale == 1.0:
        return conditional
    unconditional = under(conditions.drop())
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
    fresh: Tensor | None = None,
) -> Tensor:
    """z_0 [B, 4, h, w] from z_T [B, 4, h, w] at depths u [B]: the inner loop of Algorithm 2.

    Guidance acts in the first ``guidance_share`` of the steps, rounded up. ``before_step`` receives the number of
    finished steps and may raise an exception to stop. ``fresh`` [B, 4, h, w] is the noise that replaces the share
    ``renewed_noise`` r of the noise in z_t' once, where little noise is left: with the network's x and e,
    z_t' = sqrt(a') x + sqrt(1 - a') (sqrt(1 - r^2) e + r fresh), a DDIM step that is stochastic there (Song et al.,
    arXiv 2010.02502, eq. 12).
    """
    sampling = sampling.for_model()
    # for_model leaves no choice open
    assert sampling.num_inference_steps is not None
    assert sampling.guidance_scale is not None
    assert sampling.guidance_share is not None
    assert sampling.noise_scale is not None
    assert sampling.renewed_noise is not None
    process = sampler_for(scheduler, sampling.sampler, sampling.num_inference_steps)
    latents = noise * process.init_noise_sigma
    guided = math.ceil(sampling.guidance_share * len(process.timesteps) - 1e-6)
    as_printed = is_printed(sampling)
    renewed_at = None if fresh is None or not sampling.renewed_noise else _renewal(process.timesteps)
    for step, timestep in enumerate(process.timesteps):
        before_step(step)
        scale = sampling.guidance_scale if step < guided else 1.0
        prediction = predict(unet, latents, timestep, depths, conditions, scale, as_printed)
        clean = None if step + 1 != renewed_at else clean_estimate(process, prediction, timestep, latents)
        latents = process.step(prediction, timestep, latents).prev_sample
        if clean is not None:
            assert fresh is not None
            latents = renew_noise(process, process.timesteps[step + 1], latents, clean, fresh, sampling.renewed_noise)
    return latents


def _renewal(timesteps: Tensor) -> int | None:
    """Before which step the noise is renewed; None for a single step."""
    late = [step for step, t in enumerate(timesteps.tolist()) if t <= _RENEWED_SHARE * TRAIN_TIMESTEPS]
    return (late[0] if late else len(timesteps) - 1) or None


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
    precision: str = "fp32",
) -> Iterator[tuple[list[int], Tensor]]:
    """Yield (indices into ``depths``, slices [C, H, W] in [0, 1] on the CPU), coarse depths first.

    A batch is denoised together and handed out in the parts C <= B in which it is decoded, so that the first slice does
    not wait for the decoding of the others.

    Parameters
    ----------
    depths
        u in [-1, 1] of S slices.
    conditions
        Those of one radiograph, or stacked ones, a row for each depth.
    sampling
        Sampling settings; they also determine z_T of each depth and the noise that is renewed.
    batch_size
        Slices denoised together; halved when memory runs out. ``on_smaller_batch`` then receives the new size.
    on_step
        Receives the size of the batch and its number of finished denoising steps.
    should_cancel
        Called before every step; True stops the loop.
    precision
        Number format of U-Net and decoder: fp32, bf16 or fp16, see precision.choose_precision.

    Raises Cancelled, and ProcessingError (code ``out-of-memory``) when a single slice does not fit into memory.
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
    fresh = None
    if sampling.renewed_noise:
        fresh = sampling.noise_scale * fresh_noise(depths, sampling.seed, *noise.shape[1:3])
    device = unet.device
    pending = coarse_first(range(len(depths)))
    while pending:
        batch = pending[:batch_size]
        decoded, failed = 0, False
        try:
            with autocast(precision, device):
                latents = denoise(
                    unet,
                    scheduler,
                    noise[batch].to(device),
                    torch.tensor([depths[index] for index in batch], dtype=torch.float32, device=device),
                    conditions.of(batch),
                    sampling,
                    before_step,
                    None if fresh is None else fresh[batch].to(device),
                )
                before_step(sampling.num_inference_steps)
                chunk = decoding_chunk(autoencoder, latents.shape[-2] * latents.shape[-1])
            while decoded < len(batch):  # what is decoded is handed out before the rest of the batch is
                with autocast(precision, device):
                    slices = decode_slices(autoencoder, latents[decoded : decoded + chunk])
                yield batch[decoded : decoded + chunk], slices
                decoded += len(slices)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if batch_size == 1:
                raise ProcessingError(
                    "There is not enough memory for a single slice.",
                    code="out-of-memory",
                    hint="Close other programs, or use the compact model or another device.",
                ) from error
            batch_size = (len(batch) + 1) // 2 if len(batch) > 1 else 1
            failed = True
        pending = pending[decoded:]
        if failed:  # outside the handler, because its traceback keeps the failed batch in memory
            latents = slices = torch.empty(0)
            release_cached_memory(device)
            on_smaller_batch(batch_size)


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
    """Yield slices [H, W] in [0, 1] by the paper's Algorithm 2: one depth at a time, conditions encoded per depth."""
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
        yield decode_slices(autoencoder, latents)[0]


@torch.inference_mode()
def decode_slices(autoencoder: AutoencoderKL, latents: Tensor) -> Tensor:
    """Slices [B, 256, 256] in [0, 1], float32 on the CPU, of scaled latents [B, 4, h, w] (A25)."""
    images = decode_latents(autoencoder, latents.to(autoencoder.dtype)).float().cpu()
    return ((enlarge_to_field(images)[:, 0] + 1) / 2).clamp(0, 1)


def enlarge_to_field(images: Tensor) -> Tensor:
    """Slices [B, 1, 256, 256], enlarged bicubically if the model has half the resolution, [B, 1, 128, 128]."""
    if images.shape[-1] == OAI_FIELD.pixels:
        return images
    # antialias does not filter when enlarging, but selects Keys' kernel with a = -0.5, which preserves slopes; on a CPU
    # it needs float32
    return functional.interpolate(images.float(), OAI_FIELD.slice_shape, mode="bicubic", antialias=True)
