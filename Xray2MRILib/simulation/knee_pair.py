"""One simulated pair: the MR volume and the radiograph of the same deformed knee."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from . import film_projection, mr_scan
from .anatomy_template import BONES, SPACING_MM, TISSUE_ID, AnatomyTemplate, template_axes
from .deformation import KneeDeformation
from .knee_parameters import KneeParameters
from .osteoarthritis import grow_osteophytes, subchondral_thickening
from .tissue_properties import RELAXATION, attenuation_per_mm, tissue_signal


@dataclass
class KneePair:
    """A simulated knee.

    Attributes
    ----------
    volume
        float32 [50, 256, 256] in [0, 1], posterior slice first, right knee, noise-free.
    bone, soft
        float32 [288, 288]: attenuation integrals of bone mineral and of all other tissue over ``film_mm``.
    joint_space_mm
        Bone-to-bone distance in the centre of each compartment (truth).
    """

    parameters: KneeParameters
    volume: np.ndarray
    bone: np.ndarray
    soft: np.ndarray
    joint_space_mm: dict[str, float]
    film_mm: float = film_projection.FILM_MM


def simulate_pair(template: AnatomyTemplate, parameters: KneeParameters) -> KneePair:
    """Deform the template once and look at it twice."""
    signal, attenuation = tissue_maps(template, parameters)
    deformation = KneeDeformation(template, parameters)
    volume = mr_scan.scan(deformation, signal, parameters)
    film = film_projection.project(deformation, attenuation, parameters)
    return KneePair(
        parameters,
        mr_scan.to_unit_range(volume),
        film[0].numpy(),
        film[1].numpy(),
        deformation.joint_space_mm(template),
    )


def tissue_maps(template: AnatomyTemplate, parameters: KneeParameters) -> tuple[torch.Tensor, torch.Tensor]:
    """MR signal [Y, Z, X] and attenuation [3, Y, Z, X] (1/mm) of one knee's template.

    Attenuation channels: mineral of femur and patella, mineral of tibia and fibula, everything else.

    Works on lists of voxels (bone, soft tissue, shell outside the fascia), since most of the box is air.
    """
    p = parameters
    tissue, depth = template.tissue.copy(), template.bone_depth_mm.astype(np.float32)
    grow_osteophytes(template, p, tissue, depth)
    shape, flat_tissue = tissue.shape, tissue.reshape(-1)
    y, z, x = template_axes()
    noise = _texture(shape)
    offset = int(np.random.default_rng([p.seed, 23]).integers(tissue.size))
    signal = np.zeros(tissue.size, np.float32)
    mineral = np.zeros((2, tissue.size), np.float32)
    soft = np.zeros(tissue.size, np.float32)
    adipose, water = attenuation_per_mm("adipose"), attenuation_per_mm("soft tissue")

    inside = np.flatnonzero(flat_tissue)
    kind = flat_tissue[inside]
    signal[inside] = mr_scan.signal_table(p.seed)[kind]
    soft[inside] = np.where(kind == TISSUE_ID["connective"], adipose, water)
    muscle = inside[kind == TISSUE_ID["muscle"]]
    signal[muscle] *= 1 - 0.2 * noise["septa"][(muscle + offset) % tissue.size]

    bone = inside[((kind >= TISSUE_ID["femur"]) & (kind <= TISSUE_ID["patella"])) | (kind == TISSUE_ID["osteophyte"])]
    yi, zi, xi = np.unravel_index(bone, shape)
    thickness = cortical_thickness(z, p.cortex)[zi] + subchondral_thickening(template, p, y[yi], z[zi], x[xi])
    # Soft edge of the cortex; 1 in cortex, 0 in marrow.
    cortex = 1 / (1 + np.exp(np.clip((depth.reshape(-1)[bone] - thickness) / 0.25, -30, 30)))
    grain = noise["fine"][(bone + offset) % tissue.size]
    signal[bone] *= (1 + 0.16 * grain) * (1 - 0.93 * cortex)
    trabecular = (0.05 + 0.15 * np.exp(-((np.abs(z) / 26) ** 2)))[zi] * p.bone_density
    share = cortex + (1 - cortex) * trabecular * (1 + 0.08 * grain)
    part = flat_tissue[bone]
    of_tibia = (part == TISSUE_ID["tibia"]) | (part == TISSUE_ID["fibula"])
    of_tibia |= (part == TISSUE_ID["osteophyte"]) & (z[zi] > 0)
    mineral[of_tibia.astype(int), bone] = (attenuation_per_mm("cortical bone") - adipose) * share
    soft[bone] = adipose

    outside = template.outside_mm.reshape(-1)
    shell = np.flatnonzero((outside > 0) & (outside <= p.fat_mm + p.skin_mm))
    skin = outside[shell].astype(np.float32) > p.fat_mm
    grain = noise["fine"][(shell + offset) % tissue.size]
    fat_signal = tissue_signal(RELAXATION["subcutaneous"], 0.08)
    signal[shell] = np.where(skin, tissue_signal(RELAXATION["skin"]), fat_signal * (1 + 0.2 * grain))
    soft[shell] = np.where(skin, water, adipose)
    return (
        torch.from_numpy(signal.reshape(shape)),
        torch.from_numpy(np.concatenate((mineral, soft[None])).reshape(3, *shape)),
    )


def cortical_thickness(z_mm: np.ndarray, factor: float) -> np.ndarray:
    """Cortex in mm along the leg: thin shell at the joint ends, 4 mm in the shafts."""
    rise = np.clip((np.abs(z_mm) - 32) / 45, 0, 1)
    return factor * (0.95 + 3.2 * rise * rise * (3 - 2 * rise))


_NOISE: dict[str, np.ndarray] = {}


def _texture(shape: tuple[int, int, int]) -> dict[str, np.ndarray]:
    """Flat noise blocks: fine trabecular grain (unit variance, clipped) and muscle septa (0..1), made once."""
    from scipy import ndimage

    if not _NOISE or _NOISE["fine"].size != np.prod(shape):
        white = np.random.default_rng(5).standard_normal(shape, dtype=np.float32)
        fine = ndimage.gaussian_filter(white, 1.3, mode="wrap")
        _NOISE["fine"] = np.clip(fine / fine.std(), -2, 2).reshape(-1)
        long = ndimage.gaussian_filter(white, (2.0, 14.0, 2.0), mode="wrap")
        _NOISE["septa"] = np.exp(-((long / long.std()) ** 2) / 0.08).reshape(-1)
    return _NOISE


def plateau_width_mm(template: AnatomyTemplate, parameters: KneeParameters) -> float:
    """Width of the tibial plateau of this knee before its random warp, mm."""
    return (template.plateau_mm[1] - template.plateau_mm[0]) * parameters.scale[2] * parameters.tibia_width


__all__ = ["BONES", "SPACING_MM", "KneePair", "cortical_thickness", "plateau_width_mm", "simulate_pair", "tissue_maps"]
