"""Drawn knees whose outlines are known, moved and bent by known amounts."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from drawn_knee import GAP_MM, JOINT_Z_MM, radiograph, volume

from Xray2MRILib.reprojection.bone_projection import volume_outline
from Xray2MRILib.reprojection.boundary_path import best_path
from Xray2MRILib.reprojection.consistency import compare_outlines, reprojection_consistency
from Xray2MRILib.reprojection.frame_grid import axis_mm, radiograph_on_grid, volume_on_grid
from Xray2MRILib.reprojection.joint_space import trough_depth
from Xray2MRILib.reprojection.knee_outline import JOINT_LINE, SIDES, KneeOutline
from Xray2MRILib.reprojection.outline_distance import curve_distances
from Xray2MRILib.reprojection.radiograph_outline import radiograph_outline
from Xray2MRILib.reprojection.record import CAUTION, reprojection_record, summarise_agreement
from Xray2MRILib.reprojection.reference_outlines import reference_outlines
from Xray2MRILib.reprojection.registration_frame import find_mismatch
from Xray2MRILib.reprojection.similarity import Similarity, fit_similarity


@pytest.fixture(scope="module")
def on_radiograph() -> KneeOutline:
    return radiograph_outline(radiograph())


@pytest.fixture(scope="module")
def in_volume() -> KneeOutline:
    return volume_outline(volume())


def test_radiograph_and_slices_come_to_one_place_of_the_grid():
    """A column of the crop and the column of the field that crop_frame puts there."""
    crop, field = np.zeros((256, 256), np.float32), np.zeros((8, 256, 256), np.float32)
    crop[:, 200:210] = 1  # x = (205 / 256 - 0.5) * 91 = 27.37 mm
    field[:, :, 169:175] = 1  # x = (172 - 128) * 0.625 = 27.5 mm
    for picture in (radiograph_on_grid(crop), volume_on_grid(field)[3]):
        assert (picture.sum(axis=0) * axis_mm()).sum() / picture.sum() == pytest.approx(27.4, abs=0.15)
    field[:] = 0
    field[:, 150:154] = 1  # z = (152 - 141) * 0.625
    picture = volume_on_grid(field)[0]
    assert (picture.sum(axis=1) * axis_mm()).sum() / picture.sum() == pytest.approx(6.875, abs=0.05)


def test_a_path_follows_a_slanting_ridge_and_bridges_a_gap():
    lines = np.arange(40)
    ridge = 10 + 0.4 * lines
    strength = np.exp(-0.5 * ((np.arange(40)[None] - ridge[:, None]) / 1.2) ** 2)
    strength[18:22] = 0
    assert np.abs(best_path(strength) - ridge)[[*range(15), *range(25, 40)]].max() < 0.25


def test_depth_of_a_trough_by_hand():
    column = np.full((60, 1), 2.0)
    column[28:33] = 0.5
    depth = trough_depth(column)[:, 0]
    assert depth[30] == pytest.approx(1.5)
    assert depth[5] == 0


@pytest.mark.parametrize("outline", ["on_radiograph", "in_volume"])
def test_outlines_lie_where_they_were_drawn(outline, request):
    found = request.getfixturevalue(outline)
    assert found.share(SIDES) > 0.9
    assert found.share(JOINT_LINE) > 0.8
    for name, sign in (("femur medial joint", -1), ("tibia medial joint", 1), ("tibia lateral joint", 1)):
        x, z = found.curves[name].T
        drawn = JOINT_Z_MM + 2.0 * np.cos(np.abs(x) / 9.0) + sign * GAP_MM / 2
        assert np.abs(np.median(z - drawn)) < 0.4, name
    x, z = found.curves["tibia medial side"].T
    assert np.abs(np.median(x - 36.0 - 1.5 * np.sin((z - JOINT_Z_MM) / 7.0))) < 1.0


def test_the_radiograph_of_a_drawn_volume_agrees_with_it(on_radiograph, in_volume):
    record = compare_outlines(on_radiograph, in_volume)
    assert record["as_placed"]["joint_line_mm"] < 0.4
    assert record["as_placed"]["outline_mm"] < 1.0
    assert record["after_fit"]["joint_line_mm"] < 0.4
    assert record["after_fit"]["outline_mm"] < 0.5
    assert record["fit"]["scale"] == pytest.approx(1, abs=0.04)
    assert record["reasons"] == []


@pytest.mark.parametrize("lower", [3.0, -3.0])
def test_a_joint_line_lowered_by_three_millimetres_is_three_millimetres_off(on_radiograph, lower):
    record = compare_outlines(on_radiograph, volume_outline(volume(lower=lower)))
    assert record["as_placed"]["joint_line_mm"] == pytest.approx(3.0, abs=0.5)
    assert record["fit"]["shift_mm"][1] == pytest.approx(lower, abs=0.6)


def test_a_wider_knee_is_off_at_its_sides_only(on_radiograph, in_volume):
    record = compare_outlines(radiograph_outline(radiograph(wider=3.0)), in_volume)
    plain = compare_outlines(on_radiograph, in_volume)
    assert record["as_placed"]["outline_mm"] - plain["as_placed"]["outline_mm"] == pytest.approx(3.0, abs=1.2)
    assert record["as_placed"]["joint_line_mm"] < 0.5


@pytest.mark.parametrize(
    "moved",
    [
        Similarity((3.0, -2.0), 0.0, 1.0),
        Similarity((0.0, 0.0), np.radians(3.0), 1.0),
        Similarity((-1.0, 2.0), np.radians(-2.0), 1.05),
    ],
)
def test_the_fit_undoes_a_similarity(on_radiograph, moved):
    fit = fit_similarity(moved.transform(on_radiograph), on_radiograph)
    back = fit.transform(moved.transform(on_radiograph))
    before = curve_distances(moved.transform(on_radiograph), on_radiograph, {**SIDES, **JOINT_LINE})
    after = curve_distances(back, on_radiograph, {**SIDES, **JOINT_LINE})
    assert np.median(before) > 0.8
    assert np.median(after) < 0.1
    assert fit.scale * moved.scale == pytest.approx(1, abs=0.01)
    assert fit.turn_rad + moved.turn_rad == pytest.approx(0, abs=np.radians(0.4))


def test_a_similarity_by_hand():
    quarter = Similarity((1.0, 2.0), np.pi / 2, 2.0)
    np.testing.assert_allclose(quarter(np.array([[1.0, 0.0], [0.0, 1.0]])), [[1, 4], [-1, 2]], atol=1e-12)


def test_distances_of_straight_curves_by_hand():
    z = np.arange(0, 12, 0.5)
    first = KneeOutline({"tibia medial side": np.stack((np.full_like(z, 36.0), z), axis=1)})
    second = KneeOutline({"tibia medial side": np.stack((np.full_like(z, 38.5), z + 4), axis=1)})
    distances = curve_distances(first, second, SIDES)
    np.testing.assert_allclose(distances, 2.5, atol=1e-9)
    # those that hang over by a millimetre or more are not compared: 9 of 24 on either side stay out at most
    assert 32 <= len(distances) <= 38


def test_nothing_is_measured_where_nothing_is_to_be_seen(on_radiograph):
    blank = reprojection_consistency(np.full((50, 256, 256), 0.3, np.float32), radiograph())
    assert blank["as_placed"] == {"outline_mm": None, "joint_line_mm": None}
    assert blank["after_fit"] == {"outline_mm": None, "joint_line_mm": None}
    assert blank["fit"] is None
    assert any("Only 0% of the" in reason and "in the volume" in reason for reason in blank["reasons"])
    assert "not measured" in summarise_agreement(blank)


def test_other_peoples_radiographs_stand_beside_the_own_one(on_radiograph, in_volume):
    others = [radiograph_outline(radiograph(lower=lower)) for lower in (2.0, 4.0, -5.0)]
    record = compare_outlines(on_radiograph, in_volume, [*others, on_radiograph])
    beside = record["other_films"]
    assert beside["count"] == 3  # the own radiograph is left out
    assert beside["as_placed"]["joint_line_mm"] == pytest.approx(4.0, abs=0.5)
    assert beside["as_placed"]["joint_line_farther"] == beside["as_placed"]["joint_line_of"] == 3
    assert "own is closer than 3 of 3" in summarise_agreement(record)
    json.dumps(record, allow_nan=False)


def test_outlines_are_kept_in_lists(on_radiograph):
    again = KneeOutline.from_lists(json.loads(json.dumps(on_radiograph.as_lists())))
    assert again.curves.keys() == on_radiograph.curves.keys()
    assert curve_distances(again, on_radiograph, {**SIDES, **JOINT_LINE}).max() < 0.5
    with pytest.raises(ValueError, match="patella"):
        KneeOutline.from_lists({"patella": [[0, 0]]})


def test_the_shipped_outlines_are_of_twenty_knees():
    outlines = reference_outlines()
    assert len(outlines) == 20
    for outline in outlines:
        assert min(outline.share(SIDES), outline.share(JOINT_LINE)) > 0.75
        for points in outline.curves.values():
            assert np.abs(points).max() < 46


def test_a_real_radiograph_is_followed(knee_radiograph):
    from Xray2MRILib.generation.prepared_knee import prepare_knee
    from Xray2MRILib.generation.settings import GenerationSettings
    from Xray2MRILib.radiograph.reading import read_radiograph

    outline = radiograph_outline(prepare_knee(read_radiograph(knee_radiograph), GenerationSettings()).prepared.image[0])
    assert outline.share(JOINT_LINE) > 0.7
    for compartment in ("medial", "lateral"):
        femur, tibia = (outline.curves[f"{bone} {compartment} joint"][:, 1] for bone in ("femur", "tibia"))
        assert 1 < np.median(tibia) - np.median(femur) < 9


def encoder(**config) -> SimpleNamespace:
    nominal = {"field_placement": True, "span_mm": 91.0, "centre_row": 141.0, "centre_column": 128.0}
    return SimpleNamespace(radiograph_encoder=SimpleNamespace(config=SimpleNamespace(**{**nominal, **config})))


def test_only_models_in_the_frame_of_the_radiograph_are_measured():
    assert find_mismatch(encoder()) is None
    assert find_mismatch(SimpleNamespace(generator=object())) is None
    assert "field_placement" in find_mismatch(encoder(field_placement=False))
    assert "another frame" in find_mismatch(encoder(span_mm=82.0))
    assert find_mismatch(SimpleNamespace()) is not None


def test_the_record_of_a_left_knee_is_taken_in_right_knee_space():
    from Xray2MRILib.preparation.joint_crop import PreparedRadiograph
    from Xray2MRILib.volume.pseudo_mri import PseudoMRI

    made = PseudoMRI.from_depth_slices(volume(), True, {})
    record = reprojection_record(made, PreparedRadiograph(radiograph()[None], "left", True), encoder())
    assert record["applies"]
    assert record["as_placed"]["joint_line_mm"] < 0.4
    assert record["other_films"]["count"] == 20
    assert record["summary"].endswith(CAUTION)
    refused = reprojection_record(
        made, PreparedRadiograph(radiograph()[None], "left", True), encoder(field_placement=False)
    )
    assert refused["applies"] is False
    assert refused["summary"].startswith("Not applicable")
    assert set(refused) == {"applies", "reason", "summary"}
