"""Pictures for the radiograph check: drawings, projections against chord lengths, composition of a batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from Xray2MRILib.simulation.anatomy.anatomy_template import TISSUE_ID, AnatomyTemplate, template_axes
from Xray2MRILib.training.data.anatomy_views import AnatomyViews
from Xray2MRILib.training.data.augmentation import Augmentation
from Xray2MRILib.training.data.negative_examples import (
    DRAWN,
    HELD_OUT_DRAWN,
    HELD_OUT_PHOTOGRAPHS,
    PHOTOGRAPHS,
    missed_knee,
    photograph,
    rearranged_knee,
    turned_knee,
    two_knees,
)
from Xray2MRILib.training.data.view_training_data import ViewTrainingData
from Xray2MRILib.training.view_check import draw_batch


@pytest.mark.parametrize("kind", [*DRAWN, *HELD_OUT_DRAWN])
def test_drawings_are_finite_and_differ(kind: str) -> None:
    drawing = (DRAWN | HELD_OUT_DRAWN)[kind]
    first, second, again = (drawing(np.random.default_rng(seed)) for seed in (0, 1, 0))
    assert np.isfinite(first).all()
    assert first.std() > 0
    assert min(first.shape) >= 64
    assert np.array_equal(first, again)
    assert first.shape != second.shape or not np.array_equal(first, second)


def test_held_out_kinds_are_apart_from_training() -> None:
    assert not set(DRAWN) & set(HELD_OUT_DRAWN)
    assert not set(PHOTOGRAPHS) & set(HELD_OUT_PHOTOGRAPHS)
    for name in (*PHOTOGRAPHS, *HELD_OUT_PHOTOGRAPHS):  # all come inside scikit-image, none is downloaded
        assert photograph((name,), np.random.default_rng(0)).ndim == 2


def test_changed_knees_are_never_the_knee_itself() -> None:
    crop = np.random.default_rng(0).random((96, 96))
    for seed in range(30):
        rng = np.random.default_rng(seed)
        for change in (turned_knee, rearranged_knee, missed_knee):
            changed = change(crop, rng)
            assert changed.shape != crop.shape or np.abs(changed - crop).mean() > 0.05
    assert two_knees(crop, crop, np.random.default_rng(0)).shape[1] > 2 * 96


def test_projection_of_a_sphere_is_its_chord() -> None:
    """A ball of soft tissue of radius 40 mm in air: integral 2 sqrt(r^2 - d^2) from every side."""
    y, z, x = np.meshgrid(*template_axes(), indexing="ij", sparse=True)
    distance = np.sqrt(x**2 + y**2 + z**2)
    tissue = np.where(distance < 40, TISSUE_ID["muscle"], 0).astype(np.uint8)
    outside = np.where(distance < 40, 0, 100).astype(np.float16)
    empty = np.zeros((1, 1), np.float32)
    template = AnatomyTemplate(
        "ball", tissue, np.zeros(tissue.shape, np.float16), outside, empty, empty, (-40.0, 40.0), {}, {}
    )
    views = AnatomyViews(template)
    assert views.box_mm == pytest.approx(80 / 0.82)
    for azimuth, tilt in ((0, 0), (90, 0), (37, 20), (0, 90)):
        picture = views.project(azimuth, tilt, field_mm=100, pixels=51)
        assert picture[25, 25] == pytest.approx(80, abs=4)
        assert picture[25, 37] == pytest.approx(2 * np.sqrt(40**2 - 24**2), abs=4)
        assert picture[2, 25] < 2


def test_lateral_side_of_a_right_knee_lies_at_image_left() -> None:
    y, z, x = np.meshgrid(*template_axes(), indexing="ij", sparse=True)
    lateral = (x + 30) ** 2 + y**2 + z**2 < 100  # x < 0 is lateral in the template
    empty = np.zeros((1, 1), np.float32)
    template = AnatomyTemplate(
        "fibula", np.where(lateral, TISSUE_ID["muscle"], 0).astype(np.uint8), np.zeros(lateral.shape, np.float16),
        np.where(lateral, 0, 100).astype(np.float16), empty, empty, (-40.0, 40.0), {}, {},
    )  # fmt: skip
    picture = AnatomyViews(template).project(0, 0, field_mm=100, pixels=40)
    assert picture[:, :20].sum() > 100 * picture[:, 20:].sum()


def test_batches_hold_half_frontal_knees_and_flip_their_labels() -> None:
    images = torch.zeros(30, 128, 128, dtype=torch.uint8)
    images[:, :, :64] = 200  # bright at image left
    frontal = torch.arange(30) < 10
    left = torch.where(frontal, 0.0, float("nan"))
    bank = ViewTrainingData(images, frontal, left, ["knee"] * 10 + ["chest"] * 15 + ["noise"] * 5)
    still = Augmentation(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    first, second = (
        draw_batch(bank, still, 128, torch.Generator().manual_seed(8), batch_size=64, second_share=0.2)
        for _ in range(2)
    )
    pictures, is_frontal, side = first
    assert is_frontal.sum() == 32
    assert torch.equal(side.isnan(), is_frontal == 0)
    bright_left = pictures[:, 0, :, :50].mean(dim=(1, 2)) > 0
    knees = is_frontal == 1
    assert torch.equal(bright_left[knees], side[knees] == 0)
    assert torch.equal(pictures, second[0])
