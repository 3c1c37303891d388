"""The image-based template of the multi-echo knee: from its maps to the simulator's grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .anatomy_template import MAX_OUTSIDE_MM, SPACING_MM, AnatomyTemplate, template_axes
from .image_template import ImageTemplate, first_generation
from .label_map import read_label_map
from .multi_echo_joint import JointParts, joint_parts
from .multi_echo_maps import MultiEchoMaps, read_multi_echo
from .multi_echo_tissue import classified
from .pose import rotation
from .signed_distance import extend_distance, signed_distance
from .template_building import _envelope, _flexion_axis, _joint_surfaces, _margins, _plateau, _slope_deg
from .template_extension import extend_codes, extend_sides, fill_maps
from .tissue_codes import BONE_CODES, CODE, CODES

PLATEAU_VOXEL = (118.0, 148.0, 42.0)  # (y, z, x): where the scan's tibial plateau has its centre, roughly
MUSCLE_WATER = 158.0  # stored proton density of muscle: 0.79 of 200
SUBCUTANEOUS_FAT = 180.0  # and of subcutaneous fat: 0.90
CARTILAGE_WATER = 128.0  # the scan's thick slices do not show it truly; depth varies it per knee
MENISCUS_WATER, MENISCUS_T2_MS = 115.0, 10  # at least, at most
_SIDES = (34, 30)  # sections added laterally and medially
_ENDS = (56, 56)  # rows added above and below
_BIAS_MM = 22.0
MARROW_WATER, MARROW_FAT = 10.0, 130.0  # median of every bone
_HALF_MUSCLE, _CARVED_MM = 42.0, 4.5
_CALM_SIGMA = (1.6, 1.6, 2.5)
_SMEARED = 12.0  # water that marrow may have above its median
SHELL_MM = 8.0  # of fat lie outside the fascia of the median knee
_SHELL_LIMITS_MM = (4.5, 13.0)
_EMPTY_MM = 6.0  # rows at both ends of the picture that the scanner's filter has darkened
_DRAFT_ENDS_MM = 12.0  # before those rows the draft of the shafts ends
_JOINT_GAP_MM = 6.5  # femur and tibia are no farther apart where their cartilages touch


def build_multi_echo_template(maps_folder: Path, label_folder: Path) -> ImageTemplate:
    """The template of the multi-echo knee in ``maps_folder`` (some minutes; keep the result).

    ``label_folder`` holds the label map that lends cartilage, menisci and the bones' outlines.
    """
    maps = read_multi_echo(maps_folder)
    parts = joint_parts(maps, read_label_map(label_folder), PLATEAU_VOXEL)
    return assembled(maps, parts, maps_folder.name)


def assembled(maps: MultiEchoMaps, parts: JointParts, name: str) -> ImageTemplate:
    """Template from maps and joint parts: flatten the coil's profile, extend, turn to the template's pose."""
    maps, parts = without_empty_rows(maps, parts)
    bones = {
        b: continued(b, carved(trimmed(d, maps.fat), maps), maps.spacing_mm) for b, d in parts.bones_mm.items()
    }
    parts = JointParts(bones, parts.soft_mm)
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
    whole = extend_codes(wide, 1, *_ENDS, maps.spacing_mm)
    before, after = (0, _ENDS[0], _SIDES[0]), (0, _ENDS[1], _SIDES[1])
    filled = {
        label: fill_maps(values, before, after, whole, means[label])
        for label, values in (("water", water), ("fat", fat), ("t2", maps.t2_ms))
    }
    bones = {
        bone: _extended_bone(distance, whole == CODE[bone], before, after, maps.spacing_mm)
        for bone, distance in parts.bones_mm.items()
    }
    centre, turn = _pose(parts, maps, before)
    sample = _Sampler(whole.shape, centre, turn, maps.spacing_mm)
    final = _codes(whole, sample)
    outside = fat_shell(final)
    final[outside > 0] = 0
    final[(outside == 0) & np.isin(final, [0, CODE["subcutaneous"], CODE["skin"]])] = CODE["fat"]
    for bone, distance in bones.items():
        inside = sample(distance, beyond=30.0) < 0
        stray = (final == CODE[bone]) & ~inside
        final[stray] = CODE["connective"]
        final[inside & (final > 0)] = CODE[bone]
    stored = [np.clip(np.round(sample(filled[k])), 0, 255).astype(np.uint8) for k in ("water", "fat", "t2")]
    empty = (final == CODE["fat"]) & (stored[0] < 60) & (stored[1] < 60)
    stored[1][empty] = round(SUBCUTANEOUS_FAT)
    meniscus = final == CODE["meniscus"]
    stored[2][meniscus] = np.minimum(stored[2][meniscus], MENISCUS_T2_MS)
    return ImageTemplate(_anatomy(name, final, outside, parts, maps, centre, turn, before), final, *stored)


def without_empty_rows(maps: MultiEchoMaps, parts: JointParts) -> tuple[MultiEchoMaps, JointParts]:
    """Maps and parts without the rows that the scanner's filter has darkened; the joint stays where it was."""
    count = round(_EMPTY_MM / maps.spacing_mm[1])
    rows = slice(count, maps.water.shape[1] - count)
    cut = [m[:, rows] for m in (maps.water, maps.fat, maps.fluid, maps.t2_ms)]
    bones = {bone: d[:, rows] for bone, d in parts.bones_mm.items()}
    soft = {part: d[:, rows] for part, d in parts.soft_mm.items()}
    return MultiEchoMaps(*cut, bones, maps.spacing_mm), JointParts(bones, soft)


