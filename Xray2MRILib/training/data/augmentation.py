"""Augmentation of prepared joint crops: random but credible pose, radiograph limits, exposure, processing, noise.

All functions work on batches [B, 1, H, W] in [-1, 1], draw from the given generator, and stay within the limits of
``recipes/augmentation.py``.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from ..recipes.augmentation import Augmentation


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> torch.Tensor:
    return torch.rand(count, generator=generator) * (high - low) + low


def vary_pose(
    images: torch.Tensor, variation: Augmentation, generator: torch.Generator, *, size: int, mirror: torch.Tensor
) -> torch.Tensor:
    """Rotated, scaled, shifted, cut-short and (where ``mirror`` [B] is True) mirrored crops [B, 1, size, size]."""
    count, limit = len(images), variation
    angle = torch.deg2rad(_uniform(count, -limit.rotation_deg, limit.rotation_deg, generator))
    zoom = torch.exp(_uniform(count, -limit.scale, limit.scale, generator))
    stretch = torch.exp(_uniform(count, -limit.aspect, limit.aspect, generator))
    flip = torch.where(mirror, -1.0, 1.0)
    matrix = torch.zeros(count, 2, 3)
    matrix[:, 0, 0], matrix[:, 0, 1] = torch.cos(angle) * zoom * flip, -torch.sin(angle) * zoom
    matrix[:, 1, 0], matrix[:, 1, 1] = torch.sin(angle) * zoom * stretch * flip, torch.cos(angle) * zoom * stretch
    matrix[:, 0, 2] = 2 * _uniform(count, -limit.shift, limit.shift, generator)
    matrix[:, 1, 2] = 2 * _uniform(count, -limit.shift, limit.shift, generator)
    grid = functional.affine_grid(matrix, [count, 1, size, size], align_corners=False)
    # A radiograph that ends inside the crop: rows beyond its end repeat the last one, as preparation does.
    short = torch.rand(2, count, generator=generator) < limit.short_radiograph
    ends = torch.where(short, 2 * _uniform(2 * count, 0, limit.cut, generator).view(2, count), torch.zeros(()))
    top, bottom = (-1 + ends[0]).view(count, 1, 1), (1 - ends[1]).view(count, 1, 1)
    grid[..., 1] = torch.minimum(torch.maximum(grid[..., 1], top), bottom)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def vary_appearance(images: torch.Tensor, variation: Augmentation, generator: torch.Generator) -> torch.Tensor:
    """Crops [B, 1, H, W] with changed local contrast, sharpness, gamma, exposure, noise and collimation, in [-1, 1]."""
    count, limit = len(images), variation

    def each(low: float, high: float) -> torch.Tensor:
        return _uniform(count, low, high, generator).view(count, 1, 1, 1)

    pixels = (images + 1) / 2
    blurred = functional.avg_pool2d(pixels, 16)
    blurred = functional.interpolate(blurred, size=pixels.shape[-2:], mode="bilinear", align_corners=False)
    pixels = pixels + each(-limit.local_contrast, 2 * limit.local_contrast) * 0.6 * (pixels - blurred)
    if limit.blur:  # a share below zero sharpens a little
        pixels = torch.lerp(pixels, _softened(pixels), each(-0.3 * limit.blur, limit.blur))
    pixels = pixels.clamp(1e-3, 1) ** torch.exp(each(-limit.gamma, limit.gamma))
    pixels = (pixels - 0.5) * (1 + each(-limit.contrast, limit.contrast)) + 0.5
    pixels = pixels + each(-limit.brightness, limit.brightness)
    if limit.shading:
        across, down = (torch.linspace(-1, 1, n) for n in (pixels.shape[-1], pixels.shape[-2]))
        pixels = pixels + each(-limit.shading, limit.shading) * across
        pixels = pixels + each(-limit.shading, limit.shading) * down[:, None]
    pixels = pixels + torch.randn(pixels.shape, generator=generator) * each(0, limit.noise)
    for index in torch.nonzero(torch.rand(count, generator=generator) < limit.collimated).flatten().tolist():
        width = int(torch.randint(1, max(2, pixels.shape[-1] // 8), (), generator=generator))
        if torch.rand((), generator=generator) < 0.5:
            pixels[index, :, :, :width] = 0
        else:
            pixels[index, :, :, -width:] = 0
    return pixels.clamp(0, 1) * 2 - 1


def _softened(pixels: torch.Tensor) -> torch.Tensor:
    """3 x 3 means taken twice, about a Gaussian of sigma 1.2 pixels; single-channel convolutions are slow on CPUs."""
    for _ in range(2):
        pixels = functional.avg_pool2d(functional.pad(pixels, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return pixels
