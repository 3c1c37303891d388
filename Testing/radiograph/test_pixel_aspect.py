"""Pixels that are not square, in every format: the knee keeps its proportions, boxes count the file's pixels."""

from __future__ import annotations

import io

import numpy as np
import pytest
import SimpleITK
from drawn_radiograph import COLUMNS, ROWS, drawn_radiograph, stored
from PIL import Image
from radiograph_files import write_dicom
from tiff_writer import tiff_bytes

from Xray2MRILib.generation.prepared_knee import prepare_knee
from Xray2MRILib.generation.settings import GenerationSettings
from Xray2MRILib.localization.localize import localize_knees
from Xray2MRILib.preparation.joint_crop import prepare_radiograph
from Xray2MRILib.radiograph.reading import radiograph_from_array, read_radiograph
from Xray2MRILib.radiograph.resampling import resample

HIGH = 1.25  # times as high as wide


def squeezed(axis: int) -> np.ndarray:
    """The drawing with fewer rows (axis 0) or columns, 16 bits."""
    picture = drawn_radiograph().astype(np.float32)
    shape = (round(ROWS / HIGH), COLUMNS) if axis == 0 else (ROWS, round(COLUMNS / HIGH))
    return np.rint(resample(picture, (0, 0), picture.shape, shape) * 60_000).astype(np.uint16)


def written(tmp_path, form: str, pixels: np.ndarray, aspect: float):
    path = tmp_path / form.replace(" ", "_")
    spacing = [0.1 * aspect, 0.1]
    if form == "PixelAspectRatio":
        return write_dicom(path, pixels, 16, PixelAspectRatio=[round(1000 * aspect), 1000])
    if form.endswith("Spacing"):
        return write_dicom(path, pixels, 16, **{form: spacing})
    if form in ("nrrd", "nii", "mha"):
        image = SimpleITK.GetImageFromArray(pixels)
        image.SetSpacing(spacing[::-1])
        path = tmp_path / f"film.{form}"
        SimpleITK.WriteImage(image, str(path))
        return path
    if form == "tif":
        path.write_bytes(tiff_bytes(pixels, resolution=(100 * aspect, 100)))
        return path
    picture = Image.fromarray((pixels >> 8).astype(np.uint8))
    density = (round(100 * aspect), 100)
    if form == "webp":
        exif = picture.getexif()
        exif[282], exif[283] = density
        picture.convert("RGB").save(path, "WEBP", lossless=True, exif=exif)
    else:
        picture.save(path, form.upper(), dpi=density, **({"quality": 98} if form == "jpeg" else {}))
    return path


FORMS = ("ImagerPixelSpacing", "PixelSpacing", "PixelAspectRatio", "nrrd", "nii", "mha", "tif", "png", "jpeg", "webp")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("axis", [0, 1])
def test_proportions_in_every_format(tmp_path, form, axis):
    aspect = HIGH if axis == 0 else 1 / HIGH
    pixels = squeezed(axis)
    radiograph = read_radiograph(written(tmp_path, form, pixels, aspect))
    assert radiograph.pixels.shape == pixels.shape
    assert radiograph.pixel_aspect == pytest.approx(aspect, rel=0.01)
    assert radiograph.record["pixel_aspect"] == radiograph.pixel_aspect


@pytest.mark.parametrize("axis", [0, 1])
def test_the_crop_is_that_of_square_pixels(tmp_path, axis):
    aspect = HIGH if axis == 0 else 1 / HIGH
    true = read_radiograph(write_dicom(tmp_path / "true", stored(16), 16, ImagerPixelSpacing=[0.1, 0.1]))
    other = read_radiograph(written(tmp_path, "ImagerPixelSpacing", squeezed(axis), aspect))
    (box,) = localize_knees(true.pixels)
    (found,) = localize_knees(other.pixels, pixel_aspect=other.pixel_aspect)
    rows, columns = np.array(other.pixels.shape) / true.pixels.shape
    assert found.scaled(1 / columns, 1 / rows).iou(box) > 0.9
    assert found.width / (found.height * aspect) == pytest.approx(1, rel=0.02)
    here = prepare_radiograph(true, box, "right", "user").image
    there = prepare_radiograph(other, box.scaled(columns, rows), "right", "user").image
    assert np.corrcoef(here.ravel(), there.ravel())[0, 1] > 0.995
    squashed = prepare_radiograph(radiograph_from_array(other.pixels), box.scaled(columns, rows), "right", "user").image
    assert np.corrcoef(here.ravel(), squashed.ravel())[0, 1] < 0.95


