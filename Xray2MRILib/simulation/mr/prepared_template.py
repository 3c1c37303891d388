"""An image-based template made ready for its knees: cut to the leg, water decayed until the echo, layers of the joint.

What thick slices and label maps cannot show is set by what it is: cartilage by its depth, menisci with a core and a
free edge, cartilages that touch, synovium in the notch, tendons of the hamstrings, the courses of vessels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from ..anatomy.image_template import ImageTemplate
from ..anatomy.shape_variation import template_modes
from ..anatomy.tissue_classes import EXTENT_MM, SPACING_MM
from ..anatomy.tissue_codes import BYTE_VALUES, CODE, CODES
from .hamstring_tendons import draw_hamstring_tendons
from .leg_ends import LegEnd, leg_end
from .property_tables import PLAIN_FAT, PLAIN_WATER
from .tissue_properties import ECHO_TIME_MS
from .vessel_courses import round_off_trunks, wind_genicular_vessels

DENSITY_SCALE = 200.0  # stored value of pure water and pure fat
T2STAR_SHARE = 0.75  # of the spin echo's T2
SHELL_CODE = len(CODES)  # codes from here on lie outside the fascia, one for every ``SHELL_STEP_MM``
SHELL_STEP_MM = 0.2
DEEPEST_SHELL_MM = 29.0
MENISCUS_T2STAR_MS, MENISCUS_CORE_MM = (6.0, 9.5), 1.8  # at the surface and in the core, which begins at that depth
MENISCUS_EDGE_MM = (1.2, 3.0)  # as thin as the free edge and as thick as the body
CARTILAGE_T2STAR_MS = (14.0, 28.0)  # at the bone and at the surface
NOTCH_MM = {"y": (-29.0, 10.0), "z": (-31.0, 4.0), "x": (-13.0, 13.0)}  # between the condyles
_JOINT_MM = 20.0  # the joint's surfaces lie within this height
NOTCH_FAT = 0.55  # the largest share of fat in its loose tissue
# what textures add to tissue that was measured, and to the classes of a label map
MEASURED_BARE, LABELS_BARE = 0.25, 1.6


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
        uint8 [y, z, x] on the device; from ``SHELL_CODE`` on the distance outside the fascia.
    water
        float32 [y, z, x], proton density with its decay until the echo.
    fat
        float32 [y, z, x], proton density.
    bare
        How much of its thin structures the template lacks: all where tissues are classes of a label map, less where
        they were measured, so that the maps themselves hold septa and small vessels.
    ends
        How the leg goes on beyond the first row (thigh) and beyond the last one (calf).
    """

    template: ImageTemplate
    box: tuple[slice, ...]
    code: torch.Tensor
    water: torch.Tensor
    fat: torch.Tensor
    bare: float = 1.0
    ends: tuple[LegEnd, LegEnd] = (LegEnd(), LegEnd())

    @property
    def device(self) -> torch.device:
        """Where its knees are simulated."""
        return self.code.device

    @cached_property
    def modes_mm(self) -> np.ndarray:
        """What each mode of the shape model does, float32 [K, 3, Y, Z, X], see ``shape_variation``."""
        return template_modes(self.template.anatomy)


def prepared(template: ImageTemplate, device: torch.device | str = "cpu") -> PreparedTemplate:
    """Cut ``template`` to its leg, let the water decay until the echo, and put it on ``device``."""
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
    _layer_cartilage(template, box, water, fat)
    _layer_menisci(template, box, water, fat)
    _line_notch(template, box, water, fat)
    inside = template.code[box].copy()
    gap = between_cartilages(template)[box]
    inside[gap], fat[gap] = CODE["cartilage"], 0
    water[gap] = PLAIN_WATER["cartilage"][0] * np.exp(-ECHO_TIME_MS / CARTILAGE_T2STAR_MS[1])
    round_off_trunks(template, inside, water, fat)
    wind_genicular_vessels(template, box, inside, water, fat)
    draw_hamstring_tendons(template, box, inside, water, fat)
    for name in ("fluid", "artery", "vein"):  # fluid, which the map of water leaves out; blood, the same everywhere
        liquid = inside == CODE[name]
        density, t2star_ms = PLAIN_WATER[name]
        water[liquid], fat[liquid] = density * np.exp(-ECHO_TIME_MS / t2star_ms), 0
    beyond = outside[box].astype(np.float32)
    steps = np.minimum(beyond * (1 / SHELL_STEP_MM), 255 - SHELL_CODE)
    code = np.where(beyond > 0, (SHELL_CODE + steps).astype(np.uint8), inside)
    water[beyond > 0] = fat[beyond > 0] = 1  # their tables hold the whole signal
    bare = LABELS_BARE if template.structure is None else MEASURED_BARE
    leg = (inside > 0) & (beyond <= 0)
    ends = (leg_end(leg), leg_end(leg[:, ::-1]))
    on_device = [torch.from_numpy(values).to(device) for values in (code, water, fat)]
    return PreparedTemplate(template, box, on_device[0], on_device[1], on_device[2], bare, ends)


