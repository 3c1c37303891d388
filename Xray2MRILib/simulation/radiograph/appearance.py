"""From attenuation integrals to a radiograph: exposure, scatter, tone curve, texture, blur, noise, and the joint crop.

It is drawn again each time a pair is read, so that a network sees one knee with many exposures (domain randomisation).
"""

from __future__ import annotations

import numpy as np

from ...volume.geometry import CROP_FRAME
from ..anatomy.knee_parameters import KneeParameters
from .drr import RADIOGRAPH_MM


def expose(bone: np.ndarray, soft: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A radiograph [H, W] float32, bright bone, from the attenuation integrals of bone mineral and soft tissue.

    The radiograph value is the logarithm of the dose that reaches the detector with scatter and quantum noise, through
    a random tone curve.
    """
    from scipy import ndimage

    size = bone.shape[0]
    grain = ndimage.gaussian_filter(rng.standard_normal(bone.shape), (rng.uniform(0.8, 2.0), rng.uniform(0.4, 0.8)))
    grain /= grain.std()
    mineral = bone * rng.uniform(0.8, 1.7) * (1 + rng.uniform(0.0, 0.09) * grain)
    total = mineral + soft * rng.uniform(0.35, 1.05)
    primary = np.exp(-np.clip(total, 0, 12))
    scatter = ndimage.gaussian_filter(primary, size * rng.uniform(0.05, 0.14)) * rng.uniform(0.0, 0.7)
    dose = ndimage.gaussian_filter(primary, rng.uniform(0.3, 1.1)) + scatter
    photons = 10 ** rng.uniform(3.6, 5.2)
    dose = np.maximum(dose + rng.standard_normal(dose.shape) * np.sqrt(dose / photons), 1e-6)
    radiograph = -np.log(dose)
    low, high = np.percentile(radiograph, (0.5, 99.7))
    radiograph = np.clip((radiograph - low) / max(high - low, 1e-6), 0, 1.1)
    radiograph = radiograph ** rng.uniform(0.6, 1.7)
    yy, xx = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    radiograph = radiograph * (1 + rng.normal(0, 0.06) * yy + rng.normal(0, 0.06) * xx)
    return radiograph.astype(np.float32)


def joint_crop(
    radiograph: np.ndarray,
    parameters: KneeParameters,
    rng: np.random.Generator | None = None,
    size: int = CROP_FRAME.pixels,
) -> np.ndarray:
    """The square joint crop [size, size] of a radiograph that spans ``RADIOGRAPH_MM``, as the localiser would cut it.

    With ``rng``: small jitter, tilt, and now and then a radiograph cut short above and below (edge rows repeated).
    """
    from scipy import ndimage

    span, (dz, dx) = parameters.crop_mm, parameters.crop_offset_mm
    tilt = 0.0
    if rng is not None:
        span *= float(np.clip(rng.normal(1, 0.02), 0.95, 1.05))
        dz, dx, tilt = dz + rng.normal(0, 0.8), dx + rng.normal(0, 0.8), float(np.radians(rng.normal(0, 1.0)))
    pixel = RADIOGRAPH_MM / radiograph.shape[0]
    step = span / size
    grid = (np.arange(size) - (size - 1) / 2) * step
    zz, xx = np.meshgrid(grid, grid, indexing="ij")
    if rng is not None and rng.random() < 0.4:
        zz = np.clip(zz, -span / 2 * rng.uniform(0.55, 0.95), span / 2 * rng.uniform(0.55, 0.95))
    rows = (np.cos(tilt) * zz - np.sin(tilt) * xx + dz) / pixel + (radiograph.shape[0] - 1) / 2
    columns = (np.sin(tilt) * zz + np.cos(tilt) * xx + dx) / pixel + (radiograph.shape[1] - 1) / 2
    return ndimage.map_coordinates(radiograph, (rows, columns), order=1, mode="nearest").astype(np.float32)
