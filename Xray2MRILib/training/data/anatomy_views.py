"""Projections of a labelled knee from any side; the view check must accept the frontal ones only."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn import functional

from ...simulation.anatomy.anatomy_template import BONES, TISSUE_ID, AnatomyTemplate, template_axes

_STRIDE = 2  # 1.25 mm is enough for a picture of 128 pixels
_RAY_STEP_MM = 2.0
_CORTEX_MM = 2.0
_FAT_MM = 10.0


class AnatomyViews:
    """Attenuation volume of one anatomy template, for projection with parallel rays."""

    def __init__(self, template: AnatomyTemplate) -> None:
        tissue = template.tissue[::_STRIDE, ::_STRIDE, ::_STRIDE]
        depth = template.bone_depth_mm[::_STRIDE, ::_STRIDE, ::_STRIDE].astype(np.float32)
        outside = template.outside_mm[::_STRIDE, ::_STRIDE, ::_STRIDE]
        bone = np.isin(tissue, [TISSUE_ID[name] for name in BONES])
        # relative to soft tissue at diagnostic energies: cortical bone about 3, marrow bone about 1.5, fat 0.9
        attenuation = np.where(outside > 0, np.where(outside < _FAT_MM, 0.9, 0.0), 1.0)
        attenuation = np.where(bone, 1.5 + 1.8 * np.exp(-depth / _CORTEX_MM), attenuation)
        self.attenuation = torch.from_numpy(attenuation.astype(np.float32))  # [Y, Z, X]
        self.axes = [torch.from_numpy(axis[::_STRIDE].copy()) for axis in template_axes()]
        self.box_mm = (template.plateau_mm[1] - template.plateau_mm[0]) / 0.82

    def project(self, azimuth_deg: float, tilt_deg: float, *, field_mm: float, pixels: int) -> np.ndarray:
        """Line integrals [pixels, pixels] around the joint centre, rows superior to inferior, right-knee space.

        Azimuth 0 looks along the antero-posterior axis (frontal), 90 along the left-right axis (lateral); tilt turns
        the beam upwards, 90 looks along the leg. Values are in mm of soft tissue.
        """
        across = torch.linspace(-field_mm / 2, field_mm / 2, pixels)
        along = torch.arange(-88.0, 88.0, _RAY_STEP_MM)
        depth, row, column = torch.meshgrid(along, across, across, indexing="ij")
        tilt, azimuth = math.radians(tilt_deg), math.radians(azimuth_deg)
        depth, z = depth * math.cos(tilt) - row * math.sin(tilt), depth * math.sin(tilt) + row * math.cos(tilt)
        y = depth * math.cos(azimuth) - column * math.sin(azimuth)
        x = depth * math.sin(azimuth) + column * math.cos(azimuth)
        of_y, of_z, of_x = self.axes
        fractions = [2 * (c - axis[0]) / (axis[-1] - axis[0]) - 1 for c, axis in ((x, of_x), (z, of_z), (y, of_y))]
        grid = torch.stack(fractions, dim=-1)
        volume = self.attenuation[None, None]
        values = functional.grid_sample(volume, grid[None], align_corners=True, padding_mode="zeros")
        return (values[0, 0].sum(dim=0) * _RAY_STEP_MM).numpy()

    def radiograph(self, azimuth_deg: float, tilt_deg: float, rng: np.random.Generator) -> np.ndarray:
        """A joint box of random size on such a projection with a radiograph's grey scale: bright bone, some scatter."""
        pixels = 144
        integral = self.project(azimuth_deg, tilt_deg, field_mm=self.box_mm * rng.uniform(0.9, 1.35), pixels=pixels)
        # between a logarithmic radiograph (grey proportional to the integral) and a nearly linear, overexposed one
        strength = rng.uniform(0.004, 0.02)
        radiograph = 1 - np.exp(-strength * integral)
        return radiograph + rng.normal(0, rng.uniform(0.0, 0.02), radiograph.shape)
