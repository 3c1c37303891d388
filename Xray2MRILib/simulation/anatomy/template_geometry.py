"""What the deformation and the radiograph ask of a template, worked out from its codes."""

from __future__ import annotations

import numpy as np

from .anatomy_template import AnatomyTemplate, template_axes
from .image_template import first_generation
from .template_building import _flexion_axis, _joint_surfaces, _margins, _plateau
from .tissue_classes import SPACING_MM
from .tissue_codes import BONE_CODES


def template_geometry(
    name: str,
    code: np.ndarray,
    outside_mm: np.ndarray,
    compartment_mm: dict[str, tuple[float, float]],
    slope_deg: float,
) -> AnatomyTemplate:
    """Joint surfaces, margins, plateau and flexion axis of the template with ``code`` [Y, Z, X]."""
    from scipy import ndimage

    axes = template_axes()
    tissue = first_generation(code)
    depth = np.zeros(tissue.shape, np.float16)
    boxes = ndimage.find_objects(np.where(np.isin(code, BONE_CODES), code, 0))
    for value, box in enumerate(boxes, start=1):
        if box is not None:
            # one more voxel on every side, except where the bone runs out of the template
            box = tuple(slice(max(s.start - 1, 0), s.stop + 1) for s in box)
            mask = code[box] == value
            depth[box][mask] = ndimage.distance_transform_edt(mask, SPACING_MM)[mask]
    plateau = _plateau(tissue, axes)
    floor, roof = _joint_surfaces(tissue, axes)
    return AnatomyTemplate(
        name, tissue, depth, outside_mm.astype(np.float16), floor, roof, plateau, compartment_mm,
        _margins(tissue, axes, plateau), slope_deg, _flexion_axis(tissue, axes),
    )  # fmt: skip
