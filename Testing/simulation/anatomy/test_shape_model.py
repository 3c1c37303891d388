"""The shape model: scores come back, similarities are taken out, and its mean finds a bone again."""

from __future__ import annotations

import numpy as np
import pytest

from Xray2MRILib.simulation.anatomy.pose import rotation
from Xray2MRILib.simulation.anatomy.shape_model import ShapeModel, load_shape_model, without_similarity
from Xray2MRILib.simulation.anatomy.shape_variation import similarity_to_surface


@pytest.fixture(scope="module")
def model() -> ShapeModel:
    return load_shape_model()


def test_projected_scores_return_within_a_hundredth(model: ShapeModel) -> None:
    scores = np.random.default_rng(0).normal(size=model.count)
    assert model.project(model.shape(scores)) == pytest.approx(scores, abs=0.01)


def test_means_have_the_measured_sizes(model: ShapeModel) -> None:
    """Femur over the epicondyles 84.6 mm, tibia 75.7 mm, patella 39.2 mm wide (26 people), medial-lateral."""
    for bone, width in (("femur", 84.6), ("tibia", 75.7), ("patella", 39.2)):
        assert np.ptp(model.means_mm[bone][:, 2]) == pytest.approx(width, rel=0.03)
    # the shaft of the femur lies above its condyles, that of the tibia below its plateau
    femur, tibia = model.means_mm["femur"], model.means_mm["tibia"]
    assert np.ptp(femur[femur[:, 1] < np.percentile(femur[:, 1], 10), 2]) < 50
    assert np.ptp(tibia[tibia[:, 1] > np.percentile(tibia[:, 1], 90), 2]) < 50


def test_a_similarity_is_taken_out_whole(model: ShapeModel) -> None:
    points = model.means_mm["tibia"]
    turn = rotation((0.2, -0.3, 0.1))
    moved = 1.004 * (points - points.mean(axis=0)) @ turn.T + points.mean(axis=0) + (1.0, -2.0, 0.5)
    assert np.abs(without_similarity(points, moved - points)).max() < 0.02
    shape = model.modes_mm["tibia"][3]
    kept = without_similarity(points, shape)
    assert without_similarity(points, kept) == pytest.approx(kept, abs=1e-6)
    assert 0.2 < np.sqrt((kept**2).mean()) <= np.sqrt((shape**2).mean())


def test_a_bone_is_found_again_after_a_similarity(model: ShapeModel) -> None:
    points = model.means_mm["femur"]
    turn, shift = rotation((4.0, -3.0, 5.0)), np.array((3.0, -20.0, 2.0))
    centred = points - points.mean(axis=0)
    surface = 0.93 * centred @ turn.T + shift
    scale, found, moved = similarity_to_surface(points, surface)
    placed = scale * points @ found.T + moved
    assert scale == pytest.approx(0.93, rel=0.01)
    assert np.sqrt(((placed - surface) ** 2).sum(axis=1).mean()) < 0.5
