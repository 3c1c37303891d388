"""Vessels and nerves of a template: trunks on their centre lines, genicular branches around the bones, skin veins."""

from __future__ import annotations

import numpy as np

from .anatomical_structures import STRUCTURE
from .drawn_shapes import Canvas, Filling, Material, along, pushed_out, smoothed, tube
from .ligament_strands import BoneSurface
from .structure_seeds import StructureSeeds
from .tissue_codes import BONE_CODES, CODE

ARTERY = Material("artery", 184.0, 0.0, 34.0)
VEIN = Material("vein", 184.0, 0.0, 30.0)
NERVE = Material("nerve", 118.0, 42.0, 33.0)
_SHEATH = Material("fat", 8.0, 172.0, 30.0)
_SHEATH_MM = 0.9  # of fat around a trunk
_OFF_BONE_MM = 2.4  # genicular vessels run this far from the bone
_TAPER = 0.6  # radius at a branch's end against that at its root
# Courses of the genicular and sural vessels (y, z, x) in mm about the joint centre; the bone pushes them out where they
# would touch it. Radius in mm at the root.
BRANCHES = {
    "superior medial": (1.2, [(-21, -42, -5), (-12, -46, 8), (-7, -47, 24), (0, -47, 40), (12, -44, 47), (25, -38, 41),
                              (38, -33, 29)]),
    "superior lateral": (1.2, [(-20, -43, -6), (-12, -46, -18), (-8, -46, -30), (0, -45, -37), (15, -42, -39),
                               (30, -38, -35), (42, -34, -30)]),
    "middle": (0.8, [(-26, -22, -7), (-20, -20, -3), (-12, -17, 0), (-5, -14, 2)]),
    "inferior medial": (1.1, [(-30, 6, -5), (-32, 10, 10), (-30, 13, 24), (-20, 15, 38), (0, 14, 43), (16, 9, 38),
                              (28, 3, 24)]),
    "inferior lateral": (1.0, [(-30, 1, -8), (-28, 0, -20), (-24, 0, -35), (-12, 1, -43), (4, 2, -42), (18, 2, -33),
                               (30, 2, -18)]),
    "descending": (1.2, [(-8, -92, 24), (-10, -76, 30), (-4, -60, 37), (6, -50, 43), (14, -38, 47), (22, -26, 43)]),
    "medial sural": (1.3, [(-29, -14, -3), (-36, -6, 5), (-43, 6, 12), (-47, 24, 17), (-48, 44, 21), (-48, 60, 22)]),
    "lateral sural": (1.2, [(-30, -14, -9), (-38, -8, -15), (-45, 8, -19), (-47, 28, -21), (-48, 48, -22),
                            (-48, 60, -22)]),
    "anterior tibial": (1.4, [(-28, 38, -7), (-24, 43, -12), (-16, 47, -19), (-11, 52, -23), (-9, 60, -25)]),
}  # fmt: skip
# Great and small saphenous veins: course in mm, radius, distance outside the fascia.
SKIN_VEINS = {
    "great saphenous vein": (1.7, 1.9, [(-30, -110, 52), (-32, -60, 46), (-34, -30, 47), (-31, 0, 47), (-24, 20, 47),
                                        (-14, 40, 46), (-3, 60, 42), (6, 84, 37)]),
    "small saphenous vein": (1.2, 1.4, [(-50, -10, -4), (-56, 10, -4), (-60, 35, -5), (-64, 60, -6), (-66, 84, -6)]),
}  # fmt: skip


def draw_trunks(canvas: Canvas, seeds: StructureSeeds) -> None:
    """Popliteal vessels and nerves in place, each with a sheath of fat."""
    soft = ~np.isin(canvas.code, [*BONE_CODES, CODE["cartilage"], CODE["meniscus"]])
    shape = canvas.code.shape
    lines = {name: (radius, smoothed(along(line), 3.0)) for name, (radius, line) in seeds.lines.items()}
    rng = np.random.default_rng(17)
    for radius, line in lines.values():
        sheath = tube(line, radius + _SHEATH_MM, shape)
        canvas.paint(Filling(sheath.box, 0.65 * sheath.share), _SHEATH, over=soft)
    for name, (radius, line) in lines.items():
        material = NERVE if "nerve" in name else VEIN if "vein" in name else ARTERY
        spread = 0.16 if "vein" in name else 0.07
        waves = _standard(smoothed(np.cumsum(rng.normal(0, 1, (len(line), 3)), axis=0), 9.0)[:, 0])
        filling = tube(line, radius * np.clip(1 + spread * waves, 0.6, 1.3), shape)
        # the sheath has overwritten what was drawn before it, names of muscles included
        canvas.structure[filling.box][filling.share >= 0.5] = 0
        canvas.paint(filling, material, STRUCTURE[name], over=soft)


