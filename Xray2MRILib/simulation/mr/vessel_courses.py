"""Vessels of a template as vessels are: genicular ones that wind, trunks of a label map without steps.

Both are set when a template is prepared for its knees: the courses that it was drawn with are too straight in places,
and a label map's sections show as blocks.
"""

from __future__ import annotations

import itertools

import numpy as np

from ..anatomy.anatomical_structures import STRUCTURE
from ..anatomy.image_template import ImageTemplate
from ..anatomy.tissue_classes import EXTENT_MM, SPACING_MM
from ..anatomy.tissue_codes import BYTE_VALUES, CODE
from .property_tables import PLAIN_FAT, PLAIN_WATER
from .tissue_properties import ECHO_TIME_MS

_WINDING_MM = 1.3  # standard deviation of what a vessel leaves its course by, along each axis
_WAVE_MM = 9.0  # between the random numbers that it winds by
_SEED = 29
_PARTS = 3  # of a voxel along each axis, which are moved one by one
_SOFT = ("fat", "connective", "muscle", "synovium")
_SMOOTH_VOXELS = (1.8, 4.0, 1.8)  # (y, z, x); vessels run along z
_LEAST = 0.42  # share from which a voxel is the vessel's: with a half thin ones would be lost


def wind_genicular_vessels(
    template: ImageTemplate, box: tuple[slice, ...], code: np.ndarray, water: np.ndarray, fat: np.ndarray
) -> None:
    """Let genicular vessels wind, in place; templates that name none are left as they are."""
    if template.structure is None:
        return
    places = np.argwhere(template.structure[box] == STRUCTURE["genicular vessels"])
    if not len(places):
        return
    kinds = code[tuple(places.T)]
    blood = np.isin(kinds, (CODE["artery"], CODE["vein"]))
    places, kinds = places[blood], kinds[blood]
    _fill_with_surroundings(_grown(places, code.shape), code, water, fat)
    fine = (np.arange(_PARTS) - (_PARTS - 1) / 2) / _PARTS
    within = np.stack(np.meshgrid(fine, fine, fine, indexing="ij"), axis=-1).reshape(-1, 3)
    moved = (places + _winding(places, box) / SPACING_MM)[:, None] + within
    index = np.round(moved).astype(int).reshape(-1, 3)
    inside = np.all((index >= 0) & (index < code.shape), axis=1)
    flat = np.ravel_multi_index(tuple(index[inside].T), code.shape)
    kind = np.repeat(kinds, len(within))[inside]
    at, first, count = np.unique(flat, return_index=True, return_counts=True)
    yields = np.isin(code[np.unravel_index(at, code.shape)], [CODE[name] for name in _SOFT])
    at, kind, share = at[yields], kind[first][yields], np.minimum(count[yields] / len(within), 1)
    for name in ("artery", "vein"):
        own = kind == CODE[name]
        here = np.unravel_index(at[own], code.shape)
        water[here] += share[own] * (_blood(name) - water[here])
        fat[here] -= share[own] * fat[here]
        code[np.unravel_index(at[own & (share >= 0.5)], code.shape)] = CODE[name]


def round_off_trunks(
    template: ImageTemplate, code: np.ndarray, water: np.ndarray, fat: np.ndarray
) -> None:  # fmt: skip
    """Smooth the popliteal vessels of a label map, in place; templates that name their vessels are left alone."""
    from scipy import ndimage

    if template.structure is not None:
        return
    for name in ("artery", "vein"):
        found = np.argwhere(code == CODE[name])
        if not len(found):
            continue
        part = tuple(
            slice(max(int(a) - 5, 0), int(b) + 6) for a, b in zip(found.min(axis=0), found.max(axis=0), strict=True)
        )
        was = code[part] == CODE[name]
        now = ndimage.gaussian_filter(was.astype(np.float32), _SMOOTH_VOXELS) >= _LEAST
        now &= was | np.isin(code[part], [CODE[kind] for kind in _SOFT])
        lost = was & ~now
        code[part][lost], code[part][now] = CODE["fat"], CODE[name]
        density, t2star_ms = PLAIN_WATER["fat"]
        water[part][lost], fat[part][lost] = density * np.exp(-ECHO_TIME_MS / t2star_ms), PLAIN_FAT["fat"]


def _winding(places: np.ndarray, box: tuple[slice, ...]) -> np.ndarray:
    """Smooth random displacement in mm [N, 3] of voxels of the box."""
    from scipy import ndimage

    spans = [(high - low) for low, high in EXTENT_MM.values()]
    nodes = [int(span / _WAVE_MM) + 4 for span in spans]
    field = np.random.default_rng(_SEED).standard_normal((3, *nodes)).clip(-2, 2)
    start = np.array([part.start for part in box])
    at = ((places + start) * SPACING_MM / _WAVE_MM + 1).T
    # a cubic spline through the nodes, which themselves vary by one standard deviation
    return _WINDING_MM * np.stack([ndimage.map_coordinates(axis, at, order=3, mode="nearest") for axis in field], 1)


def _blood(name: str) -> float:
    density, t2star_ms = PLAIN_WATER[name]
    return float(density * np.exp(-ECHO_TIME_MS / t2star_ms))


def _grown(places: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Flat indices of ``places`` [N, 3] and of their neighbours."""
    near = np.stack(np.meshgrid(*[(-1, 0, 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    index = (places[:, None] + near).reshape(-1, 3).clip(0, np.array(shape) - 1)
    return np.unique(np.ravel_multi_index(tuple(index.T), shape))


def _fill_with_surroundings(at: np.ndarray, code: np.ndarray, water: np.ndarray, fat: np.ndarray) -> None:
    """Soft tissue from some voxels away at the flat indices ``at`` that hold vessels or soft tissue, in place."""
    soft = np.zeros(BYTE_VALUES, bool)
    soft[[CODE[name] for name in _SOFT]] = True
    erased = soft.copy()
    erased[[CODE["artery"], CODE["vein"]]] = True
    places = np.stack(np.unravel_index(at, code.shape), axis=1)
    places = places[erased[code[tuple(places.T)]]]
    last = np.array(code.shape) - 1
    found, waiting = places.copy(), np.ones(len(places), bool)
    for far, axis, sign in itertools.product((4, 6, 9), (0, 2, 1), (1, -1)):
        step = np.zeros(3, int)
        step[axis] = sign * far
        there = (places + step).clip(0, last)
        good = waiting & soft[code[tuple(there.T)]]
        good &= ~np.isin(np.ravel_multi_index(tuple(there.T), code.shape), at)
        found[good] = there[good]
        waiting &= ~good
    for values in (code, water, fat):
        values[tuple(places.T)] = values[tuple(found.T)]
