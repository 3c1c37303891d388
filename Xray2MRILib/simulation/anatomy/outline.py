"""An outline: the bones, cartilages and menisci of one knee on the template's grid, without soft tissue.

Soft tissue is lent to it by another knee, see ``lent_soft_tissue``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .image_template import ImageTemplate
from .label_map import LabelMap, read_label_map
from .placed_labels import ASLANT, INWARD_MM, PlacedLabels, placed
from .signed_distance import extend_distance, signed_distance
from .template_building import _slope_deg
from .tissue_classes import BONES, EXTENT_MM, SPACING_MM
from .tissue_codes import BYTE_VALUES, CODE

OWN = (*BONES, "cartilage", "meniscus")
_SLAB_MM = 16.0  # of a shaft is looked at for its slope
_DAMPING_MM = 25.0  # a metaphysis tapers, a shaft hardly does


@dataclass
class Outline:
    """One knee's own structures.

    Attributes
    ----------
    name
        What it is called.
    code
        uint8 [Y, Z, X], ``CODE`` of its bones, cartilage and menisci, 0 elsewhere. Shafts reach both ends of the grid.
    ends_mm
        (z above, z below): beyond them the shafts are continuations.
    compartment_mm
        {"medial": (y, x), "lateral": (y, x)}: centres of the tibial cartilages.
    slope_deg
        Posterior slope of the plateau.
    """

    name: str
    code: np.ndarray
    ends_mm: tuple[float, float]
    compartment_mm: dict[str, tuple[float, float]]
    slope_deg: float

    def has(self, structure: str) -> bool:
        """Whether it has voxels of ``structure``."""
        return bool((self.code[::2, ::2, ::2] == CODE[structure]).any())


def build_outline(folder: Path, name: str | None = None) -> Outline:
    """Outline of the label map in ``folder`` (about a minute). Raises InputError as ``read_label_map`` does."""
    found = read_label_map(folder)
    laid = placed(found)
    code = own_codes(found, laid)
    ends = shaft_ends(code)
    continue_shafts(code, ends)
    means = {side: points.mean(axis=0) for side, points in laid.plateau_mm.items()}
    return Outline(
        name or folder.resolve().name, code, ends, {s: (float(m[0]), float(m[2])) for s, m in means.items()},
        _slope_deg(np.concatenate(list(laid.plateau_mm.values()))),
    )  # fmt: skip


def outline_of(template: ImageTemplate, bones: np.ndarray) -> Outline:
    """The outline of a whole template; ``bones`` [Y, Z, X] are the codes of its bones with their cortex."""
    own = np.isin(template.code, [CODE[kind] for kind in ("cartilage", "meniscus")])
    code = np.where(own, template.code, bones).astype(np.uint8)
    anatomy = template.anatomy
    return Outline(
        template.name, code, (EXTENT_MM["z"][0], EXTENT_MM["z"][1]), anatomy.compartment_mm, anatomy.slope_deg
    )


def own_codes(found: LabelMap, laid: PlacedLabels) -> np.ndarray:
    """Codes of the bones, cartilages and menisci of a label map, uint8 [Y, Z, X], 0 elsewhere."""
    table = np.zeros(BYTE_VALUES, np.uint8)
    for label, structure in found.structures.items():
        kind = found.tissues[label]
        if kind == "bone":
            table[label] = CODE[structure]
        elif kind in OWN:
            table[label] = CODE[kind]
    return table[laid.labels]


def shaft_ends(code: np.ndarray) -> tuple[float, float]:
    """Where femur and tibia end along the leg, z in mm: their first and last section that is not cut aslant."""
    rows = []
    for bone, step in (("femur", 1), ("tibia", -1)):
        area = (code == CODE[bone]).sum(axis=(0, 2))
        filled = np.flatnonzero(area)
        row = int(filled[0] if step > 0 else filled[-1])
        inward = round(INWARD_MM / SPACING_MM) * step
        while 0 <= row + inward < len(area) and area[row] < ASLANT * area[row + inward]:
            row += step
        rows.append(row + inward)
    low = EXTENT_MM["z"][0]
    return low + rows[0] * SPACING_MM, low + rows[1] * SPACING_MM


def continue_shafts(code: np.ndarray, ends_mm: tuple[float, float]) -> None:
    """Shafts beyond ``ends_mm`` by the signed distances of their axial sections, in place."""
    low = EXTENT_MM["z"][0]
    top, bottom = (round((z - low) / SPACING_MM) for z in ends_mm)
    used = round(_SLAB_MM / SPACING_MM) + 1
    for bone in BONES:
        if bone == "patella":
            continue
        for moved, end in ((code, top), (code[:, ::-1], code.shape[1] - 1 - bottom)):
            if end <= 0 or not (moved[:, end] == CODE[bone]).any():
                continue
            slab = moved[:, end : end + used] == CODE[bone]
            planes = [np.clip(signed_distance(slab[:, k], SPACING_MM), -30, 30) for k in range(slab.shape[1])]
            beyond = extend_distance(np.stack(planes, axis=1), 1, end, 0, SPACING_MM, damping_mm=_DAMPING_MM)
            part = moved[:, :end]
            part[part == CODE[bone]] = 0
            part[(beyond[:, :end] < 0) & (part == 0)] = CODE[bone]
