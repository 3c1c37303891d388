"""Baker's cyst: fluid in the bursa between semimembranosus and the medial head of gastrocnemius."""

from __future__ import annotations

import numpy as np
import torch

from .anatomy_template import AnatomyTemplate
from .knee_parameters import KneeParameters
from .osteoarthritis import distances_from
from .tissue_classes import EXTENT_MM, SPACING_MM, TISSUE_ID
from .tissue_codes import BYTE_VALUES

_ASIDE_MM = 5.0  # the bursa lies this much medial of the compartment's centre
_HEIGHT_MM = -17.0
_YIELDING = [TISSUE_ID[t] for t in ("connective", "muscle", "fat", "tendon", "fluid")]
# The sac in units of its half thickness: (y, z, x) of each ball's centre and its radius. Neck, body, tail downwards.
_SHAPE = ((0.9, -0.5, -0.5, 0.55), (0.0, 0.0, 0.0, 1.0), (-0.35, 0.9, 0.25, 0.95), (-0.5, 1.8, 0.4, 0.7))


def cyst_centre_mm(template: AnatomyTemplate) -> np.ndarray:
    """Where the bursa lies (y, z, x): behind the medial condyle, towards its medial edge."""
    x = template.compartment_mm["medial"][1]
    columns = slice(*(round((v - EXTENT_MM["x"][0]) / SPACING_MM) for v in (x - 5, x + 5)))
    rows = slice(*(round((v - EXTENT_MM["z"][0]) / SPACING_MM) for v in (-28.0, -8.0)))
    filled = np.flatnonzero((template.tissue[:, rows, columns] == TISSUE_ID["femur"]).any(axis=(1, 2)))
    rear = filled[0] * SPACING_MM + EXTENT_MM["y"][0] if len(filled) else -24.0
    return np.array((rear, _HEIGHT_MM, x + _ASIDE_MM))


def fill_popliteal_cyst(template: AnatomyTemplate, parameters: KneeParameters, tissue: torch.Tensor) -> None:
    """Fluid in the bursa, in place; ``parameters.baker_cyst_mm`` is half its thickness, 0 for none."""
    size = parameters.baker_cyst_mm
    if size <= 0:
        return
    origin = np.array(template.origin_mm)
    # a larger cyst pushes its rear wall back, the front wall stays at the capsule
    middle = cyst_centre_mm(template) - (size + 3.0, 0, 0)
    yields = torch.zeros(BYTE_VALUES, dtype=torch.bool)
    yields[_YIELDING] = True
    for *offset, radius in _SHAPE:
        box, distance = distances_from(middle + size * np.array(offset), size * radius, origin, tissue)
        part = tissue[box]
        soft = yields.to(tissue.device)[part.long()]
        part.masked_fill_(soft & (distance < size * radius), TISSUE_ID["fluid"])
