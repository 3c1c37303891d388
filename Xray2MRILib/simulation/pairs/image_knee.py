"""One simulated pair of an image-based template: the MR volume from its tissue maps, the radiograph from its bones."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from ..anatomy.deformation import KneeDeformation
from ..anatomy.image_template import ImageTemplate
from ..anatomy.knee_parameters import KneeParameters, draw
from ..anatomy.person import DEPTH, Person, draw_person, of_person, patella_factors
from ..anatomy.shape_variation import MODES
from ..mr import flash_mri
from ..mr.image_signal import PreparedTemplate, knee_signal
from ..mr.scan_parameters import ScanParameters, draw_scan
from ..mr.tissue_maps import TissueMaps
from ..radiograph import drr
from .coronal_shape import coronal_warp
from .field_placement import field_offset_mm
from .knee_pair import KneePair
from .standing_knee import standing

_LOST_PIXELS, _RESTORED = 0.8, 1.2
# Less than drawn for label maps: in health both cartilages make a band of 5.0 to 5.6 mm on scans.
BAND_MM = {"medial": 0.2, "lateral": 0.5}
MUSCLE_FOLLOWS = 0.4  # power of size that muscle grows with: it fills as much of the scan of a small knee as of a large
BULK_SPREAD = 0.5  # against label maps: the share of muscle in a slice is nearly the same on two scans
BIAS_LENGTH = 1.7  # muscle at the field's ends is as bright as on scans, against the drawn fall-off of the coil
SHAPE_SPREAD = 0.9  # of the scores: the template itself is no mean shape
# Against what is drawn, so that measured sizes are the published ones (docs/knee-anatomy.md): the warp towards real
# radiographs widens the bones, outlines differ in depth, ligaments are long beside their patellae, and menisci of three
# outlines stand out.
IN_PLANE, IN_DEPTH = 0.985, 1.02
PATELLA_HEIGHT = 1.045
MEDIAL_EXTRUSION_MM = {"multi_echo_knee": -1.3, "mskt_right_knee": -1.3, "mskt_left_knee": -1.3}
# Of the population, against the person who lends the soft tissue: that of the multi-echo scan is an athlete.
MUSCLE_BULK = {"multi_echo_knee": 0.78, "spl_knee_atlas": 0.86}


@dataclass(frozen=True)
class ImageKnee:
    """Everything that is drawn for one pair: the person, the knee and its scan."""

    person: Person
    parameters: KneeParameters
    scan: ScanParameters
    shape_scores: tuple[float, ...] = (0.0,) * MODES


def draw_image_knee(seed: int, kl_grade: int, template: ImageTemplate, person: Person | None = None) -> ImageKnee:
    """Draw one knee of ``template``, of the person that the seed draws or of the one given; the rest is the same."""
    low, high = template.anatomy.plateau_mm
    person = person or draw_person(seed)
    drawn = draw(seed, kl_grade, (template.name,), {template.name: high - low})
    parameters = of_person(drawn, person, high - low)
    parameters = standing(parameters, template.name, parameters.scale[2] / drawn.scale[2])
    depth, height, width = parameters.scale
    parameters = replace(
        parameters,
        scale=(depth * DEPTH * IN_DEPTH, height * IN_PLANE, width * IN_PLANE),
        crop_mm=parameters.crop_mm * IN_PLANE,
        extrusion_mm=_seated(parameters.extrusion_mm, template.name),
    )
    patella_mm = template.anatomy.regions.patella_size_mm
    bulk = MUSCLE_BULK.get(template.name.rpartition("+")[2], 1.0) * parameters.scale[2] ** (MUSCLE_FOLLOWS - 1)
    deep, tall, wide = patella_factors(seed, patella_mm, high - low) if patella_mm else (1.0, 1.0, 1.0)
    moved = replace(
        parameters,
        patella_size=(deep, tall * PATELLA_HEIGHT, wide) if patella_mm else (1.0, 1.0, 1.0),
        joint_space_mm={side: max(width - BAND_MM[side], 0.4) for side, width in parameters.joint_space_mm.items()},
        field_offset_mm=field_offset_mm(template.anatomy, parameters),
        muscle_bulk=bulk * (1 + BULK_SPREAD * (parameters.muscle_bulk - 1)),
        bias_length_mm=parameters.bias_length_mm * BIAS_LENGTH,
    )
    scores = np.random.default_rng([seed, 61]).normal(0, SHAPE_SPREAD, MODES).clip(-2.5, 2.5)
    return ImageKnee(person, moved, draw_scan(seed), tuple(float(s) for s in scores))


def _seated(extrusion_mm: dict[str, float], template: str) -> dict[str, float]:
    """The drawn extrusion of both menisci less what those of the outline stand out by themselves."""
    own = MEDIAL_EXTRUSION_MM.get(template.split("+")[0], 0.0)
    return {side: width + (own if side == "medial" else 0.0) for side, width in extrusion_mm.items()}


@dataclass
class PairTensors:
    """One simulated pair on the device where it was made.

    Attributes
    ----------
    volume
        float32 [50, 256, 256] in [0, 1], posterior slice first, noise-free.
    radiograph
        float32 [2, 288, 288]: attenuation integrals of bone mineral and of all other tissue.
    """

    knee: ImageKnee
    volume: torch.Tensor
    radiograph: torch.Tensor
    deformation: KneeDeformation


def deformed(source: PreparedTemplate, knee: ImageKnee) -> KneeDeformation:
    """The deformation of one knee with its bones' shape."""
    shape = np.tensordot(np.array(knee.shape_scores, np.float32), source.modes_mm, axes=1)
    # the map leads from the knee to the template, so the bones' displacement counts backwards
    return KneeDeformation(
        source.template.anatomy, knee.parameters, device=source.device,
        more_mm=coronal_warp(knee.parameters) - shape.astype(np.float32),
    )  # fmt: skip


