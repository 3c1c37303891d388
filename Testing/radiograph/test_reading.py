"""One real radiograph in every file format gives one picture."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK
from PIL import Image
from radiograph_files import picture_bytes, sample_path, sample_pixels, write_dicom

from Xray2MRILib.errors import InputError
from Xray2MRILib.radiograph.reading import radiograph_from_array, read_radiograph


@pytest.mark.parametrize(
    ("format_name", "ending", "options"),
    [
        ("PNG", "png", {}),
        ("TIFF", "tif", {}),
        ("TIFF", "tiff", {"compression": "tiff_lzw"}),
        ("TIFF", "tif", {"compression": "tiff_adobe_deflate"}),
        ("WEBP", "webp", {"lossless": True}),
    ],
)
def test_lossless_pictures_keep_every_pixel(tmp_path, format_name, ending, options):
    pixels = sample_pixels()
    path = tmp_path / f"film.{ending}"
    path.write_bytes(picture_bytes(np.stack([pixels] * 3, -1) if ending == "webp" else pixels, format_name, **options))
    radiograph = read_radiograph(path)
    assert radiograph.pixels.dtype == np.float32
    np.testing.assert_allclose(radiograph.pixels, pixels, atol=1e-4)
    assert radiograph.record["bits"] == 8
    assert radiograph.side is None
    assert radiograph.side_source == "none"


def test_jpeg(tmp_path):
    path = tmp_path / "film.jpg"
    path.write_bytes(picture_bytes(sample_pixels(), "JPEG", quality=95))
    assert np.abs(read_radiograph(path).pixels - sample_pixels()).mean() < 1.5


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_sixteen_bits_stay_sixteen(tmp_path, ending):
    pixels = sample_pixels(bits=16)
    path = tmp_path / f"film.{ending}"
    Image.fromarray(pixels).save(path)
    radiograph = read_radiograph(path)
    np.testing.assert_array_equal(radiograph.pixels, pixels)
    assert radiograph.record["bits"] == 16


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_sixteen_bit_colour_is_not_reduced_to_eight(tmp_path, ending):
    grey = sample_pixels(bits=16)
    colour = np.stack([grey, grey // 2, grey // 4], -1)
    path = tmp_path / f"film.{ending}"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(colour, isVector=True), str(path))
    expected = 0.30 * colour[..., 0] + 0.59 * colour[..., 1] + 0.11 * colour[..., 2]
    np.testing.assert_allclose(read_radiograph(path).pixels, expected, rtol=1e-5)


def test_colour_becomes_luminance_and_alpha_is_dropped(tmp_path):
    grey = sample_pixels().astype(np.float64)
    colour = np.stack([grey, grey * 0.5, grey * 0.25, np.full_like(grey, 7)], -1).astype(np.uint8)
    path = tmp_path / "film.png"
    Image.fromarray(colour, "RGBA").save(path)
    expected = colour[..., :3].astype(np.float64) @ (0.30, 0.59, 0.11)
    np.testing.assert_allclose(read_radiograph(path).pixels, expected, rtol=1e-5)


def test_palette_picture(tmp_path):
    path = tmp_path / "film.png"
    Image.fromarray(sample_pixels()).convert("P").save(path)
    np.testing.assert_allclose(read_radiograph(path).pixels, sample_pixels(), atol=1e-3)


def test_camera_orientation_is_applied(tmp_path):
    picture = Image.fromarray(sample_pixels())
    exif = picture.getexif()
    exif[0x0112] = 3  # stored upside down
    picture.transpose(Image.Transpose.ROTATE_180).save(tmp_path / "film.png", exif=exif)
    np.testing.assert_allclose(read_radiograph(tmp_path / "film.png").pixels, sample_pixels(), atol=1e-4)


@pytest.mark.parametrize("ending", ["nrrd", "nii", "nii.gz", "mha"])
@pytest.mark.parametrize("singleton", [None, 0, 1, 2])
def test_single_slices(tmp_path, ending, singleton):
    """An axis of length 1 may stand anywhere; written slices come back as they were."""
    pixels = sample_pixels(bits=12)
    array = pixels if singleton is None else np.expand_dims(pixels, singleton)
    image = SimpleITK.GetImageFromArray(array)
    spacing = [0.148] * array.ndim
    if singleton is not None:
        spacing[2 - singleton] = 5.0  # itk order
    image.SetSpacing(spacing)
    if singleton == 1:  # rows are axis z: towards the feet in a coronal slice
        image.SetDirection((1, 0, 0, 0, 1, 0, 0, 0, -1))
    if singleton == 2:  # columns are axis y, rows z; a sagittal frame unless it is turned
        image.SetDirection((0, 1, 0, 1, 0, 0, 0, 0, -1))
    path = tmp_path / f"film.{ending}"
    SimpleITK.WriteImage(image, str(path))
    radiograph = read_radiograph(path)
    np.testing.assert_array_equal(radiograph.pixels, pixels)
    assert radiograph.pixel_spacing_mm == pytest.approx((0.148, 0.148))
    assert radiograph.record["warnings"] == []


def test_slice_is_turned_upright_by_its_direction(tmp_path):
    pixels = sample_pixels()
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(pixels[::-1, ::-1])[:, None, :])
    image.SetDirection((-1, 0, 0, 0, 1, 0, 0, 0, 1))  # columns towards the right, rows towards the head
    SimpleITK.WriteImage(image, str(tmp_path / "film.nrrd"))
    radiograph = read_radiograph(tmp_path / "film.nrrd")
    np.testing.assert_array_equal(radiograph.pixels, pixels)
    assert radiograph.record["turned_upright"] == ["mirror", "upside down"]


def test_sagittal_slice_is_warned_about(tmp_path):
    image = SimpleITK.GetImageFromArray(sample_pixels()[:, None, :])
    image.SetDirection((0, 1, 0, 1, 0, 0, 0, 0, -1))  # columns run from front to back
    SimpleITK.WriteImage(image, str(tmp_path / "film.mha"))
    assert any("not a frontal radiograph" in line for line in read_radiograph(tmp_path / "film.mha").record["warnings"])


def test_content_counts_not_the_ending(tmp_path):
    pixels = sample_pixels()
    (tmp_path / "film.dcm").write_bytes(picture_bytes(pixels, "PNG"))
    write_dicom(tmp_path / "film.png", pixels)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(pixels), str(tmp_path / "film.nrrd"))
    (tmp_path / "film.nrrd").rename(tmp_path / "film")
    for name in ("film.dcm", "film.png", "film"):
        np.testing.assert_allclose(read_radiograph(tmp_path / name).pixels, pixels, atol=1e-4)


def test_names_beyond_ascii(tmp_path):
    path = tmp_path / "Knie rechts ä膝.nrrd"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(sample_pixels()), str(tmp_path / "film.nrrd"))
    (tmp_path / "film.nrrd").rename(path)
    np.testing.assert_array_equal(read_radiograph(path).pixels, sample_pixels())


@pytest.mark.parametrize(
    "change",
    [
        lambda grey: grey,
        lambda grey: grey[None],
        lambda grey: grey[..., None],
        lambda grey: np.stack([grey] * 3, -1),
        lambda grey: np.stack([grey, grey, grey, np.full_like(grey, 255)], -1),
        lambda grey: grey.astype(np.float64) * 1e12,
        lambda grey: grey.astype(np.float64) * 1e-30 - 5e-28,
        lambda grey: grey.astype(np.int16) - 1000,
        lambda grey: grey.astype(np.float16),
        lambda grey: grey[::-1, ::-1][::-1, ::-1],
    ],
)
def test_arrays_of_any_kind(change):
    grey = sample_pixels()
    radiograph = radiograph_from_array(change(grey), pixel_spacing_mm=(0.2, 0.2), side="left")
    assert radiograph.pixels.shape == grey.shape
    assert radiograph.pixels.dtype == np.float32
    assert np.corrcoef(radiograph.pixels.ravel(), grey.ravel())[0, 1] > 0.9999
    assert np.abs(radiograph.pixels).max() > 0
    assert (radiograph.side, radiograph.side_source, radiograph.pixel_spacing_mm) == ("left", "given", (0.2, 0.2))
    json.dumps(radiograph.record)


def test_boolean_and_inverted_arrays():
    grey = sample_pixels()
    assert radiograph_from_array(grey > 100).pixels.max() == 1
    radiograph = radiograph_from_array(255 - grey)
    assert radiograph.record["inverted"]
    np.testing.assert_allclose(radiograph.pixels - radiograph.pixels.min(), grey - grey.min(), atol=1e-4)
    np.testing.assert_allclose(radiograph_from_array(255 - grey, photometric="normal").pixels, 255 - grey, atol=1e-4)
    assert radiograph_from_array(grey, photometric="inverted").record["inverted"]


@pytest.mark.parametrize(
    ("array", "code"),
    [
        (np.zeros((64, 64)), "blank-radiograph"),
        (np.full((64, 64), np.nan), "not-finite-radiograph"),
        (np.where(np.eye(64) > 0, np.inf, 0.0), "not-finite-radiograph"),
        (np.ones((1, 1)), "radiograph-too-small"),
        (np.ones((0, 0)), "radiograph-too-small"),
        (np.broadcast_to(np.float32(1), (20_000, 20_000)), "radiograph-too-large"),
        (np.zeros((5, 64, 64)), "volume-not-radiograph"),
        (np.zeros((2, 3, 64, 64)), "volume-not-radiograph"),
        (np.zeros(64), "volume-not-radiograph"),
        (np.full((64, 64), "a"), "unreadable-radiograph"),
        (np.zeros((64, 64), complex), "unreadable-radiograph"),
        (np.full((64, 64), 1e200) * np.eye(64), "not-finite-radiograph"),
    ],
)
def test_arrays_that_are_no_radiograph(array, code):
    with pytest.raises(InputError) as refusal:
        radiograph_from_array(array)
    assert refusal.value.code == code


@pytest.mark.parametrize("options", [{"photometric": "negative"}, {"side": "both"}])
def test_wrong_words(options):
    with pytest.raises(InputError) as refusal:
        radiograph_from_array(sample_pixels(), **options)
    assert refusal.value.code == "bad-option"


def test_every_sample_radiograph_reads():
    for path in sorted(sample_path().parent.glob("*.webp")):
        radiograph = read_radiograph(path)
        assert not radiograph.record["inverted"]
        assert radiograph.record["warnings"] == []
        assert radiograph.side == (path.stem.split("_")[1] if path.stem.startswith("kl") else None)


def test_import_is_cheap_and_reading_needs_no_torch():
    script = (
        "import sys, Xray2MRILib, Xray2MRILib.radiograph\n"
        "assert not {'numpy', 'scipy', 'PIL', 'pydicom', 'SimpleITK'} & set(sys.modules)\n"
        f"Xray2MRILib.read_radiograph({str(sample_path())!r})\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
