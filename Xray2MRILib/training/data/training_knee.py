"""One knee of a folder of pairs, simulated or real: what the trainings ask of it, whichever it is.

Simulated knees are exposed anew each time. A real knee has one radiograph: its crop is moved, turned and bent together
with the scan, and its tone varied.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ...conditions.person_condition import told_of_simulated
from ...errors import InputError
from ...preparation.joint_crop import normalise_crop
from ...real_pairs.moved_film import film_in_frame, moved_crop
from ...real_pairs.pair_file import is_real_pair, read_real_pair
from ...simulation.pairs.crop_frame import (
    coronal_bend,
    crop_in_frame,
    moved_frame,
    nominal_frame,
    placed_volume,
    varied_frame,
    volume_in_frame,
)
from ...simulation.pairs.knee_pair import KneePair
from ...simulation.pairs.pair_store import pair_files, read_pair, read_record
from ...simulation.radiograph.appearance import expose, exposed_crop
from ...volume.geometry import CROP_FRAME
from .unreadable_radiographs import hide_grade

_CUT_SHARE = 0.3  # of radiographs that end within the crop


class TrainingKnee(Protocol):
    """A knee of a pair.

    Attributes
    ----------
    volume
        float32 [50, 256, 256] in [0, 1] in the scanner's field, posterior slice first, a right knee.
    kl_grade
        None when unknown.
    person
        What is known of ``age``, ``sex``, ``bmi`` and ``r`` (conditions.registry).
    seed
        Of this knee's own random numbers.
    """

    volume: np.ndarray
    kl_grade: int | None
    person: Mapping[str, Any]
    seed: int

    def exposed_crops(self, exposures: int, rng: np.random.Generator) -> np.ndarray:
        """Random views [E, 256, 256] in [-1, 1] of the joint crop, apart from the volume."""

    def in_radiograph_frame(
        self,
        exposures: int,
        rng: np.random.Generator,
        *,
        bend_mm: float | None,
        unreadable_share: float = 0.0,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Volume [50, 256, 256] in [0, 1] and crops [E, 256, 256] in [-1, 1] in one frame.

        ``bend_mm`` is the largest standard deviation of a random bend of both (see crop_frame), drawn with a jittered
        crop; None takes knee and crop as they are. On ``unreadable_share`` of the radiographs the grade cannot be read.
        """

    def in_scan_frame(
        self,
        exposures: int,
        rng: np.random.Generator,
        *,
        bend_mm: float | None,
        unreadable_share: float = 0.0,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The same, but the volume stays where the scanner has it, and is never bent; crops are jittered alike."""


def list_training_pairs(folder: Path) -> list[Path]:
    """All pair files of a folder in order, simulated or real. Raises InputError when there are none."""
    paths = pair_files(folder)
    if not paths:
        parts = [part for part in ("training", "validation") if pair_files(Path(folder) / part)]
        hint = f"Give its folder {parts[0]}." if parts else "Make some with xray2mri simulate or xray2mri prepare."
        raise InputError(f"The folder {Path(folder).name} holds no pairs.", code="no-pairs", hint=hint)
    return paths


def open_knee(path: Path, *, volume: bool = True, radiograph: bool = True) -> TrainingKnee:
    """The knee of a pair file; unwanted parts come back empty. Raises InputError for a file of another kind."""
    if is_real_pair(path):
        return ScannedKnee(path, volume=volume, radiograph=radiograph)
    return SimulatedKnee(path, volume=volume, radiograph=radiograph)


def knee_seed(path: Path) -> int:
    """The seed of a pair's knee, which pairs of one knee at several grades share."""
    return open_knee(path, volume=False, radiograph=False).seed


class SimulatedKnee:
    """A knee of ``xray2mri simulate``."""

    def __init__(self, path: Path, *, volume: bool = True, radiograph: bool = True) -> None:
        self.pair = read_pair(path, volume=volume, radiograph=radiograph)
        self.volume = self.pair.volume
        self.kl_grade: int | None = self.pair.parameters.kl_grade
        self.person: Mapping[str, Any] = told_of_simulated(read_record(path).get("person"))
        self.seed = self.pair.parameters.seed

    def exposed_crops(self, exposures: int, rng: np.random.Generator) -> np.ndarray:
        """See TrainingKnee."""
        pair = self.pair
        return np.stack(
            [normalise_crop(exposed_crop(pair.bone, pair.soft, pair.parameters, rng)) for _ in range(exposures)]
        )

    def in_radiograph_frame(
        self,
        exposures: int,
        rng: np.random.Generator,
        *,
        bend_mm: float | None,
        unreadable_share: float = 0.0,
    ) -> tuple[np.ndarray, np.ndarray]:
        """See TrainingKnee."""
        return pair_in_radiograph_frame(self.pair, exposures, rng, bend_mm=bend_mm, unreadable_share=unreadable_share)

    def in_scan_frame(
        self,
        exposures: int,
        rng: np.random.Generator,
        *,
        bend_mm: float | None,
        unreadable_share: float = 0.0,
    ) -> tuple[np.ndarray, np.ndarray]:
        """See TrainingKnee."""
        pair = self.pair
        frame = nominal_frame(pair) if bend_mm is None else varied_frame(pair, rng)
        exposed = [crop_in_frame(expose(pair.bone, pair.soft, rng), frame) for _ in range(exposures)]
        return pair.volume, np.stack([normalise_crop(_hidden(crop, rng, unreadable_share)) for crop in exposed])


class ScannedKnee:
    """A knee of ``xray2mri prepare``."""

    def __init__(self, path: Path, *, volume: bool = True, radiograph: bool = True) -> None:
        self.pair = read_real_pair(path, volume=volume, film=radiograph)
        self.volume = self.pair.volume
        self.kl_grade = self.pair.kl_grade
        self.person: Mapping[str, Any] = self.pair.record["person"]
        self.seed = int.from_bytes(hashlib.sha256(path.stem.encode()).digest()[:4], "big")
        self._name = path.name

    def exposed_crops(self, exposures: int, rng: np.random.Generator) -> np.ndarray:
        """See TrainingKnee."""
        return np.stack([_toned(moved_crop(self.pair, rng), rng) for _ in range(exposures)])

    def in_radiograph_frame(
        self,
        exposures: int,
        rng: np.random.Generator,
        *,
        bend_mm: float | None,
        unreadable_share: float = 0.0,
    ) -> tuple[np.ndarray, np.ndarray]:
        """See TrainingKnee. Raises InputError for a pair that was prepared in the frame of the scan."""
        placement = self.pair.placement
        if placement is None:
            raise InputError(
                f"The pair {self._name} is in its scan's frame, and this model places the radiograph in the field.",
                code="other-frame",
                hint="Prepare the cohort in the frame of the radiograph, or train a model without field placement.",
            )
        if bend_mm is None:
            return placed_volume(self.volume, placement.frame()), self._as_it_is(exposures, rng, unreadable_share)
        frame = moved_frame(placement.frame(), rng)
        bend = coronal_bend(rng, bend_mm * float(rng.random()))
        film = film_in_frame(self.pair, placement.similarity, frame, bend)
        crops = [_toned(_hidden(_cut(film, rng), rng, unreadable_share), rng) for _ in range(exposures)]
        return placed_volume(self.volume, frame, bend), np.stack(crops)

    def in_scan_frame(
        self,
        exposures: int,
        rng: np.random.Generator,
        *,
        bend_mm: float | None,
        unreadable_share: float = 0.0,
    ) -> tuple[np.ndarray, np.ndarray]:
        """See TrainingKnee."""
        if bend_mm is None:
            return self.volume, self._as_it_is(exposures, rng, unreadable_share)
        crops = self.exposed_crops(exposures, rng)
        return self.volume, np.stack([_hidden(crop, rng, unreadable_share) for crop in crops])

    def _as_it_is(self, exposures: int, rng: np.random.Generator, unreadable_share: float) -> np.ndarray:
        crop = self.pair.crop()
        return np.stack([_hidden(crop, rng, unreadable_share) for _ in range(exposures)])


def pair_in_radiograph_frame(
    pair: KneePair, exposures: int, rng: np.random.Generator, *, bend_mm: float | None, unreadable_share: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Volume and exposures of a simulated pair in one frame, see ``TrainingKnee.in_radiograph_frame``."""
    if bend_mm is None:
        frame, bend = nominal_frame(pair), None
    else:
        frame, bend = varied_frame(pair, rng), coronal_bend(rng, bend_mm * float(rng.random()))
    crops = []
    for _ in range(exposures):
        crop = crop_in_frame(expose(pair.bone, pair.soft, rng), frame, bend)
        if bend_mm is not None:
            crop = _cut(crop, rng)
        crops.append(normalise_crop(_hidden(crop, rng, unreadable_share)).reshape(CROP_FRAME.shape[1:]))
    return volume_in_frame(pair, frame, bend), np.stack(crops)


def _cut(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Now and then a radiograph that ends within the crop: its edge rows are repeated."""
    if rng.random() >= _CUT_SHARE:
        return crop
    half = len(crop) / 2
    return crop[np.clip(np.arange(len(crop)), *(half + half * rng.uniform(0.6, 0.98, 2) * (-1, 1))).astype(int)]


def _hidden(crop: np.ndarray, rng: np.random.Generator, share: float) -> np.ndarray:
    """The crop, on ``share`` of the radiographs with its joint unreadable."""
    return hide_grade(crop, rng) if share and rng.random() < share else crop


def _toned(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A crop in any unit, prepared, with another tone curve: float32 in [-1, 1]."""
    prepared = normalise_crop(crop)
    return (2 * ((prepared + 1) / 2) ** rng.uniform(0.75, 1.35) - 1).astype(np.float32)
