"""The image-based template of the multi-echo knee: from its maps to the simulator's grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .anatomical_structures import STRUCTURE
from .anatomy_template import SPACING_MM, AnatomyTemplate, template_axes
from .drawn_shapes import Canvas
from .fascia import depth_inside, draw_fascia
from .fat_shell import fat_shell
from .image_template import ImageTemplate, first_generation
from .multi_echo_bones import carved, close_joint_gap, continued, removed_rows, trimmed, without_empty_rows
from .multi_echo_densities import SUBCUTANEOUS_FAT, calm_marrow, flattened
from .multi_echo_joint import JointParts, joint_parts, registered_joint, seated_menisci
from .multi_echo_maps import MultiEchoMaps, read_multi_echo
from .multi_echo_structures import continue_ends, draw_structures
from .multi_echo_tissue import classified
from .pose import rotation
from .structure_seeds import StructureSeeds, read_seeds
from .template_building import _flexion_axis, _joint_surfaces, _margins, _plateau, _slope_deg
from .template_extension import extend_sides, fill_maps
from .tissue_codes import BONE_CODES, CODE, CODES
from .vessels_and_nerves import draw_skin_veins

IMAGE_TEMPLATE_VERSION = 5  # raise it whenever the same maps would give another template
PLATEAU_VOXEL = (118.0, 148.0, 42.0)  # (y, z, x): where the scan's tibial plateau has its centre, roughly
CARTILAGE_WATER = 114.0  # the scan's thick slices do not show it truly; depth varies it per knee
MENISCUS_WATER, MENISCUS_T2_MS = 115.0, 10  # at least, at most
# The template's origin lies this much in front of the plateau's centre. On real scans the first slice lies 35 mm behind
# that centre, 6 mm less than in the first generation, whose posterior slices were empty.
FIELD_SHIFT_MM = 6.0
_SIDES = (34, 30)  # sections added laterally and medially


def build_multi_echo_template(folder: Path) -> ImageTemplate:
    """The template of the multi-echo knee in ``folder`` (three minutes of processor time; keep the result).

    The folder holds the maps and may hold the registered bones, cartilages and menisci (``registered_joint``). Raises
    InputError as ``read_multi_echo`` does.
    """
    maps = read_multi_echo(folder)
    parts = joint_parts(maps, registered_joint(folder, maps, PLATEAU_VOXEL), PLATEAU_VOXEL)
    return assembled(maps, parts, folder.name, read_seeds(folder))


def assembled(maps: MultiEchoMaps, parts: JointParts, name: str, seeds: StructureSeeds | None = None) -> ImageTemplate:
    """Template from maps and joint parts: flatten the coil's profile, turn to the template's pose, draw, extend.

    Without ``seeds`` neither muscles nor large vessels and nerves have names.
    """
    maps, parts = without_empty_rows(maps, parts)
    bones = {b: continued(b, carved(trimmed(d, maps.fat), maps), maps.spacing_mm) for b, d in parts.bones_mm.items()}
    parts = JointParts(bones, parts.soft_mm)
    parts = JointParts(bones, seated_menisci(parts, maps.spacing_mm))
    code = classified(maps, parts)
    close_joint_gap(code, parts)
    water, fat = flattened(maps, code)
    water, fat = calm_marrow(water, fat, parts)
    cartilage = code == CODE["cartilage"]
    water = np.where(cartilage, CARTILAGE_WATER + 0.15 * (water - CARTILAGE_WATER), water)
    water = np.where(code == CODE["meniscus"], np.maximum(water, MENISCUS_WATER), water)
    fat = np.where(np.isin(code, [CODE["cartilage"], CODE["meniscus"]]), 0.1 * fat, fat)
    means = {}
    for label, values in (("water", water), ("fat", fat), ("t2", maps.t2_ms)):
        means[label] = np.array([np.median(values[code == k]) if (code == k).any() else 0 for k in range(len(CODES))])
    wide = extend_sides(code, *_SIDES, maps.spacing_mm)
    before, after = (0, 0, _SIDES[0]), (0, 0, _SIDES[1])
    filled = [
        fill_maps(values, before, after, wide, means[label])
        for label, values in (("water", water), ("fat", fat), ("t2", maps.t2_ms))
    ]
    centre, turn = _pose(parts, maps, before)
    sample = _Sampler(wide.shape, centre, turn, maps.spacing_mm)
    final = _codes(wide, sample)
    for bone, distance in parts.bones_mm.items():
        padded = np.pad(distance, list(zip(before, after, strict=True)), constant_values=30.0)
        inside = sample(padded, beyond=30.0) < 0
        final[(final == CODE[bone]) & ~inside] = CODE["connective"]
        final[inside & (final > 0)] = CODE[bone]
    water, fat, t2_ms = (sample(values) for values in filled)
    canvas = Canvas(final, water, fat, t2_ms, np.zeros(final.shape, np.uint8))
    meniscus = canvas.code == CODE["meniscus"]
    canvas.t2_ms[meniscus] = np.minimum(canvas.t2_ms[meniscus], MENISCUS_T2_MS)
    rows = _scanned_rows(maps, centre)
    draw_structures(
        canvas,
        seeds and _in_template(seeds, maps, centre, turn, before),
        _cartilage_mm(parts, maps, centre, turn, before),
        rows,
    )
    continue_ends(canvas, rows)
    outside = _fat_and_fascia(canvas)
    water, fat, t2_ms = (
        np.clip(np.round(v), 0, 255).astype(np.uint8) for v in (canvas.water, canvas.fat, canvas.t2_ms)
    )
    anatomy = _anatomy(name, canvas.code, outside, parts, maps, centre, turn, before)
    return ImageTemplate(anatomy, canvas.code, water, fat, t2_ms, canvas.structure)


def _fat_and_fascia(canvas: Canvas) -> np.ndarray:
    """Distance outside the fascia in mm; codes there become 0; fascia, iliotibial band and skin veins are drawn."""
    outside = fat_shell(canvas.code)
    outside[canvas.structure == STRUCTURE["medial collateral ligament"]] = 0
    beyond = outside > 0
    canvas.code[beyond] = canvas.structure[beyond] = 0
    air = ~beyond & (canvas.code == 0)
    canvas.fat[air], canvas.water[air], canvas.t2_ms[air] = SUBCUTANEOUS_FAT, 6.0, 30.0
    canvas.code[~beyond & np.isin(canvas.code, [0, CODE["subcutaneous"], CODE["skin"]])] = CODE["fat"]
    depth = depth_inside(outside)
    draw_fascia(canvas, depth)
    draw_skin_veins(canvas, outside, depth)
    return outside


def _scanned_rows(maps: MultiEchoMaps, centre: np.ndarray) -> slice:
    """Rows of the template that the scan shows; the turn about the leg leaves them what they are."""
    _, z, _ = template_axes()
    place = (z + centre[1]) / maps.spacing_mm[1]
    shown = np.flatnonzero((place > 1) & (place < maps.water.shape[1] - 2))
    return slice(int(shown[0]), int(shown[-1]) + 1)


def _in_template(
    seeds: StructureSeeds, maps: MultiEchoMaps, centre: np.ndarray, turn: np.ndarray, before: tuple
) -> StructureSeeds:
    """Seeds, given in mm from the plateau voxel of the scan, in the template's axes."""
    spacing = np.array(maps.spacing_mm)
    plateau = (np.array(PLATEAU_VOXEL) + before) * spacing - (0, removed_rows(maps) * spacing[1], 0)
    return seeds.moved(turn, centre - plateau)


