"""MR signal and X-ray attenuation of one knee's template, including disease and texture.

Most of the box is air or uniform tissue, so one table look-up per voxel gives the values. The texture of bone, muscle
and subcutaneous fat is applied through lists of voxels, which are made once per template.
"""

from __future__ import annotations

import numpy as np
import torch

from ..anatomy.anatomy_template import AnatomyTemplate, template_axes
from ..anatomy.knee_parameters import KneeParameters
from ..anatomy.osteoarthritis import (
    extrude_menisci,
    grow_osteophytes,
    hollow_cysts,
    lose_cartilage,
    pour_effusion,
    subchondral_thickening,
    wear_plateau,
)
from ..anatomy.template_regions import SHELL_CODE, SHELL_STEP_MM
from ..anatomy.tissue_classes import EXTENT_MM, SPACING_MM, TISSUE_ID, TISSUES
from ..anatomy.tissue_volume import TissueVolume
from . import flash_mri
from .tissue_properties import RELAXATION, attenuation_per_mm, tissue_signal

_FAT_TEXTURE = 0.2
_SPONGY = {"femur": 0.30, "tibia": 0.20}  # mineral of cancellous bone at the joint, as a share of the cortex's
_CORTEX_SIGNAL = 0.07  # of the marrow's; a T2* of half a millisecond leaves nothing but partial volume
_CORTEX_SOFTNESS_MM = 0.25