def _layer_cartilage(template: ImageTemplate, box: tuple[slice, ...], water: np.ndarray, fat: np.ndarray) -> None:
    """Cartilage of one proton density whose T2* grows from the bone to its surface, in place.

    The maps' thick slices mix it with the bone; the layer is thin, so its edges have to be those of the labels.
    """
    index, depth, _ = template.anatomy.regions.cartilage
    places = np.unravel_index(index, template.code.shape)
    inside = np.logical_and.reduce([(p >= b.start) & (p < b.stop) for p, b in zip(places, box, strict=True)])
    local = tuple(p[inside] - b.start for p, b in zip(places, box, strict=True))
    deep, surface = CARTILAGE_T2STAR_MS
    water[local] = PLAIN_WATER["cartilage"][0] * np.exp(-ECHO_TIME_MS / (deep + (surface - deep) * depth[inside]))
    fat[local] = 0


def _layer_menisci(template: ImageTemplate, box: tuple[slice, ...], water: np.ndarray, fat: np.ndarray) -> None:
    """Menisci that are dark at their surface, where fibres lie densely, and grey in their core, in place.

    Their free edge is a wedge thinner than a voxel, with fluid and cartilage above and below. Label maps draw it as
    thick as a voxel or two; there the signal is that of both.
    """
    from scipy import ndimage

    meniscus = template.code[box] == CODE["meniscus"]
    if not meniscus.any():
        return
    spans = [np.flatnonzero(meniscus.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    part = tuple(slice(max(s[0] - 1, 0), s[-1] + 2) for s in spans)
    depth = ndimage.distance_transform_edt(meniscus[part], SPACING_MM)
    surface, core = MENISCUS_T2STAR_MS
    t2star = surface + (core - surface) * np.clip((depth - SPACING_MM) / MENISCUS_CORE_MM, 0, 1)
    inside = meniscus[part]
    body = PLAIN_WATER["meniscus"][0] * np.exp(-ECHO_TIME_MS / t2star)
    thickness = inside.sum(axis=1, keepdims=True) * SPACING_MM
    thinnest, whole = MENISCUS_EDGE_MM
    share = np.clip((thickness - thinnest) / (whole - thinnest), 0, 1)
    beside = PLAIN_WATER["cartilage"][0] * np.exp(-ECHO_TIME_MS / CARTILAGE_T2STAR_MS[1])
    water[part][inside] = (beside + share * (body - beside))[inside]
    fat[part][inside] = 0


def between_cartilages(template: ImageTemplate) -> np.ndarray:
    """What is neither cartilage nor meniscus between the cartilages of femur and tibia, bool [Y, Z, X].

    Maps of thick slices and gaps wider than the layers leave some. Cartilages touch, so it is theirs.
    """
    anatomy, code = template.anatomy, template.code
    z = EXTENT_MM["z"][0] + SPACING_MM * np.arange(code.shape[1])
    low, high = (int(np.searchsorted(z, edge)) for edge in (-_JOINT_MM, _JOINT_MM))
    part = code[:, low:high]
    cartilage = part == CODE["cartilage"]
    middle = ((anatomy.femur_floor_mm + anatomy.tibia_roof_mm) / 2)[:, None, :]
    height = z[low:high][None, :, None]
    inside = (height > anatomy.femur_floor_mm[:, None, :]) & (height < anatomy.tibia_roof_mm[:, None, :])
    both = (cartilage & inside & (height < middle)).any(axis=1) & (cartilage & inside & (height > middle)).any(axis=1)
    loose = np.isin(part, [CODE[kind] for kind in ("fat", "connective", "synovium", "muscle")])
    result = np.zeros(code.shape, bool)
    result[:, low:high] = loose & inside & both[:, None, :]
    return result


def _line_notch(template: ImageTemplate, box: tuple[slice, ...], water: np.ndarray, fat: np.ndarray) -> None:
    """Loose tissue between the condyles holds synovium: at most ``NOTCH_FAT`` of it is fat, in place."""
    window = np.ones((), np.float32)
    for axis, ((low, high), (first, _)) in enumerate(zip(NOTCH_MM.values(), EXTENT_MM.values(), strict=True)):
        at = first + SPACING_MM * np.arange(box[axis].start, box[axis].stop)
        step = 1 / (1 + np.exp(-np.clip(at - low, -40, 40))) / (1 + np.exp(np.clip(at - high, -40, 40)))
        window = window * np.expand_dims(step, tuple({0, 1, 2} - {axis})).astype(np.float32)
    code = template.code[box]
    loose = np.isin(code, [CODE[kind] for kind in ("fat", "connective")])
    index = np.nonzero((window > 0.02) & loose)
    share = window[index]
    density, t2star_ms = PLAIN_WATER["synovium"]
    wet = (1 - NOTCH_FAT) * density * np.exp(-ECHO_TIME_MS / t2star_ms)
    water[index] += share * np.maximum(wet - water[index], 0)
    fat[index] -= share * np.maximum(fat[index] - NOTCH_FAT * PLAIN_FAT["fat"], 0)
