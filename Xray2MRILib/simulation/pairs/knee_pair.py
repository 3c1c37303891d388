"""One simulated pair: the MR volume and the radiograph of the same deformed knee."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..anatomy.knee_parameters import KneeParameters
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