def _cartilage_mm(
    parts: JointParts, maps: MultiEchoMaps, centre: np.ndarray, turn: np.ndarray, before: tuple
) -> np.ndarray:
    """Corners [2, 3] of the tibial cartilages' box in the template's axes, mm."""
    spacing = np.array(maps.spacing_mm)
    sides = [parts.soft_mm[f"{s}_tibial_cartilage"] < 0 for s in ("medial", "lateral")]
    points = np.concatenate([(np.argwhere(s) + before) * spacing - centre for s in sides]) @ turn
    return np.stack((points.min(axis=0), points.max(axis=0)))


def _pose(parts: JointParts, maps: MultiEchoMaps, before: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Joint centre (mm from voxel 0 of the extended grid) and rotation that levels the plateau and the condyles."""
    spacing = np.array(maps.spacing_mm)
    sides = [np.argwhere(parts.soft_mm[f"{s}_tibial_cartilage"] < 0) * spacing for s in ("medial", "lateral")]
    centre = np.mean([s.mean(axis=0) for s in sides], axis=0)
    centre[0] += FIELD_SHIFT_MM
    plateau = np.concatenate(sides) - centre
    condyles = np.argwhere(parts.bones_mm["femur"][::2, :, ::2] < 0) * spacing * (2, 1, 2) - centre
    condyles = condyles[(condyles[:, 1] > -38) & (condyles[:, 1] < -6)]

    def level(r: np.ndarray) -> float:
        turned = plateau @ r
        return float(np.linalg.lstsq(np.c_[turned[:, [0, 2]], np.ones(len(turned))], turned[:, 1], rcond=None)[0][1])

    def rear(r: np.ndarray) -> float:
        turned = condyles @ r
        ends = [np.percentile(turned[side, 0], 1) for side in (turned[:, 2] < -8, turned[:, 2] > 8)]
        return float(ends[1] - ends[0])

    varus = min(np.arange(-12, 12.1, 0.5), key=lambda a: abs(level(rotation((0, a, 0)))))
    axial = min(np.arange(-14, 14.1, 0.5), key=lambda a: abs(rear(rotation((0, varus, a)))))
    return centre + np.array(before) * spacing, rotation((0, varus, axial))


class _Sampler:
    """Values of the extended grid at the voxels of the template."""

    def __init__(self, shape: tuple[int, ...], centre: np.ndarray, turn: np.ndarray, spacing_mm: tuple) -> None:
        y, z, x = template_axes()
        self.shape = (len(y), len(z), len(x))
        low = np.array([y[0], z[0], x[0]])
        spacing = np.array(spacing_mm)
        self.matrix = (turn * SPACING_MM) / spacing[:, None]
        self.offset = (turn @ low + centre) / spacing

    def __call__(self, values: np.ndarray, *, beyond: float = 0.0) -> np.ndarray:
        from scipy import ndimage

        return ndimage.affine_transform(
            values.astype(np.float32), self.matrix, self.offset, self.shape, order=1, mode="constant", cval=beyond
        )


def _codes(code: np.ndarray, sample: _Sampler) -> np.ndarray:
    """Codes at the template's voxels: the tissue with the largest interpolated share."""
    best = np.full(sample.shape, 0.3, np.float32)
    result = np.zeros(sample.shape, np.uint8)
    for value in np.unique(code[code > 0]):
        share = sample(code == value)
        wins = share > best
        result[wins] = value
        best[wins] = share[wins]
    body = sample(code > 0) > 0.5
    result[~body] = 0
    result[body & (result == 0)] = CODE["connective"]
    return result


def _anatomy(
    name: str,
    code: np.ndarray,
    outside: np.ndarray,
    parts: JointParts,
    maps: MultiEchoMaps,
    centre: np.ndarray,
    turn: np.ndarray,
    before: tuple,
) -> AnatomyTemplate:
    from scipy import ndimage

    axes = template_axes()
    tissue = first_generation(code)
    depth = np.zeros(tissue.shape, np.float32)
    for value in BONE_CODES:
        mask = code == value
        found = ndimage.find_objects(mask.astype(np.uint8))
        if found:
            box = tuple(slice(max(s.start - 1, 0), s.stop + 1) for s in found[0])
            depth[box][mask[box]] = ndimage.distance_transform_edt(mask[box], SPACING_MM)[mask[box]]
    spacing = np.array(maps.spacing_mm)
    points = [
        (np.argwhere(parts.soft_mm[f"{s}_tibial_cartilage"] < 0) * spacing + np.array(before) * spacing - centre) @ turn
        for s in ("medial", "lateral")
    ]
    means = [p.mean(axis=0) for p in points]
    compartments = {s: (float(m[0]), float(m[2])) for s, m in zip(("medial", "lateral"), means, strict=True)}
    plateau = _plateau(tissue, axes)
    floor, roof = _joint_surfaces(tissue, axes)
    return AnatomyTemplate(
        name, tissue, depth.astype(np.float16), outside.astype(np.float16), floor, roof, plateau, compartments,
        _margins(tissue, axes, plateau), _slope_deg(np.concatenate(points)), _flexion_axis(tissue, axes),
    )  # fmt: skip
