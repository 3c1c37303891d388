"""E1 and D of the paper: a stock diffusers AutoencoderKL between grey slices and 4 x 32 x 32 latents (paper eq. 1, 6).

The autoencoder's number of channels determines how a grey image enters it:

- 3 channels (paper): the slice is replicated, and the mean of the decoded channels is taken (A25).
- 4 channels (compact): 2 x 2 neighbours become channels. This avoids the expensive full-resolution stage and keeps the
  reduction of 8.
- 1 channel: plain grey.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from .diffusers_parts import AutoencoderKL


def to_autoencoder_channels(images: Tensor, channels: int) -> Tensor:
    """Grey images [B, 1, H, W] as input of the autoencoder, [B, 3, H, W], [B, 4, H/2, W/2] or [B, 1, H, W]."""
    if channels == 1:
        return images
    if channels == 3:
        return images.expand(-1, 3, -1, -1)
    if channels == 4:
        return functional.pixel_unshuffle(images, 2)
    raise ValueError(f"channels must be 1, 3 or 4, not {channels}")


def to_grey(decoded: Tensor) -> Tensor:
    """Grey images [B, 1, H, W] from the autoencoder's output; the inverse of to_autoencoder_channels."""
    channels = decoded.shape[1]
    if channels == 1:
        return decoded
    if channels == 3:
        return decoded.mean(dim=1, keepdim=True)
    if channels == 4:
        return functional.pixel_shuffle(decoded, 2)
    raise ValueError(f"channels must be 1, 3 or 4, not {channels}")


def encode_images(
    vae: AutoencoderKL,
    images: Tensor,
    *,
    sample: bool,
    scaled: bool = True,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Latents [B, 4, H/8, W/8] of grey images [B, 1, H, W] in [-1, 1] (paper eq. 1).

    Parameters
    ----------
    sample
        True draws from the posterior (training targets), False takes its mode (the radiograph condition, A1).
    scaled
        True scales the latents to unit variance for the U-Net, see ``scaled_latents``; radiograph latents are not
        scaled (A2).
    """
    posterior = vae.encode(to_autoencoder_channels(images, vae.config.in_channels)).latent_dist
    latents = posterior.sample(generator) if sample else posterior.mode()
    return scaled_latents(vae.config, latents) if scaled else latents


def scaled_latents(config: Mapping[str, Any], latents: Tensor) -> Tensor:
    """Scale latents [B, C, h, w] to unit variance per channel: (latents - mean) / deviation * scale.

    These are diffusers' ``latents_mean``, ``latents_std`` and ``scaling_factor``. Only the scale is used if the
    autoencoder has no means and deviations, as that of Zero-123.
    """
    if config.get("latents_mean"):
        mean, deviation = _channel_statistics(config, latents)
        latents = (latents - mean) / deviation
    return latents * config["scaling_factor"]


def unscaled_latents(config: Mapping[str, Any], latents: Tensor) -> Tensor:
    """The inverse of ``scaled_latents``."""
    latents = latents / config["scaling_factor"]
    if config.get("latents_mean"):
        mean, deviation = _channel_statistics(config, latents)
        latents = latents * deviation + mean
    return latents


def _channel_statistics(config: Mapping[str, Any], latents: Tensor) -> tuple[Tensor, Tensor]:
    return tuple(latents.new_tensor(config[name])[:, None, None] for name in ("latents_mean", "latents_std"))


def decode_latents(vae: AutoencoderKL, latents: Tensor, *, scaled: bool = True, chunk: int | None = None) -> Tensor:
    """Decode latents [B, 4, h, w] to grey images [B, 1, H, W], nominally in [-1, 1], not clipped.

    ``chunk`` slices are decoded at a time, because a larger batch needs more memory without being faster; None chooses
    by the decoder's size. ``scaled`` means that the latents have the U-Net's unit variance.
    """
    if scaled:
        latents = unscaled_latents(vae.config, latents)
    chunk = chunk or decoding_chunk(vae, latents.shape[-2] * latents.shape[-1])
    return torch.cat([to_grey(vae.decode(part).sample) for part in latents.split(chunk)])


def decoding_chunk(vae: AutoencoderKL, latent_pixels: int, budget_bytes: int = 256 << 20) -> int:
    """Number of slices, 1 to 8, that are decoded within the budget: 1 in the paper's preset; in the compact one 8.

    On a processor it is 4 in the compact preset in 32 bits, because its widest maps then stay in the cache.
    """
    output_pixels = latent_pixels * 4 ** (len(vae.config.block_out_channels) - 1)
    per_slice = 8 * vae.config.block_out_channels[0] * output_pixels * vae.dtype.itemsize
    largest = 4 if vae.device.type == "cpu" and not torch.is_autocast_enabled("cpu") else 8
    return max(1, min(largest, budget_bytes // per_slice))
