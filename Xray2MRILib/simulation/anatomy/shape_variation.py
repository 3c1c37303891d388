"""The shape model fitted to a template: what each of its modes does on the lattice of smooth displacements."""

from __future__ import annotations

import numpy as np

from .anatomy_template import AnatomyTemplate
from .shape_model import ShapeModel, load_shape_model, without_similarity
from .template_regions import lattice_points
from .tissue_classes import EXTENT_MM, SPACING_MM, TISSUE_ID

MODES = 10  # hold 94 % of the variance
BONES = ("femur", "tibia")
_SPREAD_MM = 9.0  # over which a vertex moves its surroundings
_FADE_MM = 22.0  # beyond the bones
_STRIDE = 3
_ROWS_MM = {"femur": (-70.0, 8.0), "tibia": (-6.0, 60.0)}


def fitted_modes(template: AnatomyTemplate, model: ShapeModel) -> np.ndarray:
    """Displacement [MODES, 3, Y, Z, X] in mm (y, z, x) on the warp's lattice, for scores of one standard deviation.

    Each bone's mean is laid over the template's by a similarity; shift, rotation and growth are taken out of the modes,
    since size and pose have parameters of their own. Near the joint the two bones' displacements are averaged, so that
    the gap keeps its width but for a little.
    """
    lattice = lattice_points()
    nodes = lattice.reshape(-1, 3)
    weight = np.full(len(nodes), 1e-9)
    total = np.zeros((MODES, len(nodes), 3))
    nearest = np.full(len(nodes), np.inf)
    for bone in BONES:
        mean = model.means_mm[bone]
        scale, turn, shift = similarity_to_surface(mean, surface_points(template, bone))
        points = scale * mean @ turn.T + shift
        moved = np.stack([without_similarity(mean, m) for m in model.modes_mm[bone][:MODES]]) * scale
        moved = moved @ turn.T
        square = ((nodes[:, None] - points[None]) ** 2).sum(axis=-1)
        kernel = np.exp(-square / (2 * _SPREAD_MM**2))
        weight += kernel.sum(axis=1)
        total += np.einsum("nv,kvc->knc", kernel, moved)
        nearest = np.minimum(nearest, np.sqrt(square.min(axis=1)))
    smooth = total / weight[None, :, None] * np.exp(-((nearest / _FADE_MM) ** 2) / 2)[None, :, None]
    return np.moveaxis(smooth.reshape(MODES, *lattice.shape), -1, 1).astype(np.float32)


def template_modes(template: AnatomyTemplate) -> np.ndarray:
    """``fitted_modes`` of the shape model that ships, worked out once and kept with the template."""
    kept = template.__dict__.get("_modes_mm")
    if kept is None:
        kept = template.__dict__["_modes_mm"] = fitted_modes(template, load_shape_model())
    return kept


def surface_points(template: AnatomyTemplate, bone: str) -> np.ndarray:
    """Voxels of a bone's surface near the joint, [N, 3] mm (y, z, x), thinned."""
    mask = template.tissue == TISSUE_ID[bone]
    surface = mask & (template.bone_depth_mm < 1.5 * SPACING_MM)
    points = np.argwhere(surface) * SPACING_MM + [lo for lo, _ in EXTENT_MM.values()]
    low, high = _ROWS_MM[bone]
    near = points[(points[:, 1] > low) & (points[:, 1] < high)]
    return near[:: _STRIDE**2]


def similarity_to_surface(points: np.ndarray, surface: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Scale, rotation [3, 3] and shift [3] that lay ``points`` on ``surface``: iterative closest points.

    Each surface point seeks its nearest model point, since the model may reach beyond the surface that is given.
    """
    from scipy.spatial import cKDTree

    # widest row on widest row, joint end on joint end
    scale, turn = float(np.ptp(surface[:, 2]) / np.ptp(points[:, 2])), np.eye(3)
    shift = surface.mean(axis=0) - scale * points.mean(axis=0)
    end = np.max if surface[:, 1].mean() < 0 else np.min
    shift[1] = end(surface[:, 1]) - scale * end(points[:, 1])
    for _ in range(40):
        placed = scale * points @ turn.T + shift
        distance, index = cKDTree(placed).query(surface)
        good = distance < np.percentile(distance, 90)
        source, target = points[index[good]], surface[good]
        centre_s, centre_t = source.mean(axis=0), target.mean(axis=0)
        u, values, vt = np.linalg.svd((target - centre_t).T @ (source - centre_s))
        sign = np.array([1, 1, np.sign(np.linalg.det(u @ vt))])
        turn = (u * sign) @ vt
        scale = float((values * sign).sum() / ((source - centre_s) ** 2).sum())
        shift = centre_t - scale * turn @ centre_s
    return scale, turn, shift
