"""MR signal of one knee from an image-based template: maps, disease and texture first, then the signal equation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..anatomy.image_template import ImageTemplate, first_generation
from ..anatomy.knee_parameters import KneeParameters
from ..anatomy.osteoarthritis import (
    extrude_menisci,
    grow_osteophytes,
    hollow_cysts,
    lose_cartilage,
    pour_effusion,
    wear_plateau,
)
from ..anatomy.tissue_classes import EXTENT_MM, SPACING_MM
from ..anatomy.tissue_codes import BONE_CODES, CODE
from ..anatomy.tissue_volume import TissueVolume
from . import texture_blocks
from .property_tables import property_tables
from .scan_parameters import CHEMICAL_SHIFT_MM, ScanParameters
from .tissue_properties import ECHO_TIME_MS

DENSITY_SCALE = 200.0  # stored value of pure water and pure fat
T2STAR_SHARE = 0.75  # of the spin echo's T2


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
        uint8 [y, z, x].
    water
        float32 [y, z, x], proton density with its decay until the echo.
    fat
        float32 [y, z, x], proton density.
    """

    template: ImageTemplate
    box: tuple[slice, slice, slice]
    code: np.ndarray
    water: np.ndarray
    fat: np.ndarray


def prepared(template: ImageTemplate) -> PreparedTemplate:
    """Cut ``template`` to its leg and let the water decay until the echo."""
    spans = [np.flatnonzero((template.code > 0).any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    box = tuple(
        slice(max(int(s[0]) - 3, 0), min(int(s[-1]) + 4, n)) for s, n in zip(spans, template.code.shape, strict=True)
    )
    t2star = np.maximum(T2STAR_SHARE * np.arange(256, dtype=np.float32), 1.0)
    decay = np.exp(-ECHO_TIME_MS / t2star).astype(np.float32)
    water = template.water[box].astype(np.float32) * decay[template.t2_ms[box]] / DENSITY_SCALE
    fat = template.fat[box].astype(np.float32) / DENSITY_SCALE
    return PreparedTemplate(template, box, np.ascontiguousarray(template.code[box]), water, fat)


def knee_codes(template: ImageTemplate, parameters: KneeParameters) -> np.ndarray:
    """Codes of one knee [Y, Z, X] with its osteoarthritis; the template's own stay where nothing has changed."""
    anatomy = template.anatomy
    before = anatomy.tissue
    tissue, depth = before.copy(), anatomy.bone_depth_mm.copy()
    lose_cartilage(anatomy, parameters, tissue)
    extrude_menisci(anatomy, parameters, tissue)
    pour_effusion(anatomy, parameters, tissue)
    wear_plateau(anatomy, parameters, tissue)
    grow_osteophytes(anatomy, parameters, tissue, depth)
    hollow_cysts(anatomy, parameters, tissue, depth)
    return np.where(tissue == before, template.code, tissue)


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
    code = knee_codes(source.template, parameters)[first:last, box[1], box[2]]
    tables = property_tables(parameters.seed, scan.fat_residue, scan.inflow, marrow_t2star_ms=scan.marrow_t2star_ms)
    water = source.water[part] * np.take(tables.water_gain, own, mode="clip")
    fat = source.fat[part] * np.take(tables.fat_gain, own, mode="clip")
    changed = np.flatnonzero(code != own)
    kinds = code.reshape(-1)[changed]
    water.reshape(-1)[changed] = tables.plain_water[kinds]
    fat.reshape(-1)[changed] = tables.plain_fat[kinds]
    _texture(water, fat, code, parameters.seed, scan, float(tables.plain_water[CODE["synovium"]]))
    water += _shifted(fat, CHEMICAL_SHIFT_MM / parameters.scale[1] / SPACING_MM)
    averaged = 0.4 * water
    averaged[1:] += 0.3 * water[:-1]
    averaged[:-1] += 0.3 * water[1:]
    return TissueVolume.of_template(torch.from_numpy(averaged), (first, box[1].start, box[2].start))


def _texture(
    water: np.ndarray, fat: np.ndarray, code: np.ndarray, seed: int, scan: ScanParameters, septum: float
) -> None:
    """Fibres in muscle, septa and lobules in fat, grain in marrow, in place."""
    rng = np.random.default_rng([seed, 47])
    shape = water.shape
    muscle = np.flatnonzero(code == CODE["muscle"])
    gain = 1 + scan.fibres * texture_blocks.placed(texture_blocks.fibres(), shape, rng).reshape(-1)[muscle]
    sheets = texture_blocks.placed(texture_blocks.perimysium(), shape, rng).reshape(-1)[muscle]
    water.reshape(-1)[muscle] *= gain * (1 - scan.perimysium * sheets)
    fatty = np.flatnonzero((code == CODE["subcutaneous"]) | (code == CODE["fat"]) | (code == CODE["connective"]))
    walls, levels = texture_blocks.lobules()
    state = rng.bit_generator.state
    wall = texture_blocks.placed(walls, shape, rng).reshape(-1)[fatty]
    rng.bit_generator.state = state
    level = texture_blocks.placed(levels, shape, rng).reshape(-1)[fatty]
    water.reshape(-1)[fatty] += scan.septa * septum * wall
    fat.reshape(-1)[fatty] *= np.clip(1 + scan.lobules * level, 0.5, 1.5) * (1 - 0.5 * wall)
    marrow = np.flatnonzero((code >= BONE_CODES[0]) & (code <= BONE_CODES[-1]))
    grain = texture_blocks.placed(texture_blocks.grain(), shape, rng).reshape(-1)[marrow]
    fat.reshape(-1)[marrow] *= np.clip(1 + scan.marrow_grain * grain, 0.4, 1.6)


def _shifted(values: np.ndarray, voxels: float) -> np.ndarray:
    """``values`` moved by ``voxels`` towards larger z, linearly interpolated; the first rows repeat."""
    whole, share = int(np.floor(voxels)), float(voxels - np.floor(voxels))

    def moved(count: int) -> np.ndarray:
        return values[:, np.maximum(np.arange(values.shape[1]) - count, 0)]

    return (1 - share) * moved(whole) + share * moved(whole + 1)


__all__ = ["PreparedTemplate", "first_generation", "knee_codes", "knee_signal", "prepared"]
