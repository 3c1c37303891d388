"""MR signal of one knee from an image-based template: maps, disease and texture first, then the signal equation.

All voxels of a few sections are worked out together, by tables with one value for every tissue code: no lists of voxels
and no loops over them, so that the same steps run on any device.
"""

from __future__ import annotations

import numpy as np
import torch

from ..anatomy.knee_parameters import KneeParameters
from ..anatomy.marrow_lesions import marrow_lesions, replace_fat
from ..anatomy.tissue_classes import BONES, EXTENT_MM, SPACING_MM
from ..anatomy.tissue_codes import BYTE_VALUES, CODE, CODES
from ..anatomy.tissue_volume import TissueVolume, looked_up
from . import texture_blocks
from .flash_mri import slice_averaged
from .leg_ends import LegRows
from .prepared_template import SHELL_CODE, SHELL_STEP_MM, PreparedTemplate, prepared
from .property_tables import PropertyTables, property_tables
from .scan_parameters import CHEMICAL_SHIFT_MM, ScanParameters
from .tissue_maps import TissueMaps

_LESION_WATER = 0.75  # signal of a marrow lesion's water against that of synovial tissue
_SPARE_ROWS = 5  # above what is wanted, for the fat that is shifted down
_SKIN_VESSELS = 0.45  # signal of subcutaneous vessels against those of deep fat: they are thinner
_TOGETHER = 6  # sections worked out at once on a processor: what they need stays in its cache


def knee_signal(
    source: PreparedTemplate,
    parameters: KneeParameters,
    scan: ScanParameters,
    *,
    maps: TissueMaps | None = None,
    low_mm: float = EXTENT_MM["y"][0],
    high_mm: float = EXTENT_MM["y"][1],
    along_mm: tuple[float, float] | None = None,
    slice_average: bool = True,
) -> TissueVolume:
    """Signal between two depths on the template's grid, averaged over about one slice of 1.5 mm.

    ``along_mm`` is the part along the leg that is wanted, which may lie beyond the template; by default what the
    template holds. Without ``slice_average`` a voxel holds its own signal alone, as thin slices need.
    ``maps`` holds the knee's osteoarthritis; without them it is worked out here.
    """
    maps = maps or TissueMaps(source.template.anatomy, parameters, source.device)
    box = source.box
    first = int(np.clip(np.floor((low_mm - EXTENT_MM["y"][0]) / SPACING_MM) - 2, box[0].start, box[0].stop - 2))
    last = int(np.clip(np.ceil((high_mm - EXTENT_MM["y"][0]) / SPACING_MM) + 3, first + 2, box[0].stop))
    tables = property_tables(parameters.seed, scan.fat_residue, scan.inflow, marrow_t2star_ms=scan.marrow_t2star_ms)
    kind = shell_kinds(parameters.fat_mm, parameters.skin_mm)
    lookup = _Lookup(tables, kind, source.device)
    texture = _Texture(parameters.seed, scan, tables, source.device, source.bare)
    lesions = marrow_lesions(source.template.anatomy, parameters, source.device)
    lesion_signal = _LESION_WATER * float(tables.plain_water[CODE["synovium"]])
    rows = _wanted_rows(source, along_mm)
    leg = LegRows(rows.start, rows.stop, tuple(source.code.shape), source.ends, source.device)
    held = slice(box[1].start + leg.held.start, box[1].start + leg.held.stop)
    signal = torch.empty((last - first, rows.stop - rows.start, source.code.shape[2]), device=source.device)
    together = _TOGETHER if source.device.type == "cpu" else len(signal)
    shift = CHEMICAL_SHIFT_MM / parameters.scale[1] / SPACING_MM
    for at in range(0, len(signal), together):
        count = min(together, len(signal) - at)
        here = slice(first - box[0].start + at, first - box[0].start + at + count)
        sections = slice(first + at, first + at + count)
        own, water, fat = leg.of(here, source.code, source.water, source.fat)
        own = own.int()
        diseased, changed = torch.zeros_like(own), torch.zeros_like(own, dtype=torch.bool)
        held_code = maps.code[sections, held, box[2]]
        diseased[:, leg.own] = held_code
        changed[:, leg.own] = held_code != maps.tensors.code[sections, held, box[2]]
        changed &= own < SHELL_CODE
        code = torch.where(changed, diseased, looked_up(lookup.kind, own))
        water = torch.where(changed, looked_up(lookup.plain_water, code), water * looked_up(lookup.water_gain, own))
        fat = torch.where(changed, looked_up(lookup.plain_fat, code), fat * looked_up(lookup.fat_gain, own))
        bone = (code >= CODE["femur"]) & (code <= CODE["patella"])
        there = (sections, slice(box[1].start + rows.start, box[1].start + rows.stop), box[2])
        replace_fat(water, fat, bone, lesions, there, lesion_signal)
        texture.apply(water, fat, code, (at, rows.start))
        signal[at : at + count] = water + _shifted(fat, shift)
    averaged = slice_averaged(signal) if slice_average else signal
    return TissueVolume.of_template(averaged, (first, box[1].start + rows.start, box[2].start))


def _wanted_rows(source: PreparedTemplate, along_mm: tuple[float, float] | None) -> slice:
    """Rows of the source's box between two places along the leg; before 0 and from its last one on beyond it."""
    count = source.code.shape[1]
    if along_mm is None:
        return slice(0, count)
    start = EXTENT_MM["z"][0] + SPACING_MM * source.box[1].start
    low, high = ((place - start) / SPACING_MM for place in along_mm)
    first = min(int(np.floor(low)) - _SPARE_ROWS, count - 1)
    return slice(first, max(int(np.ceil(high)) + 2, first + 1, 1))


