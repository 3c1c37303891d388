"""One simulated pair of an image-based template: the MR volume from its tissue maps, the radiograph from its bones."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from ..anatomy.deformation import KneeDeformation
from ..anatomy.image_template import ImageTemplate
from ..anatomy.knee_parameters import KneeParameters, draw
from ..anatomy.person import Person, draw_person, of_person
from ..anatomy.shape_variation import MODES
from ..mr import flash_mri
from ..mr.image_signal import PreparedTemplate, knee_signal
from ..mr.scan_parameters import ScanParameters, draw_scan
from ..mr.tissue_maps import TissueMaps
from ..radiograph import drr
from .knee_pair import KneePair

_LOST_PIXELS, _RESTORED = 0.8, 0.8
BEHIND_MM = 15.0  # how much less of a leg of no size would lie behind the joint and in the field
CORTEX_MM = 0.5  # of both bones' subchondral plates, which are dark on the scan and belong to the gap between marrows
SHAPE_SPREAD = 0.9  # of the scores: the template itself is no mean shape
MUSCLE_BULK = 0.82  # of the population, against the athletic person of the multi-echo scan


@dataclass(frozen=True)
class ImageKnee:
    """Everything that is drawn for one pair: the person, the knee and its scan."""

    person: Person
    parameters: KneeParameters
    scan: ScanParameters
    shape_scores: tuple[float, ...] = (0.0,) * MODES


def draw_image_knee(seed: int, kl_grade: int, template: ImageTemplate) -> ImageKnee:
    """Draw one knee of ``template``."""
    low, high = template.anatomy.plateau_mm
    person = draw_person(seed)
    parameters = of_person(draw(seed, kl_grade, (template.name,), {template.name: high - low}), person, high - low)
    depth, height, aside = parameters.field_offset_mm
    moved = replace(
        parameters,
        field_offset_mm=(depth + BEHIND_MM * (1 - parameters.scale[0]), height, aside),
        muscle_bulk=parameters.muscle_bulk * MUSCLE_BULK,
        joint_space_mm={side: width + CORTEX_MM for side, width in parameters.joint_space_mm.items()},
        bias_length_mm=parameters.bias_length_mm * 1.3,
    )
    scores = np.random.default_rng([seed, 61]).normal(0, SHAPE_SPREAD, MODES).clip(-2.5, 2.5)
    return ImageKnee(person, moved, draw_scan(seed), tuple(float(s) for s in scores))


def deformed(source: PreparedTemplate, knee: ImageKnee) -> KneeDeformation:
    """The deformation of one knee with its bones' shape."""
    deformation = KneeDeformation(source.template.anatomy, knee.parameters)
    shape = np.tensordot(np.array(knee.shape_scores, np.float32), source.modes_mm, axes=1)
    # the map leads from the knee to the template, so the bones' displacement counts backwards
    deformation.warp -= torch.from_numpy(shape.astype(np.float32))
    return deformation


def scan_image_knee(source: PreparedTemplate, knee: ImageKnee) -> np.ndarray:
    """Noise-free volume [50, 256, 256] float32, posterior slice first, any scale."""
    parameters = knee.parameters
    deformation = deformed(source, knee)
    nodes = flash_mri.field_nodes(deformation, parameters)
    depth = nodes[..., 0]
    signal = knee_signal(source, parameters, knee.scan, low_mm=float(depth.min()), high_mm=float(depth.max()))
    return sharpened(flash_mri.scan(deformation, signal, parameters, nodes))


def sharpened(volume: np.ndarray) -> np.ndarray:
    """``volume`` with what two linear interpolations took from its finest detail in the plane; never negative.

    Scans are acquired at half the stored pixel and lose nothing of that kind.
    """
    import torch.nn.functional as functional

    kernel = torch.exp(-0.5 * (torch.arange(-2.0, 3.0) / _LOST_PIXELS) ** 2)
    kernel = kernel / kernel.sum()
    values = torch.from_numpy(volume)[:, None]
    padded = functional.pad(values, (2, 2, 2, 2), mode="replicate")
    smooth = functional.conv2d(functional.conv2d(padded, kernel.view(1, 1, 1, 5)), kernel.view(1, 1, 5, 1))
    return (values + _RESTORED * (values - smooth)).clamp(min=0)[:, 0].numpy()


def simulate_image_pair(source: PreparedTemplate, knee: ImageKnee) -> KneePair:
    """Volume in [0, 1] and radiograph of one knee."""
    anatomy, parameters = source.template.anatomy, knee.parameters
    deformation = deformed(source, knee)
    maps = TissueMaps(anatomy, parameters)
    films = drr.project(deformation, maps.mineral("femur"), maps.mineral("tibia"), maps.soft_attenuation(), parameters)
    volume = flash_mri.to_unit_range(scan_image_knee(source, knee))
    return KneePair(parameters, volume, films[0].numpy(), films[1].numpy(), deformation.joint_space_mm())
