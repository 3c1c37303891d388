"""Tissues and X-ray attenuation of one knee's template, including disease and the grain of its bones.

Most of the box is air or uniform tissue, so one table look-up per voxel gives the values. Bone is worked out through
lists of voxels, which are made once per template. All tensors lie on one device.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from ..anatomy.anatomy_template import AnatomyTemplate, template_axes
from ..anatomy.bone_fields import FAR_MM, bone_fields
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
from ..anatomy.popliteal_cyst import fill_popliteal_cyst
from ..anatomy.template_regions import SHELL_CODE, SHELL_STEP_MM
from ..anatomy.template_tensors import on_device
from ..anatomy.tissue_classes import TISSUE_ID, TISSUES
from ..anatomy.tissue_codes import BYTE_VALUES
from ..anatomy.tissue_volume import TissueVolume, looked_up
from .bone_mineral import NEW_BONE, core_share, cortex_mm, mineral_share, spongy_share
from .tissue_properties import attenuation_per_mm

_RIM_DEPTH_MM = 0.35  # what the rim of a cyst counts as, so that it is cortex


class TissueMaps:
    """Everything that the two views see, worked out on the template's grid and on one device.

    Attributes
    ----------
    code
        uint8 [Y, Z, X], the tissues with this knee's osteoarthritis, see ``TemplateRegions.code``.
    changed
        bool [Y, Z, X], where it differs from the template.
    """

    def __init__(
        self, template: AnatomyTemplate, parameters: KneeParameters, device: torch.device | str = "cpu"
    ) -> None:
        self.template, self.p = template, parameters
        self.tensors = on_device(template, device)
        self.code = self.tensors.code.clone()
        self.device = self.code.device
        depth = self.tensors.bone_depth_mm.clone()
        lose_cartilage(template, parameters, self.code)
        extrude_menisci(template, parameters, self.code)
        pour_effusion(template, parameters, self.code)
        fill_popliteal_cyst(template, parameters, self.code)
        wear_plateau(template, parameters, self.code)
        grow_osteophytes(template, parameters, self.code, depth)
        hollow_cysts(template, parameters, self.code, depth)
        self._depth = depth
        self._placed = False

    @property
    def changed(self) -> torch.Tensor:
        """Where osteoarthritis has made another tissue, bool [Y, Z, X]."""
        return self.code != self.tensors.code

    def _place_bone(self) -> None:
        """Places, sclerosis and trabecular grain of every bone voxel, once."""
        if self._placed:
            return
        self._placed = True
        p, tensors = self.p, self.tensors
        y, z, x = (torch.from_numpy(a).to(self.device) for a in template_axes())
        flat = self.code.view(-1)
        grown = torch.nonzero(flat == TISSUE_ID["osteophyte"])[:, 0]
        _, height, width = self.code.shape
        places = (grown // (height * width), grown // width % height, grown % width)
        self.bone = torch.cat((tensors.bone_index, grown))
        kept = (tensors.bone_y, tensors.bone_z, tensors.bone_x)
        self._y, self._z, self._x = (torch.cat(pair) for pair in zip(kept, places, strict=True))
        self._of_tibia = torch.cat((tensors.bone_of_tibia, z[places[1]] > 0))
        # what osteoarthritis turned into something else is bone no more
        same = looked_up(flat, tensors.bone_index) == looked_up(tensors.tissue.view(-1), tensors.bone_index)
        self._is_bone = torch.cat((same, torch.ones_like(grown, dtype=torch.bool)))
        self._sclerosis = torch.zeros(len(self.bone), device=self.device)
        if any(v > 0 for v in p.sclerosis_mm.values()):
            near = torch.nonzero(z.abs()[self._z] < 22)[:, 0]
            at = (y[self._y[near]], z[self._z[near]], x[self._x[near]])
            self._sclerosis[near] = subchondral_thickening(self.template, p, *at)
        offset = int(np.random.default_rng([p.seed, 23]).integers(self.code.numel() // 2))
        grain = _fine_grain(tuple(self.code.shape), self.device)[offset : offset + self.code.numel()]
        self.grain = looked_up(grain, self.bone)

    def mineral(self, part: str) -> TissueVolume:
        """Attenuation of bone mineral in 1/mm; ``part`` is "femur", "patella" or "tibia" (with the fibula)."""
        self._place_bone()
        p = self.p
        fields = bone_fields(self.template, self.device)
        grown = len(self.bone) - len(fields.depth_mm)
        patella = functional.pad(fields.is_patella, (0, grown))
        of_part = {"patella": patella, "tibia": self._of_tibia, "femur": ~self._of_tibia & ~patella}[part]
        box = self.template.regions.radiograph_boxes[part]
        low = [int(s.start) for s in box]
        shape = [int(min(s.stop, n)) - o for s, n, o in zip(box, self.code.shape, low, strict=True)]
        chosen = self._is_bone & of_part
        for at, o, n in zip((self._y, self._z, self._x), low, shape, strict=True):
            chosen &= (at >= o) & (at < o + n)
        pick = torch.nonzero(chosen)[:, 0]

        def of(values: torch.Tensor) -> torch.Tensor:
            return looked_up(values, pick)

        at_y, at_z, at_x = (of(a) for a in (self._y, self._z, self._x))
        own = looked_up(self._depth.view(-1), of(self.bone)).float()
        new = pick >= len(fields.depth_mm)
        # new bone brings its depth, also where it covers a rim whose edge is rounded; bone without any is the rim of a
        # cyst
        before = looked_up(self.tensors.bone_depth_mm.view(-1), of(self.bone)).float()
        smooth = of(functional.pad(fields.depth_mm, (0, grown)))
        smooth = torch.where(own > before, torch.maximum(smooth, own), smooth)
        depth = torch.where(~new & (own > 0), smooth, own)
        depth = torch.where(own > 0, depth, _RIM_DEPTH_MM)
        joint = of(functional.pad(fields.joint_mm, (0, grown), value=FAR_MM))
        height = looked_up(torch.from_numpy(template_axes()[1]).to(self.device), at_z)
        cortex = cortex_mm(part, height, joint, p.cortex) + of(self._sclerosis) * ~new
        spongy = spongy_share(part, height, joint, p.bone_density, p.growth_scar)
        spongy = torch.where(new, spongy * NEW_BONE, spongy)
        spongy = spongy * core_share(depth) * (1 + p.marrow_texture / 2 * of(self.grain))
        density = attenuation_per_mm("cortical bone", p.energy_kev) - attenuation_per_mm("adipose", p.energy_kev)
        values = torch.zeros(shape, device=self.device)
        index = ((at_y - low[0]) * shape[1] + at_z - low[1]) * shape[2] + at_x - low[2]
        values.view(-1)[index] = density * mineral_share(depth, cortex, spongy)
        return TissueVolume.of_template(values, (low[0], low[1], low[2]))

    def soft_attenuation(self) -> TissueVolume:
        """Attenuation in 1/mm of all but mineral, every second voxel."""
        adipose, water = (attenuation_per_mm(m, self.p.energy_kev) for m in ("adipose", "soft tissue"))
        fatty = ("connective", "fat", "femur", "tibia", "fibula", "patella", "osteophyte")
        tissues = [0.0] + [adipose if name in fatty else water for name in TISSUES[1:]]
        table = self._table(np.array(tissues, np.float32), adipose, water)
        return TissueVolume.of_template(looked_up(table, self.code[::2, ::2, ::2].int()), stride=2)

    def _table(self, tissues: np.ndarray, fat: float, skin: float) -> torch.Tensor:
        """Value of every code, float32 [256]: tissues inside the fascia, fat, skin and air outside."""
        distance = (np.arange(BYTE_VALUES - SHELL_CODE) + 0.5) * SHELL_STEP_MM
        fat_mm, skin_mm = self.p.fat_mm, self.p.skin_mm
        shell = np.where(distance <= fat_mm, fat, np.where(distance <= fat_mm + skin_mm, skin, 0.0))
        return torch.from_numpy(np.concatenate((tissues, shell)).astype(np.float32)).to(self.device)


_GRAIN: dict[str, torch.Tensor] = {}


def _fine_grain(shape: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """Flat noise of one and a half boxes, unit variance, clipped; made once."""
    from scipy import ndimage

    size, key = int(np.prod(shape)), str(device)
    if key not in _GRAIN or len(_GRAIN[key]) != size + size // 2:
        white = np.random.default_rng(5).standard_normal(shape, dtype=np.float32)
        fine = ndimage.gaussian_filter(white, 1.3, mode="wrap")
        fine = np.clip(fine / fine.std(), -2, 2).reshape(-1)
        _GRAIN[key] = torch.from_numpy(np.concatenate((fine, fine[: size // 2]))).to(device)
    return _GRAIN[key]
