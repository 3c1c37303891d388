"""Random but credible changes of prepared joint crops: pose, radiograph limits, exposure, processing, noise.

All functions work on batches [B, 1, H, W] in [-1, 1] and draw from the generator that they are given.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional


@dataclass(frozen=True)
class Augmentation:
    """How far crops may be changed.

    Attributes
    ----------
    rotation_deg, shift, scale, aspect
        Largest rotation, shift (fraction of the side), relative change of size and of the height-to-width ratio.
    short_film
        Probability that the radiograph ends inside the box above or below; beyond its end the edge rows repeat.
    cut
        Largest part of the side that such an end cuts away, above and below each.
    gamma, contrast, brightness
        Largest change: exponent ``exp(+-gamma)``, gain about mid grey, offset on a scale where the range is 1.
    local_contrast
        Largest flattening (or, doubled, enhancement) of contrast against a blurred copy.
    blur, noise
        Largest share of a softened copy (sigma 1.2 pixels) and largest noise (standard deviation, range 1).
    collimated
        Probability of a black band at one side.
    shading
        Largest brightness ramp across the radiograph in a random direction (heel effect, uneven soft tissue).
    """

    rotation_deg: float = 8.0
    shift: float = 0.06
    scale: float = 0.12
    aspect: float = 0.05
    short_film: float = 0.4
    cut: float = 0.24
    gamma: float = 0.4
    contrast: float = 0.25
    brightness: float = 0.1
    local_contrast: float = 0.5
    blur: float = 1.0
    noise: float = 0.04
    collimated: float = 0.08
    shading: float = 0.0


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
    # A radiograph that ends inside the box: rows beyond its end repeat the last one, exactly what preparation does.
    short = torch.rand(2, count, generator=generator) < limit.short_film
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
    if limit.blur:  # a little below nothing is a little sharpening
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
