"""A second scanner that sees the same knee more coarsely: field strength, voxels, noise, bias and distorted gradients.

The contrast stays that of the fine scan: another field strength changes noise and bias alone, since another contrast
would be a translation and not a matter of resolution.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ...acquisition.voxel_response import AxisSampling
from .fine_scan import VOXEL_MM

FIELDS_TESLA = (1.5, 3.0, 7.0)
IN_PLANE_MM = (VOXEL_MM, 1.6)
SLICE_DISTANCE_MM = (0.7, 2.6)  # beyond four times the fine voxel the command refuses
NOISE = (0.005, 0.06)  # of the range
_BIAS = {1.5: 0.08, 3.0: 0.15, 7.0: 0.25}  # standard deviation of the bias' logarithm
_GAP = 0.3  # largest gap between slices, against their thickness
_FULL_FIELD_SHARE = 0.5  # of the scans have in-plane voxels as fine as the truth's
_DISTORTED_SHARE = 0.25
_MOST_DISTORTION_MM, _AT_MM = 3.0, 80.0


@dataclass(frozen=True)
class Scanner:
    """One scanner.

    Attributes
    ----------
    field_tesla
        Field strength: noise falls with it, bias grows.
    slice_distance_mm, slice_thickness_mm
        Along the axis that slices resolve; the thickness is the profile's full width at half maximum.
    profile
        Of the slices: gaussian, or boxcar.
    in_plane_mm
        Edge of the pixels.
    window
        Share of a Hamming window in k-space.
    noise
        Standard deviation of each receiver channel, relative to the range.
    bias
        Standard deviation of the bias' logarithm.
    distortion_mm
        Displacement at 80 mm from the isocentre, cubic and of fifth order.
    """

    field_tesla: float
    slice_distance_mm: float
    slice_thickness_mm: float
    profile: str
    in_plane_mm: float
    window: float
    noise: float
    bias: float
    distortion_mm: tuple[float, float]

    @property
    def scales(self) -> tuple[float, float, float]:
        """Distance of its voxels in fine ones, along slices and in the plane."""
        in_plane = self.in_plane_mm / VOXEL_MM
        return self.slice_distance_mm / VOXEL_MM, in_plane, in_plane

    def sampling(self, fine: tuple[int, int, int], offsets: tuple[float, float, float]) -> list[AxisSampling]:
        """How it samples a block of ``fine`` voxels whose first axis is that of the slices.

        ``offsets`` in 0..1 move its grid by that share of a coarse voxel.
        """
        axes = []
        for index, (size, scale, offset) in enumerate(zip(fine, self.scales, offsets, strict=True)):
            if abs(scale - 1) < 1e-3:
                axes.append(AxisSampling(size, size, 1.0, 0.0))
                continue
            first = (scale - 1) / 2 * offset
            coarse = max(int((size - 1 - first) / scale) + 1, 2)
            response = {"profile": self.profile, "width": self.slice_thickness_mm / VOXEL_MM} if index == 0 else {}
            axes.append(AxisSampling(size, coarse, scale, first, window=self.window, **response))  # type: ignore[arg-type]
        return axes


def draw_scanner(generator: torch.Generator) -> Scanner:
    """A random scanner; voxel sizes and noise are uniform in their logarithm."""

    def uniform(low: float = 0.0, high: float = 1.0) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    def log_uniform(limits: tuple[float, float]) -> float:
        return math.exp(uniform(math.log(limits[0]), math.log(limits[1])))

    field = FIELDS_TESLA[int(uniform() * len(FIELDS_TESLA))]
    distance = log_uniform(SLICE_DISTANCE_MM)
    in_plane = IN_PLANE_MM[0] if uniform() < _FULL_FIELD_SHARE else log_uniform(IN_PLANE_MM)
    noise = min(max(log_uniform(NOISE) * 3.0 / field, NOISE[0]), NOISE[1])
    distorted = uniform() < _DISTORTED_SHARE
    cubic, fifth = uniform(-1, 1), uniform(-0.3, 0.3)
    return Scanner(
        field_tesla=field,
        slice_distance_mm=distance,
        slice_thickness_mm=distance / (1 + uniform(0, _GAP)),
        profile="gaussian" if uniform() < 0.5 else "boxcar",
        in_plane_mm=in_plane,
        window=uniform(),
        noise=noise,
        bias=_BIAS[field] * uniform(0.5, 1.0),
        distortion_mm=(_MOST_DISTORTION_MM * cubic, _MOST_DISTORTION_MM * fifth) if distorted else (0.0, 0.0),
    )


def noise_ratio(voxel_mm3: tuple[float, float], field_tesla: tuple[float, float], time_s: tuple[float, float]) -> float:
    """Noise of a scan against that of another one, each given as (its own, the other's): V, B and the square root of T.

    s / s' = (V' / V) (B' / B) sqrt(T' / T).
    """
    (v, v_other), (b, b_other), (t, t_other) = voxel_mm3, field_tesla, time_s
    return (v_other / v) * (b_other / b) * math.sqrt(t_other / t)


def bias_field(shape: tuple[int, int, int], deviation: float, generator: torch.Generator) -> Tensor:
    """Logarithm of a smooth bias, a polynomial of third order over the block, float32 ``shape``; its mean is 0."""
    axes = [torch.linspace(-1, 1, n) for n in shape]
    total = torch.zeros(shape)
    for i in range(4):
        for j in range(4 - i):
            for k in range(4 - i - j):
                if i + j + k > 0:
                    weight = float(torch.randn((), generator=generator)) / (i + j + k)
                    total += weight * (axes[0] ** i)[:, None, None] * (axes[1] ** j)[:, None] * axes[2] ** k
    total -= total.mean()
    return total * (deviation / max(float(total.std()), 1e-6))


def displacement(places_mm: tuple[Tensor, Tensor, Tensor], distortion_mm: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """Displacement u [3, A, B, C] in mm and Jacobian determinant [A, B, C] of gradients that are not linear.

    u_i(r) = r_i (c3 |r|^2 + c5 |r|^4), with places in mm from the isocentre.
    """
    c3, c5 = distortion_mm[0] / _AT_MM**3, distortion_mm[1] / _AT_MM**5
    r = torch.stack(torch.meshgrid(*places_mm, indexing="ij"))
    square = r.square().sum(dim=0)
    radial = c3 * square + c5 * square.square()
    slope = 2 * c3 + 4 * c5 * square  # of ``radial`` by the square of the radius, times two
    # I (1 + radial) + slope r r': eigenvalues (1 + radial) twice and (1 + radial + slope r^2)
    determinant = (1 + radial).square() * (1 + radial + slope * square)
    return r * radial, determinant.abs()


def distorted(block: Tensor, displacement_mm: Tensor, jacobian: Tensor) -> Tensor:
    """J(r) y(r + u(r)) of a block [A, B, C], by cubic B-splines: a linear interpolation would blur the truth."""
    from scipy import ndimage

    index = torch.meshgrid(*(torch.arange(n, dtype=torch.float32) for n in block.shape), indexing="ij")
    places = torch.stack(index) + displacement_mm / VOXEL_MM
    moved = ndimage.map_coordinates(block.numpy(), places.numpy(), order=3, mode="nearest")
    return torch.from_numpy(moved).to(block.dtype).clamp(min=0) * jacobian


def rician(values: Tensor, noise: float, generator: torch.Generator) -> Tensor:
    """Magnitude of ``values`` with complex Gaussian noise."""
    real, imaginary = torch.randn((2, *values.shape), generator=generator) * noise
    return torch.hypot(values + real, imaginary)
