"""MR signal of one knee from an image-based template: maps, disease and texture first, then the signal equation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from ..anatomy.image_template import ImageTemplate
from ..anatomy.knee_parameters import KneeParameters
from ..anatomy.osteoarthritis import (
    extrude_menisci,
    grow_osteophytes,
    hollow_cysts,
    lose_cartilage,
    pour_effusion,
    wear_plateau,
)
from ..anatomy.shape_model import load_shape_model
from ..anatomy.shape_variation import fitted_modes
from ..anatomy.tissue_classes import BONES, EXTENT_MM, SPACING_MM
from ..anatomy.tissue_codes import BYTE_VALUES, CODE, CODES
from ..anatomy.tissue_volume import TissueVolume
from . import texture_blocks
from .property_tables import property_tables
from .scan_parameters import CHEMICAL_SHIFT_MM, ScanParameters
from .tissue_properties import ECHO_TIME_MS

DENSITY_SCALE = 200.0  # stored value of pure water and pure fat
T2STAR_SHARE = 0.75  # of the spin echo's T2
SHELL_CODE = len(CODES)  # codes from here on lie outside the fascia, one for every ``SHELL_STEP_MM``
SHELL_STEP_MM = 0.2
_MIRRORED_ROWS = 24
_SKIN_VESSELS = 0.45  # signal of subcutaneous vessels against those of deep fat: they are thinner
DEEPEST_SHELL_MM = 29.0


@dataclass
class PreparedTemplate:
    """An image template cut to the leg's box, with everything that all its knees share.

    Attributes
    ----------
    template
        Where it comes from.
    box
        The part of the template's grid, slices along y, z and x.
    code
        uint8 [y, z, x]; from ``SHELL_CODE`` on the distance outside the fascia.
    water
        float32 [y, z, x], proton density with its decay until the echo.
    fat
        float32 [y, z, x], proton density.
    """

    template: ImageTemplate
    box: tuple[slice, ...]
    code: np.ndarray
    water: np.ndarray
    fat: np.ndarray

    @cached_property
    def modes_mm(self) -> np.ndarray:
        """What each mode of the shape model does, float32 [K, 3, Y, Z, X], see ``shape_variation``."""
        return fitted_modes(self.template.anatomy, load_shape_model())


def prepared(template: ImageTemplate) -> PreparedTemplate:
    """Cut ``template`` to its leg and let the water decay until the echo."""
    outside = template.anatomy.outside_mm
    near = (outside < DEEPEST_SHELL_MM) & ((outside > 0) | (template.code > 0))
    spans = [np.flatnonzero(near.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    box = tuple(
        slice(max(int(s[0]) - 3, 0), min(int(s[-1]) + 4, n)) for s, n in zip(spans, template.code.shape, strict=True)
    )
    t2star = np.maximum(T2STAR_SHARE * np.arange(BYTE_VALUES, dtype=np.float32), 1.0)
    decay = np.exp(-ECHO_TIME_MS / t2star).astype(np.float32)
    water = template.water[box].astype(np.float32) * decay[template.t2_ms[box]] / DENSITY_SCALE
    fat = template.fat[box].astype(np.float32) / DENSITY_SCALE
    _deepen_cartilage(template, box, water)
    beyond = outside[box].astype(np.float32)
    steps = np.minimum(beyond * (1 / SHELL_STEP_MM), 255 - SHELL_CODE)
    code = np.where(beyond > 0, (SHELL_CODE + steps).astype(np.uint8), template.code[box])
    water[beyond > 0] = fat[beyond > 0] = 1  # their tables hold the whole signal
    return PreparedTemplate(template, box, code, water, fat)


def _deepen_cartilage(template: ImageTemplate, box: tuple[slice, ...], water: np.ndarray) -> None:
    """Cartilage is darker at the bone than at its surface, T2* 19 and 23 ms, in place."""
    index, depth, _ = template.anatomy.regions.cartilage
    places = np.unravel_index(index, template.code.shape)
    inside = np.logical_and.reduce([(p >= b.start) & (p < b.stop) for p, b in zip(places, box, strict=True)])
    local = tuple(p[inside] - b.start for p, b in zip(places, box, strict=True))
    t2star = 19.0 + 4.0 * depth[inside]
    water[local] *= np.exp(-ECHO_TIME_MS / t2star) / np.exp(-ECHO_TIME_MS / 21.0)


def knee_codes(template: ImageTemplate, parameters: KneeParameters, box: tuple[slice, ...] | None = None) -> np.ndarray:
    """Codes of one knee in ``box`` (default: all) with its osteoarthritis; unchanged ones are the template's."""
    box = box or tuple(slice(0, n) for n in template.code.shape)
    anatomy = template.anatomy
    tissue = anatomy.tissue.copy()
    depth = np.zeros(tissue.shape, np.float16)  # of the new bone, which the signal does not ask for
    lose_cartilage(anatomy, parameters, tissue)
    extrude_menisci(anatomy, parameters, tissue)
    pour_effusion(anatomy, parameters, tissue)
    wear_plateau(anatomy, parameters, tissue)
    grow_osteophytes(anatomy, parameters, tissue, depth)
    hollow_cysts(anatomy, parameters, tissue, depth)
    after = tissue[box]
    return np.where(after == anatomy.tissue[box], template.code[box], after)


