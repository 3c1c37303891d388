"""The pictures that the view check learns from and is measured on, each with its kind, as 128 x 128 bytes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from ...errors import InputError
from ...preparation.joint_crop import normalise_crop
from ...simulation.pairs.template_library import MULTI_ECHO, TemplateChoice, TemplateLibrary
from ..recipes.view_check import ViewCheckRecipe
from . import negative_examples as drawn
from .anatomy_views import AnatomyViews
from .graded_radiographs import (
    GradedRadiographs,
    data_folder,
    load_graded_radiographs,
    load_localised_radiographs,
    to_bytes,
)

SIDE = 128
FRONTAL_AZIMUTH_DEG, FRONTAL_TILT_DEG = 15.0, 8.0
LATERAL_AZIMUTH_DEG = (50.0, 130.0)
_MR_SLICES_FOR_TRAINING = 2 / 3


@dataclass
class ViewTrainingData:
    """Labelled pictures.

    Attributes
    ----------
    images
        uint8 [N, 128, 128] in radiograph orientation; 0 and 255 stand for -1 and +1.
    frontal
        bool [N], True for a frontal knee.
    left
        float32 [N]: 1 left, 0 right, NaN unknown or not a knee.
    kinds
        One name per picture.
    """

    images: torch.Tensor
    frontal: torch.Tensor
    left: torch.Tensor
    kinds: list[str]

    def by_kind(self) -> dict[str, torch.Tensor]:
        """Indices of the pictures of each kind, in order of appearance."""
        indices: dict[str, list[int]] = {}
        for index, kind in enumerate(self.kinds):
            indices.setdefault(kind, []).append(index)
        return {kind: torch.tensor(of_kind) for kind, of_kind in indices.items()}


class _Collector:
    def __init__(self) -> None:
        self.images: list[torch.Tensor] = []
        self.frontal: list[bool] = []
        self.left: list[float] = []
        self.kinds: list[str] = []

    def add(self, kind: str, images: torch.Tensor, frontal: bool, left: list[float] | None = None) -> None:
        """uint8 [N, 256, 256] of one kind, averaged down."""
        small = functional.avg_pool2d(images[:, None].float(), images.shape[-1] // SIDE)[:, 0]
        self.images.append(small.round().to(torch.uint8))
        self.frontal += [frontal] * len(images)
        self.left += left or [float("nan")] * len(images)
        self.kinds += [kind] * len(images)

    def draw(self, kind: str, count: int, drawing: Callable[[], np.ndarray], *, frontal: bool = False) -> None:
        """``count`` pictures of a drawing, normalised like every crop."""
        if count > 0:
            radiographs: list[np.ndarray] = []
            while len(radiographs) < count:
                with contextlib.suppress(InputError):  # preparation refuses a crop with a single grey level
                    radiographs.append(to_bytes(normalise_crop(np.ascontiguousarray(drawing(), dtype=np.float32))))
            self.add(kind, torch.from_numpy(np.stack(radiographs)), frontal, [0.0] * count if frontal else None)

    def bank(self) -> ViewTrainingData:
        return ViewTrainingData(
            torch.cat(self.images), torch.tensor(self.frontal), torch.tensor(self.left, dtype=torch.float32), self.kinds
        )


def training_bank(recipe: ViewCheckRecipe) -> ViewTrainingData:
    """Pictures for training: real frontal knees of the split train, a part of the whole radiographs, projections of one
    label map, counter-examples.

    Held-out kinds (see ``negative_examples``) are absent.
    """
    rng, count = np.random.default_rng(recipe.seed), recipe.pictures_per_kind
    collector = _Collector()
    radiographs = load_graded_radiographs(data_folder(recipe.data), "train", right_knee_space=False, limit=recipe.limit)
    collector.add("frontal knee, OAI", radiographs.images, True, radiographs.left.float().tolist())
    _add_whole_radiographs(collector, recipe, "first", "")
    _add_counter_examples(collector, radiographs, count, rng)
    for kind, drawing in drawn.DRAWN.items():
        collector.draw(kind, count, partial(drawing, rng))
    collector.draw("photograph", 2 * count, lambda: drawn.photograph(drawn.PHOTOGRAPHS, rng))
    _add_views(collector, "first label map", "spl_knee_atlas", count, rng)
    slices = _mr_slices(recipe.mr_slices)
    slices = slices[: round(len(slices) * _MR_SLICES_FOR_TRAINING)]
    if slices:
        collector.draw("sagittal MR slice", count, lambda: drawn.square_part(slices[rng.integers(len(slices))], rng))
    return collector.bank()


def measuring_bank(recipe: ViewCheckRecipe) -> ViewTrainingData:
    """Pictures for measuring: real knees never trained on, new draws of every kind, and the held-out kinds."""
    rng, count = np.random.default_rng(recipe.seed + 1), recipe.pictures_measured
    collector = _Collector()
    for split in ("val", "test"):
        radiographs = load_graded_radiographs(
            data_folder(recipe.data), split, right_knee_space=False, limit=recipe.limit
        )
        collector.add(f"frontal knee, OAI {split}", radiographs.images, True, radiographs.left.float().tolist())
    _add_counter_examples(collector, radiographs, count, rng)
    for kind, drawing in drawn.DRAWN.items():
        collector.draw(kind, count, partial(drawing, rng))
    collector.draw("photograph", count, lambda: drawn.photograph(drawn.PHOTOGRAPHS, rng))
    for kind, drawing in drawn.HELD_OUT_DRAWN.items():
        collector.draw(f"{kind} (held out)", count, partial(drawing, rng))
    collector.draw("photograph (held out)", count, lambda: drawn.photograph(drawn.HELD_OUT_PHOTOGRAPHS, rng))
    _add_views(collector, "first label map", "spl_knee_atlas", count, rng)
    _add_views(collector, "second label map (held out)", "dess_knee", count, rng)
    slices = _mr_slices(recipe.mr_slices)
    slices = slices[round(len(slices) * _MR_SLICES_FOR_TRAINING) :]
    if slices:
        kind = "sagittal MR slice (held-out slices)"
        collector.draw(kind, count, lambda: drawn.square_part(slices[rng.integers(len(slices))], rng))
    _add_whole_radiographs(collector, recipe, "second", " (held-out part)")
    return collector.bank()


def _add_whole_radiographs(collector: _Collector, recipe: ViewCheckRecipe, part: str, remark: str) -> None:
    """Knees that the shipped detector finds on whole radiographs; sides are known on radiographs of both knees only."""
    if not recipe.whole_radiographs:
        return
    radiographs, _ = load_localised_radiographs(Path(recipe.whole_radiographs), recipe.limit, part)
    single = radiographs.grades >= 0
    for kind, chosen in (("single", single), ("bilateral", ~single)):
        if chosen.any():
            sides = radiographs.left[chosen].float().tolist() if kind == "bilateral" else None
            collector.add(f"frontal knee, {kind} whole radiograph{remark}", radiographs.images[chosen], True, sides)


def _add_counter_examples(
    collector: _Collector, radiographs: GradedRadiographs, count: int, rng: np.random.Generator
) -> None:
    """Kinds made from real knee crops."""
    crops = radiographs.images.numpy()

    def any_crop(left: bool | None = None) -> np.ndarray:
        pool = np.arange(len(crops)) if left is None else np.flatnonzero(radiographs.left.numpy() == left)
        return crops[rng.choice(pool)].astype(np.float32)

    collector.draw("knee turned by 90 or 180 degrees", 2 * count, lambda: drawn.turned_knee(any_crop(), rng))
    collector.draw("knee with its parts rearranged", 2 * count, lambda: drawn.rearranged_knee(any_crop(), rng))
    collector.draw("box beside the joint or on a shaft", 2 * count, lambda: drawn.missed_knee(any_crop(), rng))
    if radiographs.left.any() and not radiographs.left.all():
        collector.draw("two knees in one box", count, lambda: drawn.two_knees(any_crop(True), any_crop(False), rng))


def _add_views(collector: _Collector, name: str, outline: str, count: int, rng: np.random.Generator) -> None:
    """Frontal, lateral and axial projections of a knee that ships (a right knee)."""
    if count <= 0:
        return
    views = AnatomyViews(TemplateLibrary().template(TemplateChoice(outline, MULTI_ECHO)).anatomy)

    def frontal() -> np.ndarray:
        azimuth = rng.uniform(-FRONTAL_AZIMUTH_DEG, FRONTAL_AZIMUTH_DEG)
        return views.radiograph(azimuth, rng.uniform(-FRONTAL_TILT_DEG, FRONTAL_TILT_DEG), rng)

    def lateral() -> np.ndarray:
        azimuth = rng.uniform(*LATERAL_AZIMUTH_DEG) * rng.choice([-1, 1])
        return views.radiograph(azimuth, rng.uniform(-10, 10), rng)

    collector.draw(f"frontal projection, {name}", count, frontal, frontal=True)
    collector.draw(f"lateral projection, {name}", count, lateral)
    collector.draw(
        f"axial projection, {name}",
        count // 2,
        lambda: views.radiograph(rng.uniform(0, 360), rng.uniform(70, 110), rng),
    )


def _mr_slices(folder: str | None) -> list[np.ndarray]:
    """Slices of one DICOM series in a folder, by instance; none without a folder."""
    if not folder:
        return []
    import pydicom

    files = [pydicom.dcmread(path) for path in sorted(Path(folder).glob("*.dcm"))]
    files.sort(key=lambda file: int(file.InstanceNumber))
    return [file.pixel_array.astype(np.float64) for file in files]