def trimmed(distance: np.ndarray, fat: np.ndarray) -> np.ndarray:
    """A bone's signed distance without the outermost sagittal sections in which it holds no marrow."""
    from scipy import ndimage

    inside = distance < -1.5
    area = inside.sum(axis=(0, 1))
    level = np.where(area > 0, (fat * inside).sum(axis=(0, 1)) / np.maximum(area, 1), 0)
    typical = np.median(level[area > 0.3 * area.max()])
    filled = np.flatnonzero((level > 0.72 * typical) & (area > 12))
    result = distance.copy()
    x = np.arange(distance.shape[2])
    away = np.maximum(filled[0] - x, x - filled[-1]).clip(0)
    result += (1.5 * away).astype(np.float32)
    return ndimage.gaussian_filter1d(result, 1.2, axis=2, mode="nearest")


def carved(distance: np.ndarray, maps: MultiEchoMaps) -> np.ndarray:
    """A bone's signed distance without what holds water instead of marrow near its surface: notch, cartilage, muscle.

    The registered outline is another knee's; the edge of this one lies where water has half of muscle's signal, or fat has left.
    """
    from scipy import ndimage

    water = ndimage.gaussian_filter(maps.water, (0.8, 0.8, 0.8))
    fat = ndimage.gaussian_filter(maps.fat, (0.8, 0.8, 0.8))
    marrow = float(np.median(fat[distance < -_CARVED_MM]))
    wet = ((water > _HALF_MUSCLE) & (fat < 1.3 * water)) | ((water > _HALF_MUSCLE / 2) & (fat < 0.7 * marrow))
    wet &= distance > -_CARVED_MM
    mask = ndimage.binary_opening((distance < 0) & ~wet, iterations=1)
    labels, count = ndimage.label(mask)
    if count > 1:
        mask = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    found = signed_distance(mask, maps.spacing_mm)
    # where nothing was carved, the smooth distance of before is the better one
    changed = ndimage.gaussian_filter(((distance < 0) & ~mask).astype(np.float32), 2.5) > 0.02
    return np.where(changed, ndimage.gaussian_filter(found, 0.8), distance).astype(np.float32)


