"""One simulated pair: the MR volume and the radiograph of the same deformed knee."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import film_projection, mr_scan
from .anatomy_template import AnatomyTemplate
from .deformation import KneeDeformation
from .knee_parameters import KneeParameters
from .tissue_maps import TissueMaps


@dataclass
class KneePair:
    """A simulated knee.

    Attributes
    ----------
    volume
        float32 [50, 256, 256] in [0, 1], posterior slice first, right knee, noise-free.
    bone, soft
        float32 [288, 288]: attenuation integrals of bone mineral and of all other tissue over ``film_mm``.
    joint_space_mm
        Bone-to-bone distance in the centre of each compartment (truth).
    """

    parameters: KneeParameters
    volume: np.ndarray
    bone: np.ndarray
    soft: np.ndarray
    joint_space_mm: dict[str, float]
    film_mm: float = film_projection.FILM_MM


def simulate_pair(template: AnatomyTemplate, parameters: KneeParameters) -> KneePair:
    """Deform the template once and look at it twice."""
    deformation = KneeDeformation(template, parameters)
    nodes = mr_scan.field_nodes(deformation, parameters)
    maps = TissueMaps(template, parameters)
    depth = nodes[..., 0]
    volume = mr_scan.scan(deformation, maps.signal(float(depth.min()), float(depth.max())), parameters, nodes)
    film = film_projection.project(
        deformation, maps.mineral("femur"), maps.mineral("tibia"), maps.soft_attenuation(), parameters
    )
    return KneePair(
        parameters, mr_scan.to_unit_range(volume), film[0].numpy(), film[1].numpy(), deformation.joint_space_mm()
    )