def knee_signal(
    source: PreparedTemplate,
    parameters: KneeParameters,
    scan: ScanParameters,
    *,
    low_mm: float = EXTENT_MM["y"][0],
    high_mm: float = EXTENT_MM["y"][1],
) -> TissueVolume:
    """Signal between two depths on the template's grid, averaged over about one slice of 1.5 mm."""
    box = source.box
    first = int(np.clip(np.floor((low_mm - EXTENT_MM["y"][0]) / SPACING_MM) - 2, box[0].start, box[0].stop - 2))
    last = int(np.clip(np.ceil((high_mm - EXTENT_MM["y"][0]) / SPACING_MM) + 3, first + 2, box[0].stop))
    part = slice(first - box[0].start, last - box[0].start)
    own = source.code[part]
    code = knee_codes(source.template, parameters, (slice(first, last), box[1], box[2]))
    tables = property_tables(parameters.seed, scan.fat_residue, scan.inflow, marrow_t2star_ms=scan.marrow_t2star_ms)
    kind = shell_kinds(parameters.fat_mm, parameters.skin_mm)
    water = source.water[part] * np.take(_with_shell(tables.water_gain, tables.plain_water, kind), own, mode="clip")
    fat = source.fat[part] * np.take(_with_shell(tables.fat_gain, tables.plain_fat, kind), own, mode="clip")
    own = np.take(kind, own, mode="clip")
    code = np.where(own == source.code[part], code, own)
    changed = np.flatnonzero(code != own)
    kinds = code.reshape(-1)[changed]
    water.reshape(-1)[changed] = tables.plain_water[kinds]
    fat.reshape(-1)[changed] = tables.plain_fat[kinds]
    _texture(water, fat, code, parameters.seed, scan, float(tables.plain_water[CODE["synovium"]]),
             float(tables.plain_water[CODE["vein"]]))  # fmt: skip
    water += _shifted(fat, CHEMICAL_SHIFT_MM / parameters.scale[1] / SPACING_MM)
    averaged = 0.4 * water
    averaged[1:] += 0.3 * water[:-1]
    averaged[:-1] += 0.3 * water[1:]
    # a small knee shows more of the leg than the template's box holds: what is beyond is the mirror image
    averaged = np.pad(averaged, ((0, 0), (_MIRRORED_ROWS, _MIRRORED_ROWS), (0, 0)), mode="reflect")
    return TissueVolume.of_template(torch.from_numpy(averaged), (first, box[1].start - _MIRRORED_ROWS, box[2].start))


def shell_kinds(fat_mm: float, skin_mm: float) -> np.ndarray:
    """Tissue of every code, uint8 [256]: itself inside the fascia; fat, skin and air by the distance outside it."""
    distance = (np.arange(BYTE_VALUES - SHELL_CODE) + 0.5) * SHELL_STEP_MM
    shell = np.where(distance <= fat_mm, CODE["subcutaneous"], np.where(distance <= fat_mm + skin_mm, CODE["skin"], 0))
    return np.concatenate((np.arange(SHELL_CODE), shell)).astype(np.uint8)


def _with_shell(gain: np.ndarray, plain: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """Values of all 256 codes: gains inside the fascia, whole signals outside."""
    return np.concatenate((gain, plain[kind[SHELL_CODE:]])).astype(np.float32)


def _texture(
    water: np.ndarray, fat: np.ndarray, code: np.ndarray, seed: int, scan: ScanParameters, septum: float, blood: float
) -> None:
    """Fibres in muscle and ligament, septa, lobules and small vessels in fat, grain in marrow, in place."""
    rng = np.random.default_rng([seed, 47])
    shape = water.shape
    wet, oily = water.reshape(-1), fat.reshape(-1)

    def part(block: np.ndarray, index: np.ndarray) -> np.ndarray:
        return texture_blocks.placed(block, shape, rng).reshape(-1)[index]

    muscle = _places(code, "muscle")
    relative = 1 + scan.fibres * part(texture_blocks.fibres(), muscle)
    relative += scan.bundles * part(texture_blocks.bundles(), muscle)
    wet[muscle] *= relative * (1 - scan.perimysium * part(texture_blocks.perimysium(), muscle))
    strands = _places(code, "ligament", "synovium", "tendon", "connective")
    wet[strands] *= np.clip(1 + scan.strands * part(texture_blocks.fibres(), strands), 0.2, 2.0)
    fatty = _places(code, "subcutaneous", "fat", "connective")
    walls, levels = texture_blocks.lobules()
    state = rng.bit_generator.state
    wall = part(walls, fatty)
    rng.bit_generator.state = state
    level = part(levels, fatty)
    wet[fatty] += scan.septa * septum * wall
    oily[fatty] *= np.clip(1 + scan.lobules * level, 0.5, 1.5) * (1 - 0.5 * wall)
    share = np.where(code.reshape(-1)[fatty] == CODE["subcutaneous"], _SKIN_VESSELS, 1.0) * scan.vessels * scan.inflow
    wet[fatty] += share.astype(np.float32) * np.float32(blood) * part(texture_blocks.vessels(), fatty)
    marrow = _places(code, *BONES)
    oily[marrow] *= np.clip(1 + scan.marrow_grain * part(texture_blocks.grain(), marrow), 0.4, 1.6)


def _places(code: np.ndarray, *names: str) -> np.ndarray:
    """Flat places of the named tissues."""
    wanted = np.zeros(BYTE_VALUES, bool)
    wanted[[CODE[name] for name in names]] = True
    return np.flatnonzero(np.take(wanted, code, mode="clip"))


def _shifted(values: np.ndarray, voxels: float) -> np.ndarray:
    """``values`` moved by ``voxels`` towards larger z, linearly interpolated; the first rows repeat."""
    whole, share = int(np.floor(voxels)), float(voxels - np.floor(voxels))

    def moved(count: int) -> np.ndarray:
        return values[:, np.maximum(np.arange(values.shape[1]) - count, 0)]

    return (1 - share) * moved(whole) + share * moved(whole + 1)


__all__ = ["PreparedTemplate", "knee_codes", "knee_signal", "prepared"]
