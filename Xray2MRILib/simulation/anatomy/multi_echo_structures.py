"""All structures of the multi-echo template that the scan lost or does not name, drawn one after the other."""

from __future__ import annotations

import numpy as np

from .anatomical_structures import STRUCTURE
from .anatomy_template import template_axes
from .drawn_shapes import Canvas, Material, along, pushed_out, tube
from .image_template import first_generation
from .joint_linings import (
    TENDON,
    clear_front,
    clear_sides,
    draw_pouch,
    draw_retinacula,
    draw_synovium,
    fill_notch,
    find_extensor_tendons,
    name_hoffa,
)
from .ligament_strands import BoneSurface, draw_ligaments, placed_strands
from .muscle_compartments import draw_septa, label_muscles
from .section_flow import continued_sections
from .structure_seeds import StructureSeeds
from .template_building import _flexion_axis
from .tissue_classes import SPACING_MM
from .tissue_codes import BONE_CODES, CODE
from .vessels_and_nerves import draw_branches, draw_trunks

_BOUNDED = ("medial collateral ligament", "lateral collateral ligament", "patellar ligament", "suprapatellar pouch",
            "popliteus tendon", "biceps tendon", "synovium", "genicular vessels")  # fmt: skip
_GUIDE_ROWS = 24  # sections that the continuation may look at


def draw_structures(
    canvas: Canvas, seeds: StructureSeeds | None, cartilage_mm: np.ndarray, rows: slice
) -> dict[str, np.ndarray]:
    """Draw everything inside the fascia within ``rows``, which the scan shows, in place.

    ``cartilage_mm`` [2, 3] are the corners of the tibial cartilages. Returns the ends of the ligaments' strands.
    """
    find_extensor_tendons(canvas)
    clear_front(canvas)
    if seeds is not None:
        label_muscles(canvas, seeds.muscles, rows)
        draw_septa(canvas)
    surface = BoneSurface.of(canvas.code)
    clear_sides(canvas, surface)
    fill_notch(canvas)
    draw_synovium(canvas)
    draw_pouch(canvas)
    name_hoffa(canvas)
    if seeds is not None:
        draw_trunks(canvas, seeds)
    draw_branches(canvas, surface)
    draw_retinacula(canvas, surface)
    strands = placed_strands(cartilage_mm, _flexion_axis(first_generation(canvas.code), template_axes()))
    ends = draw_ligaments(canvas, surface, strands)
    _draw_lateral_tendons(canvas, surface, ends)
    return ends


def _draw_lateral_tendons(canvas: Canvas, surface: BoneSurface, ends: dict[str, np.ndarray]) -> None:
    """Popliteus tendon from below the lateral epicondyle to its muscle, biceps tendon to the head of the fibula."""
    soft = ~np.isin(canvas.code, [*BONE_CODES, CODE["cartilage"], CODE["meniscus"], CODE["ligament"]])
    dark = Material("tendon", TENDON.water, TENDON.fat, 6.0)
    collateral = ends["lateral collateral ligament"].mean(axis=0)
    start = surface.nearest(collateral[0] + (3.0, 9.0, 0.0), "femur", weights=(1, 1, 0.4))
    course = np.array([start, (-10.0, -4.0, start[2] - 1), (-22.0, 2.0, -36.0), (-29.0, 8.0, -24.0)])
    line = pushed_out(along(course), surface.outside_mm, 1.6)
    canvas.paint(tube(line, 1.9, canvas.code.shape), dark, STRUCTURE["popliteus tendon"], over=soft)
    tip = collateral[1] + (-5.0, 3.0, 0.0)
    tip = surface.nearest(tip, "fibula")
    course = np.array([(-22.0, -24.0, -46.0), (-23.0, -8.0, -47.0), (-24.0, 4.0, -47.0), tip])
    line = pushed_out(along(course), surface.outside_mm, 0.8)
    canvas.paint(tube(line, 2.1, canvas.code.shape), dark, STRUCTURE["biceps tendon"], over=soft)


def continue_ends(canvas: Canvas, rows: slice) -> None:
    """Everything beyond ``rows``, where the scan ends, continued as its last sections flow, in place."""
    arrays = [canvas.code, canvas.water, canvas.fat, canvas.t2_ms, canvas.structure]
    guide = np.clip(canvas.fat, 0, 160) - 1.3 * np.clip(canvas.water, 0, 160)
    guide = np.where(canvas.code > 0, guide, 60.0).astype(np.float32)
    total = canvas.code.shape[1]
    for part, count, backwards in (
        (slice(rows.start, rows.start + _GUIDE_ROWS * 2), rows.start, True),
        (slice(rows.stop - _GUIDE_ROWS * 2, rows.stop), total - rows.stop, False),
    ):
        if count <= 0:
            continue
        slabs = _without_bounded([np.moveaxis(a[:, part], 1, 0) for a in (*arrays, guide)])
        if backwards:
            slabs = [s[::-1] for s in slabs]
        for values, more in zip(
            arrays, continued_sections(slabs[:-1], count, slabs[-1], (SPACING_MM, SPACING_MM)), strict=True
        ):
            further = np.moveaxis(more, 0, 1)
            if backwards:
                values[:, : rows.start] = further[:, ::-1]
            else:
                values[:, rows.stop :] = further


def _without_bounded(slabs: list[np.ndarray]) -> list[np.ndarray]:
    """Copies [N, Y, X] with fat instead of structures that end near the knee: they must not show again beyond it."""
    code, water, fat, t2_ms, structure, guide = (s.copy() for s in slabs)
    bounded = np.isin(structure, [STRUCTURE[n] for n in _BOUNDED])
    code[bounded], structure[bounded] = CODE["fat"], 0
    water[bounded], fat[bounded], t2_ms[bounded] = 10.0, 168.0, 30.0
    return [code, water, fat, t2_ms, structure, guide]
