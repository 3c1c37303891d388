"""The network's input: geometry, grey levels, mirroring, record."""

from __future__ import annotations

import json

import numpy as np
import pytest
from radiograph_files import sample_path, sample_pixels, write_dicom

from Xray2MRILib.errors import InputError
from Xray2MRILib.localization.knee_box import KneeBox
from Xray2MRILib.preparation.joint_crop import box_from_rectangle, normalise_crop, prepare_radiograph
from Xray2MRILib.radiograph.reading import radiograph_from_array, read_radiograph

BOX = KneeBox(62.0, -9.5, 178.0, 178.0, confidence=0.9)


@pytest.fixture
def radiograph():
    return read_radiograph(sample_path("knee_single.webp"))


def test_form_and_range(radiograph):
    prepared = prepare_radiograph(radiograph, BOX, "right", "user")
    assert prepared.image.shape == (1, 256, 256)
    assert prepared.image.dtype == np.float32
    assert (prepared.image.min(), prepared.image.max()) == (-1.0, 1.0)
    assert not prepared.mirrored
    assert prepare_radiograph(radiograph, BOX, "right", "user", size=64).image.shape == (1, 64, 64)


def test_left_knees_are_mirrored(radiograph):
    right, left = (prepare_radiograph(radiograph, BOX, side, "user") for side in ("right", "left"))
    np.testing.assert_array_equal(left.image, right.image[..., ::-1])
    assert left.mirrored
    mirrored_radiograph = radiograph_from_array(radiograph.pixels[:, ::-1])
    other_box = KneeBox(300 - BOX.x - BOX.width, BOX.y, BOX.width, BOX.height, 0.9)
    from_mirrored = prepare_radiograph(mirrored_radiograph, other_box, "left", "user")
    np.testing.assert_allclose(from_mirrored.image, right.image, atol=2e-3)


def test_ready_crop_is_prepared_as_in_training(radiograph):
    """Box, cut and scale of a radiograph give what `normalise_crop` makes of the ready cut."""
    pixels = radiograph.pixels[:, 60:222]
    ready = radiograph_from_array(pixels)
    prepared = prepare_radiograph(ready, KneeBox(0, 0, 162, 162, 1.0), "right", "user")
    np.testing.assert_allclose(prepared.image[0], normalise_crop(pixels), atol=1e-5)
    np.testing.assert_allclose(prepare_radiograph(ready, None, "right", "user").image[0], prepared.image[0], atol=1e-5)
    inside = prepare_radiograph(radiograph, KneeBox(60, 0, 162, 162, 1.0), "right", "user")
    interior = np.s_[2:-2, 2:-2]  # at its edges the cut from a radiograph knows the neighbouring pixels
    np.testing.assert_allclose(inside.image[0][interior], normalise_crop(pixels)[interior], atol=1e-3)


def test_exposure_and_depth_of_the_file_do_not_matter(radiograph, tmp_path):
    reference = prepare_radiograph(radiograph, BOX, "right", "user").image
    for index, pixels in enumerate((radiograph.pixels * 31.5 + 700, radiograph.pixels / 255, -3 * radiograph.pixels)):
        other = prepare_radiograph(radiograph_from_array(pixels), BOX, "right", "user").image
        np.testing.assert_allclose(other, reference, atol=1e-3, err_msg=str(index))
    stored = (4095 - sample_pixels("knee_single.webp").astype(np.uint16) * 16).astype(np.uint16)
    path = write_dicom(tmp_path / "film", stored, 12, PhotometricInterpretation="MONOCHROME1")
    other = prepare_radiograph(read_radiograph(path), BOX, "right", "user").image
    np.testing.assert_allclose(other, reference, atol=1e-3)


def test_enlarged_radiograph_gives_the_same_picture(radiograph):
    """A radiograph of ten times the resolution, its box ten times as large."""
    large = radiograph_from_array(np.kron(radiograph.pixels, np.ones((10, 10), np.float32)))
    box = KneeBox(BOX.x * 10, BOX.y * 10, BOX.width * 10, BOX.height * 10, 0.9)
    small = prepare_radiograph(radiograph, BOX, "right", "user").image
    assert np.abs(prepare_radiograph(large, box, "right", "user").image - small).mean() < 0.02


