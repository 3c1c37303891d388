"""Diffusion-based morphing model, DMM (Wang et al., arXiv 2408.00891): deforms a healthy knee radiograph towards
severe osteoarthritis.

From a radiograph S of KL-0 and a radiograph T of KL-4 a diffusion network predicts the noise of the noised T. From that
prediction, the code, a registration network computes the displacement of the pixels of S. Intermediate stages use a
scaled code. A radiograph without a T uses 0.9 times the mean code of the training pairs. The published sampler has no
effect; the rule for the stages below is our reading.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import torch
from diffusers import DDPMScheduler, UNet2DModel
from torch import Tensor, nn
from torch.nn import functional

from ..models.network import Network, register_to_config

SIZE = 128
STEPS = 300
CODE_SHARE = 0.9  # of the mean code, for radiographs without a target
_DOWN, _UP = (16, 32, 32, 32, 32), (32, 32, 32, 8, 8)


def noise_schedule() -> DDPMScheduler:
    """300 steps, betas evenly spaced from 1e-4 to 0.02, times 1000 / 300."""
    scale = 1000 / STEPS
    return DDPMScheduler(
        num_train_timesteps=STEPS, beta_start=1e-4 * scale, beta_end=0.02 * scale, beta_schedule="linear"
    )


class RegistrationNetwork(nn.Module):
    """Radiograph and code [B, 2, h, w] -> displacement [B, 2, h, w] in pixels (columns, rows); h and w divide by 16.

    A U-Net: one convolution at full size, four that halve it, five on the way up with skip connections; LeakyReLU 0.2.
    The last layer starts near zero, so that an untrained network leaves the radiograph as it is.
    """

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([nn.Conv2d(2, _DOWN[0], 3, padding=1)])
        self.down.extend(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(_DOWN))
        skips = (0, *reversed(_DOWN[:-1]))
        entering = (_DOWN[-1], *_UP[:-1])
        self.up = nn.ModuleList(
            nn.Conv2d(a + skip, b, 3, padding=1) for a, skip, b in zip(entering, skips, _UP, strict=True)
        )
        self.flow = nn.Conv2d(_UP[-1], 2, 3, padding=1)
        nn.init.normal_(self.flow.weight, std=1e-5)
        nn.init.zeros_(self.flow.bias)

    def forward(self, radiograph: Tensor, code: Tensor) -> Tensor:
        """Displacement of a radiograph [B, 1, h, w] under a code of the same shape."""
        hidden, skips = torch.cat((radiograph, code), dim=1), []
        for layer in self.down:
            hidden = functional.leaky_relu(layer(hidden), 0.2)
            skips.append(hidden)
        skips.pop()
        for place, layer in enumerate(self.up):
            if place:
                hidden = torch.cat((functional.interpolate(hidden, scale_factor=2.0), skips.pop()), dim=1)
            hidden = functional.leaky_relu(layer(hidden), 0.2)
        return self.flow(hidden)


class MorphingModel(Network):
    """Diffusion network, registration network and the mean code of the training pairs.

    Parameters
    ----------
    size
        Rows and columns of a radiograph as both networks see it, a multiple of 16.
    """

    title = "morphing model"
    hint = "Name the folder model that xray2mri train morphing wrote."

    @register_to_config
    def __init__(self, size: int = SIZE) -> None:
        super().__init__()
        self.diffusion = UNet2DModel(
            sample_size=size, in_channels=3, out_channels=1, block_out_channels=(8, 16, 16, 32), layers_per_block=1,
            down_block_types=("DownBlock2D",) * 4, up_block_types=("UpBlock2D",) * 4, norm_num_groups=4,
            add_attention=False,
        )  # fmt: skip
        self.registration = RegistrationNetwork()
        self.register_buffer("mean_code", torch.zeros(1, 1, size, size))

    def code(self, healthy: Tensor, severe: Tensor, noised: Tensor, step: Tensor | int) -> Tensor:
        """The code [B, 1, 128, 128]: the noise predicted in ``noised``; radiographs [B, 1, 128, 128] in [-1, 1]."""
        return self.diffusion(torch.cat((healthy, severe, noised), dim=1), step).sample

    def displacement(self, healthy: Tensor, code: Tensor, severity: float = 1.0) -> Tensor:
        """Displacement [B, 2, 128, 128] in pixels at a severity from 0 (the radiograph itself) to 1 (the whole code).

        The code is scaled, as published. The network's displacement for a zero code is subtracted in proportion, so
        that severity 0 leaves the radiograph exactly as it is and severity 1 is what was trained.
        """
        if severity == 0:
            return torch.zeros_like(healthy).repeat(1, 2, 1, 1)
        whole = self.registration(healthy, severity * code)
        if severity == 1:
            return whole
        return whole - (1 - severity) * self.registration(healthy, torch.zeros_like(code))

    @torch.no_grad()
    def progress_to(self, radiograph: Tensor, severity: float, towards: Tensor | None = None) -> Tensor:
        """A radiograph [B, 1, H, W] in [-1, 1] as it might look at a severity from 0 to 1, at its own resolution.

        At severity 1 the radiograph is deformed by the code of the radiograph ``towards`` [B, 1, h, w], or by the mean
        code of the training pairs without one.
        """
        size = self.config["size"]
        small = _resize(radiograph, size)
        if towards is None:
            code = CODE_SHARE * self.mean_code.expand(len(radiograph), -1, -1, -1)
        else:
            severe = _resize(towards, size)
            code = self.code(small, severe, severe, 0)
        moved = self.displacement(small, code, severity)
        scale = moved.new_tensor((radiograph.shape[-1] / size, radiograph.shape[-2] / size))[:, None, None]
        moved = functional.interpolate(moved, radiograph.shape[-2:], mode="bilinear", align_corners=False) * scale
        return warp(radiograph, moved)


def _resize(radiograph: Tensor, size: int) -> Tensor:
    return functional.interpolate(radiograph, (size, size), mode="bilinear", align_corners=False, antialias=True)


def warp(radiograph: Tensor, displacement: Tensor) -> Tensor:
    """Bilinear look-up of a radiograph [B, 1, h, w] at every pixel plus its displacement [B, 2, h, w] (columns,
    rows)."""
    height, width = radiograph.shape[-2:]
    rows, columns = torch.meshgrid(
        torch.arange(height, device=radiograph.device), torch.arange(width, device=radiograph.device), indexing="ij"
    )
    x, y = columns + displacement[:, 0], rows + displacement[:, 1]
    grid = torch.stack((2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1), dim=-1)
    return functional.grid_sample(radiograph, grid, mode="bilinear", padding_mode="border", align_corners=True)


def local_correlation(one: Tensor, other: Tensor, window: int = 9) -> Tensor:
    """Mean squared local correlation coefficient of radiographs [B, 1, h, w] over windows of 9 x 9 (VoxelMorph's)."""

    def sums(values: Tensor) -> Tensor:
        return functional.avg_pool2d(values, window, stride=1)

    mean_one, mean_other = sums(one), sums(other)
    cross = sums(one * other) - mean_one * mean_other
    variances = (sums(one * one) - mean_one**2) * (sums(other * other) - mean_other**2)
    return (cross**2 / (variances * window**4 + 1e-5) * window**4).mean()


def roughness(displacement: Tensor) -> Tensor:
    """Mean squared difference of neighbouring displacements [B, 2, h, w], rows and columns averaged."""
    return (displacement.diff(dim=-1).square().mean() + displacement.diff(dim=-2).square().mean()) / 2


def morphing_loss(
    model: MorphingModel, healthy: Tensor, severe: Tensor, noise: Tensor, step: Tensor, weight: float = 50.0
) -> Tensor:
    """Squared error of the noise + weight * (roughness - local correlation of deformed S and T); both in [-1, 1]."""
    code = model.code(healthy, severe, noise_schedule().add_noise(severe, noise, step), step)
    moved = model.displacement(healthy, code)
    similarity = local_correlation(warp((healthy + 1) / 2, moved), (severe + 1) / 2)
    return functional.mse_loss(code, noise) + weight * (roughness(moved) - similarity)


@lru_cache(maxsize=2)
def load_morphing_model(folder: Path) -> MorphingModel:
    """The model that ``xray2mri train morphing`` wrote. Raises ProcessingError when the folder holds none."""
    return MorphingModel.from_pretrained(folder)
