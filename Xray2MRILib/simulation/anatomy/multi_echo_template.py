"""The image-based template of the multi-echo knee: from its maps to the simulator's grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .anatomy_template import SPACING_MM, AnatomyTemplate, template_axes
from .fat_shell import fat_shell
from .image_template import ImageTemplate, first_generation
from .multi_echo_bones import carved, close_joint_gap, continued, trimmed, without_empty_rows
from .multi_echo_densities import SUBCUTANEOUS_FAT, calm_marrow, flattened, with_notch_synovium
from .multi_echo_joint import REGISTERED, JointParts, joint_parts, load_registered
from .multi_echo_maps import MultiEchoMaps, read_multi_echo
from .multi_echo_tissue import classified
from .pose import rotation
from .signed_distance import signed_distance
from .template_building import _flexion_axis, _joint_surfaces, _margins, _plateau, _slope_deg
from .template_extension import extend_codes, extend_sides, fill_maps
from .tissue_codes import BONE_CODES, CODE, CODES

IMAGE_TEMPLATE_VERSION = 3  # raise it whenever the same maps would give another template
PLATEAU_VOXEL = (118.0, 148.0, 42.0)  # (y, z, x): where the scan's tibial plateau has its centre, roughly
CARTILAGE_WATER = 114.0  # the scan's thick slices do not show it truly; depth varies it per knee
MENISCUS_WATER, MENISCUS_T2_MS = 115.0, 10  # at least, at most
# The template's origin lies this much in front of the plateau's centre. On real scans the first slice lies 35 mm behind
# that centre, 6 mm less than in the first generation, whose posterior slices were empty.
FIELD_SHIFT_MM = 6.0
_SIDES = (34, 30)  # sections added laterally and medially
_ENDS = (56, 56)  # rows added above and below


def build_multi_echo_template(folder: Path) -> ImageTemplate:
    """The template of the multi-echo knee in ``folder`` (one and a half minutes of processor time; keep the result).

    The folder holds the maps and the registered bones, cartilages and menisci. Raises InputError as
    ``read_multi_echo`` does.
    """
    maps = read_multi_echo(folder)
    return assembled(maps, joint_parts(maps, load_registered(folder / REGISTERED), PLATEAU_VOXEL), folder.name)


def assembled(maps: MultiEchoMaps, parts: JointParts, name: str) -> ImageTemplate:
    """Template from maps and joint parts: flatten the coil's profile, extend, turn to the template's pose."""
    maps, parts = without_empty_rows(maps, parts)
    bones = {b: continued(b, carved(trimmed(d, maps.fat), maps), maps.spacing_mm) for b, d in parts.bones_mm.items()}
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
    stored[0], stored[1] = with_notch_synovium(final, stored[0], stored[1])
    meniscus = final == CODE["meniscus"]
    stored[2][meniscus] = np.minimum(stored[2][meniscus], MENISCUS_T2_MS)
    return ImageTemplate(_anatomy(name, final, outside, parts, maps, centre, turn, before), final, *stored)


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