def draw_branches(canvas: Canvas, surface: BoneSurface, seed: int = 5) -> None:
    """Genicular and sural vessels with twigs of their own, radius 0.5 to 1.4 mm, in place."""
    rng = np.random.default_rng(seed)
    soft = ~np.isin(canvas.code, [*BONE_CODES, *(CODE[n] for n in _SPARED)])
    shape = canvas.code.shape
    for name, (radius, course) in BRANCHES.items():
        line = along(np.array(course, float))
        # vessels wind a little
        waves = np.cumsum(rng.normal(0, 1, line.shape), axis=0)
        line = line + 0.9 * _standard(smoothed(waves, 5.0) - smoothed(waves, 16.0))
        line = smoothed(pushed_out(line, surface.outside_mm, _OFF_BONE_MM), 2.0)
        taper = np.linspace(1, _TAPER, len(line))
        canvas.paint(tube(line, radius * taper, shape), ARTERY, STRUCTURE["genicular vessels"], over=soft)
        for start in rng.uniform(0.3, 0.85, 3):
            twig = _twig(line, start, surface, rng)
            thin = 0.62 * radius * np.linspace(1, 0.75, len(twig))
            canvas.paint(tube(twig, thin, shape), VEIN, STRUCTURE["genicular vessels"], over=soft)
        if "sural" in name or "medial" in name:
            beside = line + rng.normal(0, 1, 3) * 0.6 + (0, 0, 2.2)
            canvas.paint(tube(beside, 0.9 * radius * taper, shape), VEIN, STRUCTURE["genicular vessels"], over=soft)


_SPARED = ("cartilage", "meniscus", "ligament", "tendon", "artery", "vein", "nerve")


def draw_skin_veins(canvas: Canvas, outside_mm: np.ndarray, inside_mm: np.ndarray) -> None:
    """Saphenous veins on the fascia, in place; they count as inside it, so that no knee's fat covers them."""
    level = outside_mm.astype(np.float32) - inside_mm
    for name, (radius, away, course) in SKIN_VEINS.items():
        line = along(np.array(course, float))
        for _ in range(3):
            line = smoothed(_on_level(line, level, away), 5.0)
        filling = tube(line, radius, canvas.code.shape)
        canvas.paint(filling, VEIN, STRUCTURE[name])
        _cut_out(outside_mm, filling)


def _cut_out(outside_mm: np.ndarray, filling: Filling) -> None:
    outside_mm[filling.box][filling.share >= 0.5] = 0


def _on_level(line: np.ndarray, level: np.ndarray, wanted: float) -> np.ndarray:
    """Points moved along the gradient of ``level`` until it is ``wanted`` there."""
    out = pushed_out(line, level, wanted)
    return pushed_out(out, -level, -wanted)


def _twig(line: np.ndarray, start: float, surface: BoneSurface, rng: np.random.Generator) -> np.ndarray:
    """A twig of 8 to 18 mm that leaves a branch at an acute angle and bends."""
    at = int(start * (len(line) - 12))
    ahead = line[at + 10] - line[at]
    ahead /= max(float(np.linalg.norm(ahead)), 1e-6)
    aside = rng.normal(0, 1, 3)
    aside -= aside @ ahead * ahead
    aside /= max(float(np.linalg.norm(aside)), 1e-6)
    length = rng.uniform(8, 18)
    bend = rng.normal(0, 0.25, 3)
    points = [line[at] + s * length * (0.75 * ahead + 0.65 * aside + s * bend) for s in (0, 0.35, 0.7, 1.0)]
    return pushed_out(along(np.array(points)), surface.outside_mm, 1.2)


def _standard(values: np.ndarray) -> np.ndarray:
    return values / max(float(values.std()), 1e-6)
