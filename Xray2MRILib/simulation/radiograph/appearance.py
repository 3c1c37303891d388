"""From attenuation integrals to a radiograph: exposure, scatter, tone curve, texture, blur, noise, and the joint crop.

It is drawn again each time a pair is read, so that a network sees one knee with many exposures (domain randomisation).
"""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True)
class CropPlace:
    """Where a joint crop lies on a simulated radiograph: its edge and centre (down, across) in mm, its turn in
    radians."""

    span_mm: float
    centre_mm: tuple[float, float]
    turn: float = 0.0

    @classmethod
    def drawn(cls, parameters: KneeParameters, rng: np.random.Generator | None, station: Station) -> CropPlace:
        """The knee's own place, with ``rng`` as a crop of the station strays from it."""
        down, across = parameters.crop_offset_mm
        if rng is None:
            return cls(parameters.crop_mm, (down, across))
        share, up, aside, turn = station.frame(rng)
        return cls(parameters.crop_mm * share, (down - up, across + aside), float(np.radians(turn)))

    def pixels_of(self, places_mm: np.ndarray, size: int = CROP_FRAME.pixels) -> np.ndarray:
        """Pixels (row, column) [..., 2] of the crop that show places (down, across) in mm from the film's centre."""
        down, across = np.moveaxis(places_mm - np.array(self.centre_mm), -1, 0)
        cosine, sine = np.cos(self.turn), np.sin(self.turn)
        inside = np.stack((cosine * down + sine * across, cosine * across - sine * down), axis=-1)
        return inside * (size / self.span_mm) + (size - 1) / 2


def exposed_crop(
    bone: np.ndarray | torch.Tensor,
    soft: np.ndarray | torch.Tensor,
    parameters: KneeParameters,
    rng: np.random.Generator,
) -> np.ndarray:
    """A joint crop as one drawn station makes it: its exposure, and crops cut short as often as its are."""
    return placed_crop(bone, soft, parameters, rng)[0]


def placed_crop(
    bone: np.ndarray | torch.Tensor,
    soft: np.ndarray | torch.Tensor,
    parameters: KneeParameters,
    rng: np.random.Generator,
) -> tuple[np.ndarray, CropPlace]:
    """The same crop, and where it lies."""
    station = draw_station(rng)
    radiograph = expose(bone, soft, rng, station)
    state = rng.bit_generator.state
    place = CropPlace.drawn(parameters, rng, station)
    rng.bit_generator.state = state  # joint_crop draws it again
    return joint_crop(radiograph, parameters, rng, station=station), place


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

    kind = station or ANY_STATION
    placed = CropPlace.drawn(parameters, rng, kind)
    span, (dz, dx), tilt = placed.span_mm, placed.centre_mm, placed.turn
    pixel = RADIOGRAPH_MM / radiograph.shape[0]
    grid = (np.arange(size) - (size - 1) / 2) * (span / size)
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