def test_a_rectangle_counts_the_pixels_of_the_file(tmp_path):
    """A user's rectangle of the drawing's joint, drawn on the squeezed file, becomes a square on the detector."""
    true = read_radiograph(write_dicom(tmp_path / "true", stored(16), 16, ImagerPixelSpacing=[0.1, 0.1]))
    other = read_radiograph(written(tmp_path, "ImagerPixelSpacing", squeezed(0), HIGH))
    first = prepare_knee(true, GenerationSettings(roi=(75, 90, 150, 150), side="right"))
    second = prepare_knee(other, GenerationSettings(roi=(75, 90 / HIGH, 150, 150 / HIGH), side="right"))
    assert (second.box.width, second.box.height) == pytest.approx((150, 150 / HIGH))
    assert np.corrcoef(first.prepared.image.ravel(), second.prepared.image.ravel())[0, 1] > 0.995
    wide = prepare_knee(other, GenerationSettings(roi=(75, 90 / HIGH, 150, 40), side="right")).box
    assert (wide.width, wide.height * HIGH) == pytest.approx((150, 150))
    assert second.prepared.record["film"]["pixel_aspect"] == pytest.approx(HIGH)


def test_a_whole_radiograph_without_box_keeps_its_proportions(tmp_path):
    other = read_radiograph(written(tmp_path, "ImagerPixelSpacing", squeezed(0), HIGH))
    true = read_radiograph(write_dicom(tmp_path / "true", stored(16), 16))
    images = [prepare_radiograph(radiograph, None, "right", "user").image for radiograph in (other, true)]
    assert np.corrcoef(images[0].ravel(), images[1].ravel())[0, 1] > 0.995


def test_turned_files_turn_their_proportions(tmp_path):
    lying = np.ascontiguousarray(squeezed(0).T)
    path = write_dicom(
        tmp_path / "film", lying, 16, PatientOrientation=["F", "L"], ImagerPixelSpacing=[0.1, 0.1 * HIGH]
    )
    assert read_radiograph(path).pixel_aspect == pytest.approx(HIGH)
    stored_turned = np.ascontiguousarray(np.rot90(squeezed(0)))
    (tmp_path / "film.tif").write_bytes(tiff_bytes(stored_turned, orientation=6, resolution=(100, 100 * HIGH)))
    assert read_radiograph(tmp_path / "film.tif").pixel_aspect == pytest.approx(HIGH, rel=1e-3)
    picture = Image.fromarray((stored_turned >> 8).astype(np.uint8))
    exif = picture.getexif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    picture.save(stream, "PNG", exif=exif, dpi=(100, 100 * HIGH))
    (tmp_path / "film.png").write_bytes(stream.getvalue())
    assert read_radiograph(tmp_path / "film.png").pixel_aspect == pytest.approx(HIGH, rel=0.01)


@pytest.mark.parametrize("spacing", [[0.1, 0.1], [0.143, 0.14300001]])
def test_square_pixels_stay_exactly_square(tmp_path, spacing):
    path = write_dicom(tmp_path / "film", stored(), 12, ImagerPixelSpacing=spacing)
    assert read_radiograph(path).pixel_aspect == 1.0


def test_impossible_proportions_are_left_out_with_a_word(tmp_path):
    radiograph = read_radiograph(write_dicom(tmp_path / "film", stored(), 12, ImagerPixelSpacing=[0.9, 0.1]))
    assert radiograph.pixel_aspect == 1.0
    assert "taken as square" in radiograph.record["warnings"][0]


def test_arrays(tmp_path):
    assert radiograph_from_array(stored(), pixel_spacing_mm=(0.25, 0.2)).pixel_aspect == pytest.approx(HIGH)
    assert radiograph_from_array(stored()).pixel_aspect == 1.0
