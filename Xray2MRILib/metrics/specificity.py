"""Is a generated volume closer to the scan of its own knee than to scans of other patients?

A plausible knee scores well against any knee. Every generated volume of N pairs is therefore compared with every
reference. Only the advantage of its own reference over the others comes from the radiograph.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Specificity:
    """Result over N pairs.

    ``rank_1`` is the share of generated volumes with their own reference as the closest of all N (chance: 1 / N).
    ``auc`` is the probability that the own reference is closer than another one (chance: 0.5), and ``auc_interval`` is
    its 95 % bootstrap interval over knees. Ties are split evenly.
    """

    pairs: int
    rank_1: float
    auc: float
    auc_interval: tuple[float, float]


def specificity(scores: np.ndarray, *, higher_is_closer: bool, resamples: int = 1000, seed: int = 0) -> Specificity:
    """Specificity from [N, N] scores: row i is generated volume i, column j reference j, the diagonal the true pairs.

    Raises ValueError unless the scores are a square of at least 2 x 2 finite numbers.
    """
    scores = np.asarray(scores, np.float64)
    if scores.ndim != 2 or scores.shape[0] != scores.shape[1] or len(scores) < 2 or not np.isfinite(scores).all():
        raise ValueError(f"Scores must be a square of at least 2 x 2 finite numbers, not {scores.shape}.")
    closeness = scores if higher_is_closer else -scores
    own = np.diagonal(closeness)[:, None]
    count = len(scores)
    best = closeness.max(axis=1, keepdims=True)
    rank_1 = np.where(own[:, 0] == best[:, 0], 1.0 / (closeness == best).sum(axis=1), 0.0)
    wins = (own > closeness) + 0.5 * (own == closeness)
    per_knee = (wins.sum(axis=1) - 0.5) / (count - 1)  # the own pair ties with itself
    drawn = np.random.default_rng(seed).integers(0, count, (resamples, count))
    low, high = np.percentile(per_knee[drawn].mean(axis=1), (2.5, 97.5))
    return Specificity(count, float(rank_1.mean()), float(per_knee.mean()), (float(low), float(high)))
