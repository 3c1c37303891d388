"""One simulated pair: the MR volume and the radiograph of the same deformed knee."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..anatomy.anatomy_template import AnatomyTemplate
from ..anatomy.deformation import KneeDeformation
from ..anatomy.knee_parameters import KneeParameters
from ..mr import flash_mri
from ..mr.tissue_maps import TissueMaps
from ..radiograph import drr


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
        Bone-to-bone distance where each compartment is narrowest (truth).
    """

    parameters: KneeParameters
    volume: np.ndarray
    bone: np.ndarray
    soft: np.ndarray
    joint_space_mm: dict[str, float]
    film_mm: float = drr.RADIOGRAPH_MM


def simulate_pair(
    template: AnatomyTemplate, parameters: KneeParameters, device: torch.device | str = "cpu"
) -> KneePair:
    """Deform the template once and look at it twice, on one device."""
    deformation = KneeDeformation(template, parameters, device=device)
    nodes = flash_mri.field_nodes(deformation, parameters)
    maps = TissueMaps(template, parameters, device)
    depth = nodes[..., 0]
    volume = flash_mri.scan(deformation, maps.signal(float(depth.min()), float(depth.max())), parameters, nodes)
    radiograph = drr.project(
        deformation, maps.mineral("femur"), maps.mineral("tibia"), maps.soft_attenuation(), parameters
    )
    return KneePair(
        parameters,
        flash_mri.to_unit_range(volume).cpu().numpy(),
        radiograph[0].cpu().numpy(),
        radiograph[1].cpu().numpy(),
        deformation.joint_space_mm(),
    )
