"""The MR volume of a simulated knee in the frame of its joint crop, so that radiograph and slices are aligned.

A radiograph shows neither the position of the knee in the scanner nor its size in mm. Volumes are therefore learnt in
the nominal frame of volume.geometry.CROP_FRAME: each pixel of the crop maps to the same row and column in every slice,
up to the divergence of the rays and the flexion of the knee. A similarity transforms this frame to that of a real scan.

One smooth displacement of the coronal plane, equal at all depths, may deform both radiograph and volume. With parallel
rays the radiograph of the deformed volume is the deformed radiograph, so each simulated knee gives many variants.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from ...volume.geometry import CROP_FRAME
from ..mr.flash_mri import FIRST_DEPTH_MM, JOINT_ROW, PITCH_MM, PIXEL_MM, SIZE, SLICES
from ..radiograph.drr import RADIOGRAPH_MM
from .knee_pair import KneePair


@dataclass(frozen=True)
class CropPlacement:
    """Where the crop lies on the knee.

    Attributes
    ----------
    span_mm
        Edge of the crop.
    centre_mm
        (z, x) of its centre from the joint centre, z downwards.
    tilt_rad
        Turn of the crop against the leg.
    """

    span_mm: float
    centre_mm: tuple[float, float]
    tilt_rad: float = 0.0


def nominal_frame(pair: KneePair) -> CropPlacement:
    """The crop that this knee's parameters name."""
    return CropPlacement(
        pair.parameters.crop_mm * CROP_FRAME.span_mm / pair.parameters.mean_crop_mm, pair.parameters.crop_offset_mm
    )


def varied_frame(pair: KneePair, rng: np.random.Generator) -> CropPlacement:
    """The crop as another reader or detector would place it."""
    return moved_frame(nominal_frame(pair), rng)


def moved_frame(frame: CropPlacement, rng: np.random.Generator) -> CropPlacement:
    """``frame``, a little larger or smaller, moved and tilted."""
    z, x = frame.centre_mm
    return CropPlacement(
        frame.span_mm * float(np.clip(rng.normal(1, 0.04), 0.90, 1.10)),
        (z + float(rng.normal(0, 1.2)), x + float(rng.normal(0, 1.0))),
        frame.tilt_rad + float(np.radians(rng.normal(0, 2.0))),
    )


def coronal_bend(rng: np.random.Generator, deviation_mm: float, wavelength_mm: float = 22.0) -> torch.Tensor:
    """Smooth displacement [2, N, N] in mm (z, x) over a square of 240 mm about the joint, plus an affine part.

    The affine part (standard deviation 4 % in width and height, 2 % shear) changes proportions. Slopes are limited so
    that nothing folds.
    """
    from scipy import ndimage

    count, extent = 61, 240.0
    step = extent / (count - 1)
    field = rng.standard_normal((2, count, count)).astype(np.float32)
    field = np.stack([ndimage.gaussian_filter(part, wavelength_mm / step, mode="wrap") for part in field])
    field *= deviation_mm / max(float(field.std()), 1e-6)
    slope = max(float(np.abs(np.diff(field, axis=axis)).max()) / step for axis in (1, 2))
    field *= min(1.0, 0.45 / max(slope, 1e-6))
    axis = np.linspace(-extent / 2, extent / 2, count, dtype=np.float32)
    z, x = np.meshgrid(axis, axis, indexing="ij")
    wide, high, shear = np.clip(rng.normal(0, (0.04, 0.04, 0.02)), -0.1, 0.1)
    field[0] += high * z + shear * x
    field[1] += wide * x
    return torch.from_numpy(field)


