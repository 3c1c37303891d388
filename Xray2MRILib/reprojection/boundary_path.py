"""The best path through a map of edge strength: one position per line, at most one step between neighbouring lines."""

from __future__ import annotations

import numpy as np

_LEAST = 0.02  # all lower strengths have the same cost
_PER_STEP = 0.05  # cost per step, which favours straight paths where there is no edge


def best_path(strength: np.ndarray) -> np.ndarray:
    """The path of least total cost through ``strength`` [N, M] in [0, 1]: its position in each line, [N] float.

    The cost is the negative logarithm of the strength, so that the path crosses a short gap in a straight line. A
    parabola through the neighbouring strengths refines the positions to fractions of a step.
    """
    from skimage.graph import MCP_Geometric

    costs = _PER_STEP - np.log(np.clip(strength, _LEAST, 1.0))
    search = MCP_Geometric(costs, offsets=[(1, -1), (1, 0), (1, 1)])
    total, _ = search.find_costs([(0, place) for place in range(costs.shape[1])])
    path = np.array(search.traceback((len(costs) - 1, int(total[-1].argmin()))))[:, 1]
    return path + _refinement(strength, path)


def strength_along(strength: np.ndarray, path: np.ndarray) -> np.ndarray:
    """[N]: the strength [N, M] at the position nearest to the path [N] in each line."""
    places = np.clip(np.round(path).astype(int), 0, strength.shape[1] - 1)
    return strength[np.arange(len(path)), places]


def _refinement(strength: np.ndarray, path: np.ndarray) -> np.ndarray:
    lines = np.arange(len(path))
    middle = np.clip(path, 1, strength.shape[1] - 2)
    before, at, after = (strength[lines, middle + step] for step in (-1, 0, 1))
    bend = before - 2 * at + after
    with np.errstate(divide="ignore", invalid="ignore"):
        offset = np.where(bend < -1e-9, (before - after) / (2 * bend), 0.0)
    return np.where(middle == path, np.clip(offset, -0.5, 0.5), 0.0)
