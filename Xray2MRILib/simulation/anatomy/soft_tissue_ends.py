"""Soft tissue beyond a map's ends along the leg: another knee's, reached by signed distances over some millimetres."""

from __future__ import annotations

import numpy as np

from .signed_distance import nearest_structure, signed_distance
from .template_extension import extend_codes
from .tissue_classes import SPACING_MM

TRANSITION_MM = 28.0
_CLIP_MM = 15.0


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
    for row in changing:
        own, theirs = result[:, row], other[:, row]
        values = np.union1d(np.unique(own), np.unique(theirs))
        distances = {
            int(v): (1 - share[row]) * _distance(own == v) + share[row] * _distance(theirs == v) for v in values
        }
        result[:, row] = nearest_structure(distances, np.inf)
    return result


def _distance(mask: np.ndarray) -> np.ndarray:
    return np.clip(signed_distance(mask, SPACING_MM), -_CLIP_MM, _CLIP_MM)


def blended(own: np.ndarray, other: np.ndarray, rows: tuple[int, int]) -> np.ndarray:
    """Values [Y, Z, X] that go over from ``own`` to ``other`` beyond ``rows``, float32."""
    share = shares_beyond(rows, own.shape[1])[None, :, None]
    return (own + share * (other.astype(np.float32) - own)).astype(np.float32)
