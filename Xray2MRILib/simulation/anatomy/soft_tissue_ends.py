"""Soft tissue beyond a map's ends along the leg: another knee's, reached by signed distances over some millimetres."""

from __future__ import annotations

import numpy as np

from .signed_distance import nearest_structure, signed_distance
from .template_extension import extend_codes
from .tissue_classes import SPACING_MM

TRANSITION_MM = 28.0
_CLIP_MM = 15.0
_SMOOTH_ROWS = 1.6  # a carried tissue is ragged from section to section


def shares_beyond(rows: tuple[int, int], count: int) -> np.ndarray:
    """Share of the other knee in each of ``count`` sections: 0 between ``rows``, 1 from ``TRANSITION_MM`` beyond."""
    index = np.arange(count)
    beyond = np.maximum(rows[0] - index, index - rows[1]) * SPACING_MM / TRANSITION_MM
    share = np.clip(beyond, 0, 1).astype(np.float32)
    return share * share * (3 - 2 * share)


def continue_with(code: np.ndarray, other: np.ndarray, rows: tuple[int, int]) -> np.ndarray:
    """Codes [Y, Z, X] of ``code`` between ``rows`` (first and last), of ``other`` beyond, with a transition.

    In the transition the signed distance of each tissue goes over from its continuation to that in ``other``.
    """
    share = shares_beyond(rows, code.shape[1])
    changing = np.flatnonzero((share > 0) & (share < 1))
    before, after = int((changing < rows[0]).sum()), int((changing > rows[1]).sum())
    wide = extend_codes(code[:, rows[0] : rows[1] + 1], 1, before, after, (SPACING_MM,) * 3)
    first = rows[0] - before
    result = other.copy()
    result[:, first : first + wide.shape[1]] = wide
    for rows_there in (changing[changing < rows[0]], changing[changing > rows[1]]):
        if not len(rows_there):
            continue
        part = slice(int(rows_there[0]), int(rows_there[-1]) + 1)
        own, theirs = result[:, part], other[:, part]
        weight = share[part][None, :, None]
        distances = {
            int(v): (1 - weight) * _smooth_distances(own == v) + weight * _smooth_distances(theirs == v)
            for v in np.union1d(np.unique(own), np.unique(theirs))
        }
        result[:, part] = nearest_structure(distances, np.inf)
    return result


def _smooth_distances(mask: np.ndarray) -> np.ndarray:
    """Signed distances of every axial section of ``mask`` [Y, Z, X] in mm, smoothed along the leg."""
    from scipy import ndimage

    planes = np.stack([_distance(mask[:, row]) for row in range(mask.shape[1])], axis=1)
    return ndimage.gaussian_filter1d(planes, _SMOOTH_ROWS, axis=1, mode="nearest")


def _distance(mask: np.ndarray) -> np.ndarray:
    return np.clip(signed_distance(mask, SPACING_MM), -_CLIP_MM, _CLIP_MM)


def blended(own: np.ndarray, other: np.ndarray, rows: tuple[int, int]) -> np.ndarray:
    """Values [Y, Z, X] that go over from ``own`` to ``other`` beyond ``rows``, float32."""
    share = shares_beyond(rows, own.shape[1])[None, :, None]
    return (own + share * (other.astype(np.float32) - own)).astype(np.float32)