def scan_image_knee(
    source: PreparedTemplate,
    knee: ImageKnee,
    *,
    deformation: KneeDeformation | None = None,
    maps: TissueMaps | None = None,
) -> torch.Tensor:
    """Noise-free volume [50, 256, 256] float32 on the source's device, posterior slice first, any scale."""
    parameters = knee.parameters
    deformation = deformation or deformed(source, knee)
    nodes = flash_mri.field_nodes(deformation, parameters)
    low, high = nodes[..., 0].aminmax()
    signal = knee_signal(
        source, parameters, knee.scan, maps=maps, low_mm=float(low), high_mm=float(high),
        along_mm=flash_mri.reach_along_leg(deformation, nodes),
    )  # fmt: skip
    return sharpened(flash_mri.scan(deformation, signal, parameters, nodes))


def sharpened(volume: torch.Tensor) -> torch.Tensor:
    """``volume`` with what two linear interpolations took from its finest detail in the plane; never negative.

    Scans are acquired at half the stored pixel and lose nothing of that kind.
    """
    weights = np.exp(-0.5 * (np.arange(3) / _LOST_PIXELS) ** 2)
    weights /= weights[0] + 2 * weights[1:].sum()
    smooth = volume
    for axis in (1, 2):
        size, edge = smooth.shape[axis], smooth
        ends = [edge.narrow(axis, place, 1) for place in (0, size - 1)]
        padded = torch.cat((ends[0], ends[0], smooth, ends[1], ends[1]), dim=axis)
        smooth = float(weights[0]) * smooth
        for away in (1, 2):
            for start in (2 - away, 2 + away):
                smooth.add_(padded.narrow(axis, start, size), alpha=float(weights[away]))
    return torch.lerp(smooth, volume, 1 + _RESTORED).clamp_(min=0)


def image_pair_tensors(source: PreparedTemplate, knee: ImageKnee) -> PairTensors:
    """Volume in [0, 1] and radiograph of one knee, on the source's device and without leaving it."""
    anatomy, parameters = source.template.anatomy, knee.parameters
    deformation = deformed(source, knee)
    maps = TissueMaps(anatomy, parameters, source.device)
    radiograph = drr.project(
        deformation, maps.mineral("femur"), maps.mineral("tibia"), maps.soft_attenuation(), parameters,
        patella=maps.mineral("patella"),
    )  # fmt: skip
    volume = flash_mri.to_unit_range(scan_image_knee(source, knee, deformation=deformation, maps=maps))
    return PairTensors(knee, volume, radiograph, deformation)


def simulate_image_pair(source: PreparedTemplate, knee: ImageKnee) -> KneePair:
    """One knee's pair as arrays, for storage."""
    return stored_pair(image_pair_tensors(source, knee))


def stored_pair(pair: PairTensors) -> KneePair:
    """A pair in main memory, with the joint space that is measured on it."""
    volume, bone, soft = (part.cpu().numpy() for part in (pair.volume, *pair.radiograph))
    return KneePair(pair.knee.parameters, volume, bone, soft, pair.deformation.joint_space_mm())
