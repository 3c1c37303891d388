"""Margins, dead pixels, burnt-in text and light boxes do not set the grey scale, and the knee is found all the same."""

from __future__ import annotations

import io

import numpy as np
import pytest
from drawn_radiograph import drawn_radiograph, stored
from PIL import Image
from radiograph_files import sample_path, sample_pixels, write_dicom
from scipy import ndimage

from Xray2MRILib.localization.localize import localize_knees
from Xray2MRILib.preparation.joint_crop import prepare_radiograph
from Xray2MRILib.radiograph.bright_frame import bright_frame
from Xray2MRILib.radiograph.picture_extent import constant_margins, far_limits
from Xray2MRILib.radiograph.reading import radiograph_from_array, read_radiograph

SAMPLES = sorted(path.name for path in sample_path().parent.glob("*.webp"))


def corner(picture):
    mask = np.zeros(picture.shape, bool)
    mask[:60, :60] = np.add.outer(np.arange(60), np.arange(60)) < 60
    return mask


def sides(picture):
    mask = np.zeros(picture.shape, bool)
    mask[:, :30] = mask[:, -30:] = True
    return mask


@pytest.mark.parametrize("hidden", [corner, sides])
@pytest.mark.parametrize(("offset", "value"), [(30_000, 0), (20_000, 65_535), (1_000, -32_768), (-2_000, -32_768)])
def test_constant_margins_far_from_the_picture(hidden, offset, value):
    picture = drawn_radiograph() * 4000 + offset
    mask = hidden(picture)
    radiograph = radiograph_from_array(np.where(mask, value, picture))
    np.testing.assert_allclose(radiograph.pixels[~mask], picture[~mask].astype(np.float32))
    assert (radiograph.pixels[mask] == radiograph.pixels[~mask].min()).all()
    assert radiograph.record["margin_fraction"] == pytest.approx(mask.mean(), abs=1e-4)


