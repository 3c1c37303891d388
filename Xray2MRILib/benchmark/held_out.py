"""Held-out simulated knees, the same for all methods: radiograph, and volume in the frame of the radiograph."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..conditions.koa_probabilities import KoaProbabilities
from ..simulation.pairs.pair_store import list_pairs, read_pair
from ..training.data.training_knee import pair_in_radiograph_frame
from ..volume.geometry import OAI_FIELD

SLICE_COUNTS = (OAI_FIELD.num_slices, 8)  # 8 is every seventh of the 50 slices: a reduced run at a sixth of the cost


@dataclass(frozen=True)
class HeldOutKnee:
    """One knee.

    Attributes
    ----------
    name
        Stem of its file.
    grade
        Its Kellgren-Lawrence grade, 0 to 4.
    crop
        Radiograph [1, 256, 256] float32 in [-1, 1], right-knee space.
    volume
        Its MR volume [50, 256, 256] float32 in [0, 1], posterior slice first.
    """

    name: str
    grade: int
    crop: np.ndarray
    volume: np.ndarray

    def probabilities(self, grades: str) -> KoaProbabilities:
        """p from ``truth`` (the simulated grade, smeared) or from the shipped ``classifier``."""
        if grades == "truth":
            return KoaProbabilities.reader(self.grade, smear=0.1)
        from ..conditions.koa_classifier import classify_koa

        return classify_koa(self.crop)


def select_files(folder: Path, count: int | None) -> list[Path]:
    """The first ``count`` pair files, or all for None. Raises InputError for a folder without pairs."""
    return list_pairs(folder)[:count]


def load_held_out_knee(path: Path) -> HeldOutKnee:
    """Load one knee with one exposure of its radiograph, which is the same on every machine."""
    pair = read_pair(path)
    rng = np.random.default_rng([20260101, pair.parameters.seed])
    volume, crops = pair_in_radiograph_frame(pair, 1, rng, bend_mm=None)
    return HeldOutKnee(path.stem, pair.parameters.kl_grade, crops[:1].astype(np.float32), volume.astype(np.float32))


def select_depths(slices: int) -> np.ndarray:
    """Indices of ``slices`` evenly spaced slices among the 50 (see SLICE_COUNTS)."""
    return np.arange(0, OAI_FIELD.num_slices, (OAI_FIELD.num_slices - 1) // (slices - 1))


@lru_cache(maxsize=1)
def training_mean(folder: Path, count: int = 200) -> np.ndarray:
    """Mean volume [50, 256, 256] of the first training knees in the frame of their radiographs; do not modify it."""
    from ..simulation.pairs.crop_frame import nominal_frame, volume_in_frame

    total, files = np.zeros(OAI_FIELD.shape), select_files(folder, count)
    for path in files:
        pair = read_pair(path, radiograph=False)
        total += volume_in_frame(pair, nominal_frame(pair))
    return (total / len(files)).astype(np.float32)
