"""From attenuation integrals to a radiograph: exposure, scatter, tone curve, texture, blur, noise, and the joint crop.

It is drawn again each time a pair is read, so that a network sees one knee with many exposures (domain randomisation).
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from ...volume.geometry import CROP_FRAME
from ..anatomy.knee_parameters import KneeParameters
from .drr import RADIOGRAPH_MM
from .station_fields import unevenness
from .stations import ANY_STATION, Station, draw_station

CUT_CHANCE_OF_END = 0.78  # of either end of a crop that is cut short
LARGEST_CUT = (0.28, 0.24)  # of the crop's height, above and below


def expose(
    bone: np.ndarray | torch.Tensor,
    soft: np.ndarray | torch.Tensor,
    rng: np.random.Generator,
    station: Station | None = None,
) -> np.ndarray:
    """A radiograph [H, W] float32, bright bone, from the attenuation integrals of bone mineral and soft tissue.

    The radiograph value is the logarithm of the dose that reaches the detector with scatter and quantum noise, after
    what stations do to it: compressed range, enhanced edges, a tone curve. Computed on the device of ``bone``.
    ``station`` is drawn when it is not given.
    """
    bone, soft = (torch.as_tensor(part, dtype=torch.float32) for part in (bone, soft))
    millimetre = bone.shape[0] / RADIOGRAPH_MM
    drawn = (station or draw_station(rng)).draw(rng)

    def noise() -> torch.Tensor:
        return torch.from_numpy(rng.standard_normal(tuple(bone.shape), dtype=np.float32)).to(bone.device)

    grain = blurred(noise(), rng.uniform(0.4, 0.8))
    mineral = bone * drawn["mineral"] * (1 + rng.uniform(0.0, 0.04) * grain / grain.std())
    total = mineral + soft * drawn["soft"]
    primary = torch.exp(-total.clamp(0, 12))
    scatter = blurred(primary, millimetre * drawn["scatter_mm"]) * drawn["scatter"]
    dose = blurred(primary, rng.uniform(0.3, 0.9)) + scatter
    photons = 10 ** rng.uniform(3.8, 5.4)
    dose = (dose + noise() * torch.sqrt(dose / photons)).clamp(min=1e-6)
    radiograph = -torch.log(dose)
    radiograph = radiograph - drawn["compressed"] * blurred(radiograph, millimetre * drawn["compressed_mm"])
    radiograph = radiograph + drawn["edges"] * (radiograph - blurred(radiograph, millimetre * rng.uniform(0.5, 1.4)))
    ends = torch.tensor((drawn["black"], 1 - drawn["white"]), device=bone.device)
    low, high = torch.quantile(radiograph.reshape(-1), ends.float())
    radiograph = ((radiograph - low) / (high - low).clamp(min=1e-6)).clamp(0, 1.25) ** drawn["gamma"]
    radiograph = shouldered(radiograph, drawn["shoulder"])
    down, across = (torch.linspace(-1, 1, n, device=bone.device) for n in bone.shape)
    radiograph = radiograph * (1 + drawn["down"] * down[:, None] + drawn["across"] * across)
    return radiograph.cpu().numpy()


def exposed_crop(
    bone: np.ndarray | torch.Tensor,
    soft: np.ndarray | torch.Tensor,
    parameters: KneeParameters,
    rng: np.random.Generator,
) -> np.ndarray:
    """A joint crop as one drawn station makes it: its exposure, and crops cut short as often as its are."""
    station = draw_station(rng)
    return joint_crop(expose(bone, soft, rng, station), parameters, rng, station=station)


def shouldered(radiograph: torch.Tensor, share: float) -> torch.Tensor:
    """``radiograph`` in [0, 1.25] with a flatter upper end of its tone curve: none for 0, saturating for 1."""
    return (1 - share) * radiograph + share * torch.tanh(1.6 * radiograph)


def blurred(picture: torch.Tensor, sigma: float) -> torch.Tensor:
    """``picture`` [H, W] under a Gaussian of ``sigma`` pixels; edge values go on beyond it."""
    reach = max(1, round(3 * sigma))
    offset = torch.arange(-reach, reach + 1, dtype=torch.float32, device=picture.device)
    kernel = torch.exp(-0.5 * (offset / sigma) ** 2)
    kernel = kernel / kernel.sum()
    padded = F.pad(picture[None, None], (reach, reach, reach, reach), mode="replicate")
    return F.conv2d(F.conv2d(padded, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))[0, 0]


def joint_crop(
    radiograph: np.ndarray,
    parameters: KneeParameters,
    rng: np.random.Generator | None = None,
    size: int = CROP_FRAME.pixels,
    station: Station | None = None,
) -> np.ndarray:
    """The square joint crop [size, size] of a radiograph that spans ``RADIOGRAPH_MM``, as the localiser would cut it.

    With ``rng``: small jitter, tilt, now and then a radiograph cut short above and below (edge rows repeated), as
    often as by ``station``, and that station's unevenness.
    """
    from scipy import ndimage

    span, (dz, dx) = parameters.crop_mm, parameters.crop_offset_mm
    tilt = 0.0
    kind = station or ANY_STATION
    if rng is not None:
        share, up, aside, turn = kind.frame(rng)
        span, dz, dx, tilt = span * share, dz - up, dx + aside, float(np.radians(turn))
    pixel = RADIOGRAPH_MM / radiograph.shape[0]
    step = span / size
    grid = (np.arange(size) - (size - 1) / 2) * step
    zz, xx = np.meshgrid(grid, grid, indexing="ij")
    if rng is not None and rng.random() < kind.cut_chance:
        top, bottom = (rng.uniform(0.0, share) * (rng.random() < CUT_CHANCE_OF_END) for share in LARGEST_CUT)
        zz = np.clip(zz, span * (top - 0.5), span * (0.5 - bottom))
    rows = (np.cos(tilt) * zz - np.sin(tilt) * xx + dz) / pixel + (radiograph.shape[0] - 1) / 2
    columns = (np.sin(tilt) * zz + np.cos(tilt) * xx + dx) / pixel + (radiograph.shape[1] - 1) / 2
    crop = ndimage.map_coordinates(radiograph, (rows, columns), order=1, mode="nearest").astype(np.float32)
    if rng is None:
        return crop
    # where a crop is cut short, unevenness is that of the edge row, which is repeated
    return crop * unevenness(kind.waves, zz[:, 0] / (span / 2), grid / (span / 2), rng)