class _Lookup:
    """One scan's tables for all 256 codes on a device: gains inside the fascia, whole signals outside."""

    def __init__(self, tables: PropertyTables, kind: np.ndarray, device: torch.device) -> None:
        shell = kind[SHELL_CODE:]
        self.kind = torch.from_numpy(kind.astype(np.int32)).to(device)

        def moved(*parts: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(np.concatenate(parts).astype(np.float32)).to(device)

        self.water_gain = moved(tables.water_gain, tables.plain_water[shell])
        self.fat_gain = moved(tables.fat_gain, tables.plain_fat[shell])
        self.plain_water, self.plain_fat = moved(tables.plain_water), moved(tables.plain_fat)


def shell_kinds(fat_mm: float, skin_mm: float) -> np.ndarray:
    """Tissue of every code, uint8 [256]: itself inside the fascia; fat, skin and air by the distance outside it."""
    distance = (np.arange(BYTE_VALUES - SHELL_CODE) + 0.5) * SHELL_STEP_MM
    shell = np.where(distance <= fat_mm, CODE["subcutaneous"], np.where(distance <= fat_mm + skin_mm, CODE["skin"], 0))
    return np.concatenate((np.arange(SHELL_CODE), shell)).astype(np.uint8)


class _Texture:
    """Fibres in muscle and ligament, septa, lobules and small vessels in fat, grain in marrow: one knee's."""

    def __init__(
        self, seed: int, scan: ScanParameters, tables: PropertyTables, device: torch.device, bare: float = 1.0
    ) -> None:
        rng = np.random.default_rng([seed, 47])
        self.blocks = texture_blocks.blocks_on(str(device))
        names = ("fibres", "bundles", "perimysium", "strands", "walls", "vessels", "grain", "bellies", "folds")
        self.origin = {name: texture_blocks.random_origin(rng) for name in names}
        septum, blood = (float(tables.plain_water[CODE[name]]) for name in ("synovium", "vein"))

        def table(*levels: tuple[tuple[str, ...], float]) -> torch.Tensor:
            values = np.zeros(len(CODES), np.float32)
            for tissues, level in levels:
                values[[CODE[t] for t in tissues]] = level
            return torch.from_numpy(values).to(device)

        muscle, fatty = ("muscle",), ("subcutaneous", "fat", "connective")
        self.fibres, self.bundles = table((muscle, scan.fibres)), table((muscle, scan.bundles))
        self.perimysium = table((muscle, min(bare, 1.0) * scan.perimysium))
        self.bellies = table((muscle, scan.bellies))
        self.strands = table((("ligament", "tendon"), scan.strands))
        self.folds = table((("synovium", "connective"), scan.strands), (("meniscus",), 0.4 * scan.strands))
        wall = scan.septa * septum
        self.septa = table((fatty, bare * wall), (("subcutaneous",), wall))
        self.walls = table((fatty, 0.5))
        self.lobules = table((fatty, scan.lobules), (BONES, scan.marrow_grain))
        flow = scan.vessels * scan.inflow * blood
        self.vessels = table((fatty, bare * flow), (("subcutaneous",), _SKIN_VESSELS * flow))
        self.marrow = table((BONES, 1.0))

    def apply(self, water: torch.Tensor, fat: torch.Tensor, code: torch.Tensor, first: tuple[int, int]) -> None:
        """Change water and fat of the sections and rows from ``first`` on, in place."""
        _, rows, columns = water.shape
        shape = (len(water), rows, columns)

        def part(name: str, block: str = "") -> torch.Tensor:
            y, z, x = self.origin[name]
            return texture_blocks.placed(self.blocks[block or name], shape, (y + first[0], z + first[1], x))

        def level(table: torch.Tensor) -> torch.Tensor:
            return looked_up(table, code)

        relative = level(self.fibres) * part("fibres") + level(self.bundles) * part("bundles") + 1
        relative += level(self.bellies) * part("bellies")
        relative *= 1 - level(self.perimysium) * part("perimysium")
        water *= relative
        water *= (level(self.strands) * part("strands", "fibres") + 1).clamp_(0.2, 2.0)
        water *= (level(self.folds) * part("folds") + 1).clamp_(0.2, 2.0)
        wall = part("walls")
        water += level(self.septa) * wall
        water += level(self.vessels) * part("vessels")
        grains = torch.where(level(self.marrow) > 0, part("grain"), part("walls", "levels"))
        fat *= (level(self.lobules) * grains + 1).clamp_(0.4, 1.6)
        fat *= 1 - level(self.walls) * wall


def _shifted(values: torch.Tensor, voxels: float) -> torch.Tensor:
    """``values`` [Y, Z, X] moved by ``voxels`` towards larger z, linearly interpolated; the first rows repeat."""
    whole, share = int(np.floor(voxels)), float(voxels - np.floor(voxels))

    def moved(count: int) -> torch.Tensor:
        return torch.cat((values[:, :1].expand(-1, count, -1), values[:, : values.shape[1] - count]), dim=1)

    return (1 - share) * moved(whole) + share * moved(whole + 1)


__all__ = ["PreparedTemplate", "knee_signal", "prepared"]