def _deform(z: torch.Tensor, x: torch.Tensor, bend: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    if bend is None:
        return z, x
    grid = torch.stack((x, z), dim=-1)[None] / 120.0
    moved = functional.grid_sample(bend[None], grid, mode="bilinear", padding_mode="border", align_corners=True)[0]
    return z + moved[0], x + moved[1]


def on_knee(
    a: torch.Tensor, b: torch.Tensor, frame: CropPlacement, bend: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """(z, x) in mm on the undeformed knee of places (a, b) in units of the crop's edge from its centre."""
    cosine, sine = float(np.cos(frame.tilt_rad)), float(np.sin(frame.tilt_rad))
    down, across = a * frame.span_mm, b * frame.span_mm
    z = cosine * down - sine * across + frame.centre_mm[0]
    x = sine * down + cosine * across + frame.centre_mm[1]
    return _deform(z, x, bend)


def crop_in_frame(
    radiograph: np.ndarray, frame: CropPlacement, bend: torch.Tensor | None = None, size: int = CROP_FRAME.pixels
) -> np.ndarray:
    """The joint crop [size, size] float32 of a radiograph [H, W] that spans RADIOGRAPH_MM; edge values go on beyond the
    radiograph."""
    axis = (torch.arange(size) + 0.5) / size - 0.5
    down, across = torch.meshgrid(axis, axis, indexing="ij")
    z, x = on_knee(down, across, frame, bend)
    # the centres of the outermost radiograph pixels lie half a pixel inside its edge
    grid = torch.stack((x, z), dim=-1)[None] * (2 / RADIOGRAPH_MM)
    picture = torch.from_numpy(np.ascontiguousarray(radiograph, dtype=np.float32))[None, None]
    return functional.grid_sample(picture, grid, padding_mode="border", align_corners=False)[0, 0].numpy()


def volume_in_frame(pair: KneePair, frame: CropPlacement, bend: torch.Tensor | None = None) -> np.ndarray:
    """The MR volume [50, 256, 256] float32 in [0, 1], posterior slice first, where the crop's frame puts it."""
    return placed_volume(pair.volume, frame, bend, pair.parameters.field_offset_mm)


def placed_volume(
    volume: np.ndarray,
    frame: CropPlacement,
    bend: torch.Tensor | None = None,
    field_offset_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> np.ndarray:
    """``volume`` [50, 256, 256] of a scanner's field where the crop's frame puts it, float32 of the same shape.

    Rows and columns follow the crop in CROP_FRAME; depths are scaled alike about the joint centre, which
    ``field_offset_mm`` (y, z, x) moves in the field.
    """
    offset_y, offset_z, offset_x = field_offset_mm
    rows = (torch.arange(SIZE) + 0.5 - CROP_FRAME.centre[0]) * PIXEL_MM / CROP_FRAME.span_mm
    columns = (torch.arange(SIZE) + 0.5 - CROP_FRAME.centre[1]) * PIXEL_MM / CROP_FRAME.span_mm
    down, across = torch.meshgrid(rows, columns, indexing="ij")
    z, x = on_knee(down, across, frame, bend)
    row = JOINT_ROW + (z + offset_z) / PIXEL_MM
    column = (SIZE - 1) / 2 + (x + offset_x) / PIXEL_MM
    nominal_y = FIRST_DEPTH_MM + PITCH_MM * torch.arange(SLICES)
    y = nominal_y * (frame.span_mm / CROP_FRAME.span_mm)
    index = ((y - FIRST_DEPTH_MM - offset_y) / PITCH_MM).clamp(0, SLICES - 1)
    # the plane first, then the depth: two cheap steps instead of one trilinear one
    grid = torch.stack((column, row), dim=-1)[None] * (2 / (SIZE - 1)) - 1
    planes = functional.grid_sample(
        torch.from_numpy(np.ascontiguousarray(volume, np.float32))[None],
        grid,
        mode="bilinear",
        padding_mode="border",
        align_corners=True,
    )[0]
    below = index.floor().long()
    share = (index - below)[:, None, None]
    above = (below + 1).clamp(max=SLICES - 1)
    return torch.lerp(planes[below], planes[above], share).numpy()