@pytest.mark.parametrize("term", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("value", [0, 65_535])
def test_margins_are_dark_in_either_sense(tmp_path, term, value):
    pixels = (30_000 + stored()).astype(np.uint16)
    turned = (64_000 - pixels).astype(np.uint16) if term == "MONOCHROME1" else pixels
    turned[:, :30] = value
    radiograph = read_radiograph(write_dicom(tmp_path / "film", turned, 16, PhotometricInterpretation=term))
    shown = radiograph.pixels[:, 30:]
    np.testing.assert_array_equal(shown - shown.min(), pixels[:, 30:] - pixels[:, 30:].min().astype(np.float32))
    assert (radiograph.pixels[:, :30] == shown.min()).all()


def test_near_values_stay():
    """Collimation to black, air beside the knee and saturated bone are picture."""
    for picture in (
        np.pad(sample_pixels(), 20),
        sample_pixels(),
        np.where(drawn_radiograph() > 0.8, 1, drawn_radiograph()),
    ):
        radiograph = radiograph_from_array(picture)
        np.testing.assert_array_equal(radiograph.pixels, picture.astype(np.float32))
        assert "margin_fraction" not in radiograph.record
        assert "far_values" not in radiograph.record


def test_a_mask_has_no_margins():
    mask = drawn_radiograph() > 0.5
    assert not constant_margins(mask.astype(np.float32), np.ones(mask.shape, bool)).any()


@pytest.mark.parametrize("value", [0.0, 1e6, -1e6])
def test_single_far_values(value):
    picture = drawn_radiograph() * 4000 + 30_000
    spoilt = picture.copy()
    spoilt[::40, ::40] = value
    radiograph = radiograph_from_array(spoilt)
    places = spoilt == value
    np.testing.assert_allclose(radiograph.pixels[~places], picture[~places].astype(np.float32))
    assert radiograph.record["far_values"] == places.sum()
    (plain,), (found,) = localize_knees(picture), localize_knees(radiograph.pixels)
    assert found.iou(plain) > 0.95


def test_burnt_in_text_does_not_move_the_box():
    picture = drawn_radiograph() * 4000 + 1000
    spoilt = picture.copy()
    spoilt[4:16, 4:50] = 65_535  # 0.6 %: more than the percentile of the detector
    (plain,), (found,) = localize_knees(picture), localize_knees(radiograph_from_array(spoilt).pixels)
    assert found.iou(plain) > 0.93


def test_far_limits_need_a_bulk():
    assert far_limits(np.zeros(1000)) is None
    assert far_limits(np.linspace(0, 1, 1000)) is None
    assert far_limits(np.append(np.linspace(0, 1, 1000), 50.0))[1] == pytest.approx(1.0)


# photographs of films on a light box


def photograph(film, *, around=1.5, falloff=0.4, tilt=0.0, quality=90):
    """The film [H, W] of 0 to 255 on a light box: the light falls off towards the corners, JPEG noise lies over all."""
    rows, columns = film.shape
    page = np.full((int(rows * around), int(columns * around)), 1000.0)
    top, left = (page.shape[0] - rows) // 2, (page.shape[1] - columns) // 2
    page[top : top + rows, left : left + columns] = film * 0.9
    inside = page < 1000
    if tilt:
        page = ndimage.rotate(page, tilt, reshape=False, order=1, cval=1000.0)
        inside = ndimage.rotate(inside.astype(float), tilt, reshape=False, order=1) > 0.5
    page = np.where(inside, np.minimum(page, 235), 235.0)
    down, across = np.meshgrid(*(np.linspace(-1, 1, length) for length in page.shape), indexing="ij")
    page *= 1 - falloff * (0.5 * down**2 + 0.5 * (across - 0.1) ** 2)
    stream = io.BytesIO()
    Image.fromarray(page.clip(0, 255).astype(np.uint8)).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream)), inside


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize(("around", "falloff", "tilt"), [(1.2, 0.0, 0), (1.5, 0.4, 0), (2.0, 0.6, 0), (1.6, 0.4, 3)])
def test_film_on_a_light_box(name, around, falloff, tilt):
    page, film = photograph(sample_pixels(name).astype(float), around=around, falloff=falloff, tilt=tilt)
    radiograph = radiograph_from_array(page)
    assert not radiograph.record["inverted"]
    hidden = bright_frame(page.astype(np.float32))
    assert (hidden == ~film).mean() > 0.95
    assert radiograph.record["frame_fraction"] == pytest.approx(hidden.mean(), abs=1e-3)
    assert (radiograph.pixels[hidden] == radiograph.pixels.min()).all()


@pytest.mark.parametrize("name", SAMPLES)
def test_dark_bone_on_a_light_box_is_still_seen(name):
    page, _ = photograph(255.0 - sample_pixels(name) * 0.8, falloff=0.2)
    hidden = bright_frame(page.astype(np.float32))
    assert hidden is None or radiograph_from_array(page).record["inverted"]


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize(
    "change", [lambda a: a, lambda a: 255 - a, lambda a: np.pad(a, 20), lambda a: a[20:-20, 30:-30]]
)
def test_radiographs_have_no_light_box(name, change):
    assert bright_frame(change(sample_pixels(name)).astype(np.float32)) is None


def test_the_photographed_knee_is_found_and_cut_out_alike():
    film = drawn_radiograph() * 255
    page, inside = photograph(film)
    top, left = (int(np.nonzero(inside.any(axis))[0][0]) for axis in (1, 0))
    radiograph = radiograph_from_array(page)
    (plain,), (found,) = localize_knees(film), localize_knees(radiograph.pixels)
    moved = plain.scaled(1, 1)
    moved = type(moved)(moved.x + left, moved.y + top, moved.width, moved.height, moved.confidence)
    assert found.iou(moved) > 0.9
    here = prepare_radiograph(radiograph_from_array(film), plain, "right", "user").image
    there = prepare_radiograph(radiograph, moved, "right", "user").image
    assert np.corrcoef(here.ravel(), there.ravel())[0, 1] > 0.97