def continued(bone: str, distance: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """A shaft whose draft ends before the picture does, continued to its end by its axial sections.

    The given distance sees the draft's end; that of each axial section by itself does not.
    """
    if bone == "patella":
        return distance
    moved = distance if bone == "femur" else distance[:, ::-1]
    count, used = round(_DRAFT_ENDS_MM / spacing_mm[1]), round(16.0 / spacing_mm[1])
    plane_mm = (spacing_mm[0], spacing_mm[2])
    sections = [
        np.clip(signed_distance(moved[:, row] < 0, plane_mm), -30, 30) for row in range(count, count + used)
    ]
    ends = extend_distance(np.stack(sections, axis=1), 1, count, 0, spacing_mm[1])[:, :count]
    whole = np.concatenate((ends, moved[:, count:]), axis=1)
    return whole if bone == "femur" else whole[:, ::-1]


def close_joint_gap(code: np.ndarray, parts: JointParts) -> None:
    """Cartilage wherever femur and tibia face each other closely and there is no meniscus, in place."""
    femur, tibia = parts.bones_mm["femur"], parts.bones_mm["tibia"]
    between = (femur > 0) & (tibia > 0) & (femur + tibia < _JOINT_GAP_MM) & (np.maximum(femur, tibia) < 5.0)
    kinds = ("connective", "tendon", "synovium", "fat", "muscle", "ligament")
    code[between & np.isin(code, [CODE[k] for k in kinds])] = CODE["cartilage"]


def fat_shell(code: np.ndarray) -> np.ndarray:
    """Distance outside the fascia in mm, 0 inside, scaled so that the scan's own skin lies at ``SHELL_MM`` everywhere.

    Fat and skin are laid there for each knee: where this person has little of it, everybody gets little.
    """
    from scipy import ndimage

    step = 2 * SPACING_MM
    core = (code > 0) & ~np.isin(code, [CODE["subcutaneous"], CODE["skin"]])
    inner = _envelope(ndimage.binary_opening(core, iterations=3))[::2, ::2, ::2]
    inner = ndimage.gaussian_filter(inner.astype(np.float32), 2.0, mode="nearest") > 0.5
    small = code[::2, ::2, ::2]
    distance = ndimage.distance_transform_edt(~inner, step).astype(np.float32)
    body = inner | (small > 0)
    rim = body & ~ndimage.binary_erosion(body, border_value=1) & ~inner
    # the thickness at the nearest place of the skin, smooth over some centimetres
    weight = ndimage.gaussian_filter(rim.astype(np.float32), 7.0, mode="nearest")
    thickness = ndimage.gaussian_filter(rim * distance, 7.0, mode="nearest") / np.maximum(weight, 1e-6)
    trust = np.clip(weight / 1e-3, 0, 1)
    thickness = trust * np.clip(thickness, *_SHELL_LIMITS_MM) + (1 - trust) * SHELL_MM
    scaled = np.where(inner, 0, distance * SHELL_MM / thickness)
    fine = ndimage.zoom(scaled, [n / m for n, m in zip(code.shape, scaled.shape, strict=True)], order=1)
    return np.where(fine > 0.25, np.clip(fine, 0.01, MAX_OUTSIDE_MM), 0).astype(np.float32)


def flattened(maps: MultiEchoMaps, code: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Water and fat without the receive coil's profile: muscle has the same water everywhere."""
    from scipy import ndimage

    muscle = ndimage.binary_erosion(code == CODE["muscle"], iterations=1)
    sigma = [_BIAS_MM / s / 4 for s in maps.spacing_mm]
    small = slice(None, None, 4)
    weight = ndimage.zoom(muscle.astype(np.float32)[small, small], (1, 1, 0.25), order=1)
    value = ndimage.zoom((maps.water * muscle)[small, small], (1, 1, 0.25), order=1)
    level = np.median(maps.water[muscle])
    top = ndimage.gaussian_filter(value, sigma, mode="nearest") + 0.02 * level
    field = top / (ndimage.gaussian_filter(weight, sigma, mode="nearest") + 0.02)
    index = np.meshgrid(
        *[np.linspace(0, m - 1, n) for m, n in zip(field.shape, maps.water.shape, strict=True)], indexing="ij"
    )
    gain = MUSCLE_WATER / np.maximum(ndimage.map_coordinates(field, index, order=1), level * 0.3)
    fat = maps.fat * gain
    fat *= SUBCUTANEOUS_FAT / np.percentile(fat[code == CODE["subcutaneous"]], 75)
    return (maps.water * gain).astype(np.float32), fat.astype(np.float32)


def calm_marrow(water: np.ndarray, fat: np.ndarray, parts: JointParts) -> tuple[np.ndarray, np.ndarray]:
    """Bones filled with marrow of one median, without the scan's noise and without what thick slices smeared into them.

    Interpolation between slices has drawn the noise out to streaks, so deep marrow is smooth. Within half a voxel of a
    bone's surface nothing changes.
    """
    from scipy import ndimage

    water, fat = water.astype(np.float32), fat.astype(np.float32)
    for distance in parts.bones_mm.values():
        inside = distance < -0.3
        deep = distance < -3.0
        if not deep.any():
            continue
        level = (float(np.median(water[deep])), float(np.median(fat[deep])))
        water[inside] = np.minimum(water[inside], level[0] + _SMEARED)
        fat[inside] = np.maximum(fat[inside], 0.75 * level[1])
        weight = ndimage.gaussian_filter(inside.astype(np.float32), _CALM_SIGMA)
        share = np.clip((-distance - 1.0) / 2.0, 0, 1)
        for values, middle, wanted in ((water, level[0], MARROW_WATER), (fat, level[1], MARROW_FAT)):
            smooth = ndimage.gaussian_filter(values * inside, _CALM_SIGMA) / np.maximum(weight, 1e-3)
            calm = share * smooth + (1 - share) * values
            values[inside] = np.maximum(calm + wanted - middle, 0)[inside]
    return water, fat


def _extended_bone(
    distance: np.ndarray, mask: np.ndarray, before: tuple, after: tuple, spacing_mm: tuple[float, float, float]
) -> np.ndarray:
    """A bone's signed distance on the extended grid: the given one inside the scan, that of ``mask`` beyond."""
    inner = tuple(slice(b, b + n) for b, n in zip(before, distance.shape, strict=True))
    result = np.full(mask.shape, 30.0, np.float32)
    outer = np.ones(mask.shape[1], bool)
    outer[inner[1]] = False
    for row in np.flatnonzero(outer):
        result[:, row] = np.clip(signed_distance(mask[:, row], (spacing_mm[0], spacing_mm[2])), -30, 30)
    result[inner] = distance
    return result


def _pose(parts: JointParts, maps: MultiEchoMaps, before: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Joint centre (mm from voxel 0 of the extended grid) and rotation that levels the plateau and the condyles."""
    spacing = np.array(maps.spacing_mm)
    sides = [np.argwhere(parts.soft_mm[f"{s}_tibial_cartilage"] < 0) * spacing for s in ("medial", "lateral")]
    centre = np.mean([s.mean(axis=0) for s in sides], axis=0)
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
    name: str, code: np.ndarray, outside: np.ndarray, parts: JointParts, maps: MultiEchoMaps, centre: np.ndarray, turn: np.ndarray,
    before: tuple,
) -> AnatomyTemplate:  # fmt: skip
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
    compartments = {
        s: tuple(float(v) for v in p.mean(axis=0)[[0, 2]]) for s, p in zip(("medial", "lateral"), points, strict=True)
    }
    plateau = _plateau(tissue, axes)
    floor, roof = _joint_surfaces(tissue, axes)
    return AnatomyTemplate(
        name, tissue, depth.astype(np.float16), outside.astype(np.float16), floor, roof, plateau, compartments,
        _margins(tissue, axes, plateau), _slope_deg(np.concatenate(points)), _flexion_axis(tissue, axes),
    )  # fmt: skip
