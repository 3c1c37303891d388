"""The OAI-like MR volume of one knee: 3-D FLASH with water excitation, coronal, posterior slice first."""

from __future__ import annotations

import numpy as np
import torch

from .anatomy_template import TISSUES
from .deformation import KneeDeformation, sample, upsampled
from .knee_parameters import KneeParameters
from .tissue_properties import RELAXATION, tissue_signal

PIXEL_MM = 0.625
PITCH_MM = 1.5
SIZE = 256
SLICES = 50
JOINT_ROW = 152.0  # joint line at MR rows 148-157 on the published pages
FIRST_DEPTH_MM = -41.0  # slice 0 (posterior) relative to the centre of the tibial plateau


def signal_table(seed: int) -> np.ndarray:
    """Signal per template tissue for one scan: the spoiled-gradient-echo equation with 6 % variation, float32 [16]."""
    rng = np.random.default_rng([seed, 17])
    residue = float(rng.uniform(0.05, 0.11))
    values = [0.0] + [
        tissue_signal(RELAXATION[name], residue) * float(np.clip(rng.normal(1, 0.06), 0.8, 1.2)) for name in TISSUES[1:]
    ]
    return np.array(values, np.float32)


def scan(deformation: KneeDeformation, signal: torch.Tensor, parameters: KneeParameters) -> np.ndarray:
    """Noise-free volume [50, 256, 256] float32, posterior first, of the signal template [Y, Z, X].

    Includes slab profile and receive-coil bias; noise is added when a pair is read, so that it can vary.
    """
    rng = np.random.default_rng([parameters.seed, 19])
    oy, oz, ox = parameters.field_offset_mm
    y = FIRST_DEPTH_MM + oy + PITCH_MM * torch.arange(SLICES)
    z = (torch.arange(SIZE) - JOINT_ROW) * PIXEL_MM - oz
    x = (torch.arange(SIZE) - (SIZE - 1) / 2) * PIXEL_MM - ox
    axes = (
        torch.linspace(float(y[0]), float(y[-1]), 17),
        torch.linspace(float(z[0]), float(z[-1]), 64),
        torch.linspace(float(x[0]), float(x[-1]), 64),
    )
    coarse = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
    points = deformation.open_joint(upsampled(deformation.shape(coarse), (SLICES, SIZE, SIZE)))
    # Partial volume along the thick axis: the template is averaged over about one slice thickness beforehand.
    thick = signal.clone()
    thick[1:-1] = 0.4 * signal[1:-1] + 0.3 * (signal[:-2] + signal[2:])
    total = sample(thick[None], points)[0]
    slab = 1 / (1 + np.exp(-(np.arange(SLICES) + rng.uniform(0.5, 2.5)) / rng.uniform(1.0, 2.0)))
    total *= torch.from_numpy(slab.astype(np.float32))[:, None, None]
    total *= _coil_bias(rng, y, z, x)
    return total.numpy()


def _coil_bias(rng: np.random.Generator, y: torch.Tensor, z: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Smooth sensitivity of a knee coil: bright around the joint, falling along the leg."""
    length = float(rng.uniform(85, 140))
    tilt = float(rng.normal(0, 0.0012))
    along = torch.exp(-((z + float(rng.normal(0, 10))) ** 2) / (2 * length**2))
    across = 1 + tilt * x
    depth = 1 + float(rng.normal(0, 0.0015)) * y
    return depth[:, None, None] * along[None, :, None] * across[None, None, :]


def to_unit_range(volume: np.ndarray) -> np.ndarray:
    """One mapping per volume: percentiles 0.5 and 99.5 to [0, 1], clipped (A16)."""
    low, high = np.percentile(volume[::2, ::2, ::2], (0.5, 99.5))
    return np.clip((volume - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)


def add_rician_noise(volume: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Magnitude of the signal with complex Gaussian noise of standard deviation ``sigma`` per channel."""
    noise = rng.standard_normal((2, *volume.shape)).astype(np.float32) * sigma
    return np.hypot(volume + noise[0], noise[1])