def test_collimated_margins_do_not_count(radiograph):
    """A black band of a quarter of the crop leaves the grey levels of the rest as they were."""
    crop = radiograph.pixels[:, 70:232] + 30
    covered = np.pad(crop[:, 40:], ((0, 0), (40, 0)))
    normalised = normalise_crop(covered)
    assert (normalised[:, :63] == -1).all()
    shares = (0.05, 0.25, 0.5, 0.75, 0.95)
    expected = np.quantile(normalise_crop(crop[:, 40:]), shares)
    np.testing.assert_allclose(np.quantile(normalised[:, 66:], shares), expected, atol=0.05)


def test_beyond_the_radiograph_the_edge_repeats(radiograph):
    prepared = prepare_radiograph(radiograph, KneeBox(60, -50, 180, 180, 0.9), "right", "user")
    rows = round(256 * 50 / 180) - 2
    assert np.abs(np.diff(prepared.image[0, :rows], axis=0)).max() < 1e-5
    assert prepared.record["padding_fraction"] == pytest.approx(50 / 180, abs=1e-3)


@pytest.mark.parametrize("name", sorted(path.name for path in sample_path().parent.glob("*.webp")))
def test_every_sample_without_a_box(name):
    prepared = prepare_radiograph(read_radiograph(sample_path(name)), None, "right", "none")
    assert prepared.image.std() > 0.25
    assert prepared.record["box"] is None
    assert prepared.record["square"][2] == read_radiograph(sample_path(name)).pixels.shape[1]


def test_record(radiograph, tmp_path):
    prepared = prepare_radiograph(radiograph, BOX, "left", "header")
    record = json.loads(json.dumps(prepared.record))
    assert KneeBox(**record["box"]) == BOX
    assert (record["side"], record["side_source"], record["mirrored"]) == ("left", "header", True)
    assert record["normalisation"]["percentiles"] == [0.5, 99.5]
    assert record["film"]["format"] == "WebP"
    again = prepare_radiograph(radiograph, KneeBox(**record["box"]), record["side"], record["side_source"])
    np.testing.assert_array_equal(again.image, prepared.image)
    assert "knee_single" not in json.dumps(record)


def test_warnings_about_coarse_and_cut_radiographs(radiograph):
    assert prepare_radiograph(radiograph, BOX, "right", "user").record["warnings"] == []
    small = prepare_radiograph(radiograph, KneeBox(100, 50, 60, 60, 0.9), "right", "user")
    assert "60 pixels" in small.record["warnings"][0]
    cut = prepare_radiograph(radiograph, KneeBox(0, -100, 300, 300, 0.9), "right", "user")
    assert "outside the radiograph" in cut.record["warnings"][0]


def test_rectangles_of_the_user():
    box = box_from_rectangle((10, 20, 100, 60), (200, 300))
    assert (box.x, box.y, box.width, box.height) == (10, 0, 100, 100)
    assert box.confidence == 1.0


@pytest.mark.parametrize(
    "rectangle",
    [(1, 1, 20, 20), (500, 9, 99, 99), (-90, 9, 99, 99), (0, 0, 99), (0, 0, float("nan"), 50), (0, 0, -50, 50)],
)
def test_rectangles_that_cannot_be_used(radiograph, rectangle):
    with pytest.raises(InputError) as refusal:
        box_from_rectangle(rectangle, radiograph.pixels.shape)
    assert refusal.value.code == "bad-option"


def test_boxes_off_the_radiograph_and_unknown_sides(radiograph):
    with pytest.raises(InputError):
        prepare_radiograph(radiograph, KneeBox(400, 0, 100, 100, 1.0), "right", "user")
    with pytest.raises(InputError):
        prepare_radiograph(radiograph, BOX, "middle", "user")


def test_empty_part_of_a_radiograph():
    pixels = np.zeros((200, 400), np.float32)
    pixels[:, 300:] = sample_pixels()[:100, :100].repeat(2, axis=0)
    radiograph = radiograph_from_array(pixels)
    with pytest.raises(InputError) as refusal:
        prepare_radiograph(radiograph, KneeBox(20, 20, 150, 150, 1.0), "right", "user")
    assert refusal.value.code == "no-contrast"