class TissueMaps:
    """Everything that the two views see, worked out on the template's grid."""

    def __init__(self, template: AnatomyTemplate, parameters: KneeParameters) -> None:
        self.template, self.p = template, parameters
        self.code = template.regions.code.copy()
        depth = template.bone_depth_mm.copy()
        lose_cartilage(template, parameters, self.code)
        extrude_menisci(template, parameters, self.code)
        pour_effusion(template, parameters, self.code)
        wear_plateau(template, parameters, self.code)
        grow_osteophytes(template, parameters, self.code, depth)
        hollow_cysts(template, parameters, self.code, depth)
        self._place_bone(depth)

    def _place_bone(self, depth: np.ndarray) -> None:
        """Cortex share and trabecular grain of every bone voxel."""
        p, regions = self.p, self.template.regions
        y, z, x = template_axes()
        bones = regions.bones
        flat = self.code.reshape(-1)
        grown = np.flatnonzero(flat == TISSUE_ID["osteophyte"])
        yg, zg, xg = (a.astype(np.int16) for a in np.unravel_index(grown, self.code.shape))
        self.bone = np.concatenate((bones.index, grown))
        self._y, zi, self._x = (np.concatenate(pair) for pair in ((bones.y, yg), (bones.z, zg), (bones.x, xg)))
        self._z = zi
        self._of_tibia = np.concatenate((bones.of_tibia, z[zg] > 0))
        # what osteoarthritis turned into something else is bone no more
        self._is_bone = np.ones(len(self.bone), bool)
        self._is_bone[: len(bones.index)] = flat[bones.index] == self.template.tissue.reshape(-1)[bones.index]
        thickness = cortical_thickness(z, p.cortex).astype(np.float32)[zi]
        near = np.flatnonzero(np.abs(z[zi]) < 22) if any(v > 0 for v in p.sclerosis_mm.values()) else np.zeros(0, int)
        if len(near):
            thickness[near] += subchondral_thickening(self.template, p, y[self._y[near]], z[zi[near]], x[self._x[near]])
        excess = (depth.reshape(-1)[self.bone].astype(np.float32) - thickness) * np.float32(1 / _CORTEX_SOFTNESS_MM)
        np.clip(excess, -30, 30, out=excess)
        self.cortex = 1 / (1 + np.exp(excess))  # 1 in cortex, 0 in marrow
        self._texture = _texture(self.code.shape)
        self._offset = int(np.random.default_rng([p.seed, 23]).integers(self.code.size // 2))
        self.grain = self._noise("fine")[self.bone]

    def _noise(self, kind: str) -> np.ndarray:
        """This knee's part of the noise block, flat, as many values as voxels."""
        return self._texture[kind][self._offset : self._offset + self.code.size]

    def signal(self, low_mm: float = EXTENT_MM["y"][0], high_mm: float = EXTENT_MM["y"][1]) -> TissueVolume:
        """MR signal between two depths, averaged over a slice's thickness."""
        p, plane = self.p, self.code[0].size
        first = int(np.clip(np.floor((low_mm - EXTENT_MM["y"][0]) / SPACING_MM) - 2, 0, len(self.code) - 2))
        last = int(np.clip(np.ceil((high_mm - EXTENT_MM["y"][0]) / SPACING_MM) + 3, first + 2, len(self.code)))
        start, stop = first * plane, last * plane
        table = self._table(
            flash_mri.signal_table(p),
            tissue_signal(RELAXATION["subcutaneous"], p.fat_residue),
            tissue_signal(RELAXATION["skin"]),
        )
        values = flash_mri.scratch("signal", self.code[first:last].shape)
        flat = values.numpy().reshape(-1)
        # no code is above 255, so nothing is clipped; other modes copy the output once more
        np.take(table, self.code[first:last].reshape(-1), out=flat, mode="clip")
        for kind, amplitude, index in (
            ("septa", -p.marbling, self.template.regions.muscle),
            ("fine", _FAT_TEXTURE, self.template.regions.shell),
        ):
            index = index[np.searchsorted(index, start) : np.searchsorted(index, stop)]
            flat[index - start] *= 1 + np.float32(amplitude) * self._noise(kind)[index]
        bone = self._is_bone & (self.bone >= start) & (self.bone < stop)
        grain = 1 + np.float32(p.marrow_texture) * self.grain[bone]
        flat[self.bone[bone] - start] *= grain * (1 - np.float32(1 - _CORTEX_SIGNAL) * self.cortex[bone])
        return TissueVolume.of_template(flash_mri.slice_averaged(values), (first, 0, 0))

    def mineral(self, part: str) -> TissueVolume:
        """Attenuation of bone mineral in 1/mm; ``part`` is "femur" (with the patella) or "tibia" (with the fibula)."""
        p, z = self.p, template_axes()[1]
        box = self.template.regions.radiograph_boxes[part]
        low = np.array([s.start for s in box])
        shape = tuple(min(s.stop, n) - s.start for s, n in zip(box, self.code.shape, strict=True))
        chosen = self._is_bone & (self._of_tibia == (part == "tibia"))
        where = [a[chosen] - o for a, o in zip((self._y, self._z, self._x), low, strict=True)]
        inside = np.logical_and.reduce([(w >= 0) & (w < n) for w, n in zip(where, shape, strict=True)])
        if not inside.all():
            chosen[np.flatnonzero(chosen)[~inside]] = False
            where = [w[inside] for w in where]
        trabecular = (_SPONGY[part] * (0.4 + 0.6 * np.exp(-((z / 26) ** 2))) * p.bone_density).astype(np.float32)
        cortex = self.cortex[chosen]
        spongy = trabecular[self._z[chosen]] * (1 + np.float32(p.marrow_texture / 2) * self.grain[chosen])
        density = attenuation_per_mm("cortical bone", p.energy_kev) - attenuation_per_mm("adipose", p.energy_kev)
        values = np.zeros(shape, np.float32)
        values[tuple(where)] = np.float32(density) * (cortex + (1 - cortex) * spongy)
        return TissueVolume.of_template(torch.from_numpy(values), tuple(low))

    def soft_attenuation(self) -> TissueVolume:
        """Attenuation in 1/mm of all but mineral, every second voxel."""
        adipose, water = (attenuation_per_mm(m, self.p.energy_kev) for m in ("adipose", "soft tissue"))
        fatty = ("connective", "fat", "femur", "tibia", "fibula", "patella", "osteophyte")
        tissues = [0.0] + [adipose if name in fatty else water for name in TISSUES[1:]]
        table = self._table(np.array(tissues, np.float32), adipose, water)
        return TissueVolume.of_template(torch.from_numpy(table[self.code[::2, ::2, ::2]]), stride=2)

    def _table(self, tissues: np.ndarray, fat: float, skin: float) -> np.ndarray:
        """Value of every code, float32 [256]: tissues inside the fascia, fat, skin and air outside."""
        distance = (np.arange(256 - SHELL_CODE) + 0.5) * SHELL_STEP_MM
        fat_mm, skin_mm = self.p.fat_mm, self.p.skin_mm
        shell = np.where(distance <= fat_mm, fat, np.where(distance <= fat_mm + skin_mm, skin, 0.0))
        return np.concatenate((tissues, shell)).astype(np.float32)


def cortical_thickness(z_mm: np.ndarray, factor: float) -> np.ndarray:
    """Cortex in mm along the leg: thin shell at the joint ends, 4 mm in the shafts."""
    rise = np.clip((np.abs(z_mm) - 32) / 45, 0, 1)
    return factor * (0.95 + 3.2 * rise * rise * (3 - 2 * rise))


_NOISE: dict[str, np.ndarray] = {}


def _texture(shape: tuple[int, int, int]) -> dict[str, np.ndarray]:
    """Flat noise of one and a half boxes: fine grain (unit variance, clipped) and muscle septa (0..1), made once."""
    from scipy import ndimage

    size = int(np.prod(shape))
    if not _NOISE or _NOISE["fine"].size != size + size // 2:
        white = np.random.default_rng(5).standard_normal(shape, dtype=np.float32)
        fine = ndimage.gaussian_filter(white, 1.3, mode="wrap")
        fine = np.clip(fine / fine.std(), -2, 2).reshape(-1)
        long = ndimage.gaussian_filter(white, (2.0, 14.0, 2.0), mode="wrap")
        septa = np.exp(-((long / long.std()) ** 2) / 0.08).reshape(-1)
        for name, values in (("fine", fine), ("septa", septa)):
            _NOISE[name] = np.concatenate((values, values[: size // 2]))
    return _NOISE
