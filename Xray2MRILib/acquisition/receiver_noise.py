"""Receiver noise of a magnitude picture that was acquired finer than it is stored.

The published scans were acquired with 0.3125 mm pixels and halved. Complex Gaussian noise, smooth over less than a
pixel, is added to the signal before the magnitude is taken; then the picture is blurred a little and halved. With the
default ``sigma`` the background has the mean/SD (3.1 to 3.3) and the correlations (0.28 at one pixel, none at two, none
between slices) that were measured on two scans.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812

SIGMA = 0.060  # of each of the two channels, relative to the level at which the volume is clipped
MEAN_OF_FLOOR = math.sqrt(math.pi / 2)  # mean of a magnitude of pure noise, in standard deviations of a channel
_CORRELATION_PIXELS = 0.8  # of the acquired pixels: smoothness of the complex noise
_BLUR_PIXELS = 0.53  # of the acquired pixels, after the magnitude


def add_receiver_noise(volume: torch.Tensor, seeds: Sequence[int], sigma: float = SIGMA) -> torch.Tensor:
    """``volume`` [S, H, W], 1 at the clip level, as a magnitude with noise; float32 on the same device.

    Each slice has a seed of its own. One slice is computed at a time, so that it is the same to the last bit alone and
    among others. ``sigma`` 0 leaves the volume as it is.
    """
    if sigma <= 0:
        return volume.clone()
    result = torch.empty_like(volume)
    smooth = _gaussian(_CORRELATION_PIXELS, volume)
    blur = _gaussian(_BLUR_PIXELS, volume)
    # white noise keeps this share of its deviation, per axis the root of the kernel's sum of squares
    kept = float((smooth**2).sum())
    generator = torch.Generator(device=volume.device)
    for index, seed in enumerate(seeds):
        height, width = volume.shape[1:]
        generator.manual_seed(seed)
        noise = torch.randn((2, 1, 2 * height, 2 * width), generator=generator, device=volume.device)
        noise = _blurred(noise, smooth) * (sigma / kept)
        fine = F.interpolate(volume[index, None, None], scale_factor=2, mode="bilinear", align_corners=False)
        magnitude = torch.hypot(fine + noise[:1], noise[1:])
        result[index] = F.avg_pool2d(_blurred(magnitude, blur), 2)[0, 0]
    return result


def _gaussian(deviation: float, like: torch.Tensor) -> torch.Tensor:
    reach = max(1, round(3.5 * deviation))
    place = torch.arange(-reach, reach + 1, device=like.device, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (place / deviation) ** 2)
    return kernel / kernel.sum()


def _blurred(pictures: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """Pictures [N, 1, H, W] blurred along rows and columns, edges repeated.

    As sums of shifted pictures: on a processor a convolution of one channel takes six times as long.
    """
    reach = len(kernel) // 2
    blurred, weights = F.pad(pictures, (reach, reach, reach, reach), mode="replicate"), kernel.tolist()
    for axis in (3, 2):
        size = pictures.shape[axis]
        total = blurred.narrow(axis, 0, size) * weights[0]
        for shift, weight in enumerate(weights[1:], 1):
            total = total.add(blurred.narrow(axis, shift, size), alpha=weight)
        blurred = total
    return blurred
