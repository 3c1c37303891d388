"""TIFF radiographs of every orientation, number type, compression and layout give the picture that was drawn."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps
from radiograph_files import sample_pixels
from tiff_writer import tiff_bytes

from Xray2MRILib.errors import InputError
from Xray2MRILib.radiograph.reading import read_radiograph

# upright picture -> how rows and columns are stored, by TIFF 6.0: row 0 and column 0 of the file lie at ...
STORED = {
    1: lambda a: a,  # top, left
    2: lambda a: a[:, ::-1],  # top, right
    3: lambda a: a[::-1, ::-1],  # bottom, right
    4: lambda a: a[::-1],  # bottom, left
    5: lambda a: a.T,  # left, top
    6: lambda a: np.rot90(a),  # right, top
    7: lambda a: a[::-1, ::-1].T,  # right, bottom
    8: lambda a: np.rot90(a, -1),  # left, bottom
}
NUMBER_TYPES = (
    "uint8",
    "int8",
    "uint16",
    "int16",
    "uint32",
    "int32",
    "uint64",
    "int64",
    "float16",
    "float32",
    "float64",
)


def read(tmp_path, content, photometric="normal"):
    path = tmp_path / "film.tif"
    path.write_bytes(content)
    return read_radiograph(path, photometric=photometric)


def unit(values):
    """Scaled to [0, 1]: numbers beyond a thousand million are made smaller."""
    values = np.asarray(values, np.float64)
    return (values - values.min()) / (values.max() - values.min())


def pixels_of(kind: str) -> np.ndarray:
    """The radiograph over the whole range of a type that float32 can tell apart."""
    unit = sample_pixels(bits=12) / 4095.0
    if kind.startswith("float"):
        return (unit * 1000 - 200).astype(kind)
    limits = np.iinfo(kind)
    return np.floor(limits.min + unit * (float(limits.max) - limits.min) * 0.999).astype(kind)


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
@pytest.mark.parametrize("compression", ["none", "deflate", "packbits", "lzw"])
@pytest.mark.parametrize("orientation", STORED)
def test_every_orientation(tmp_path, orientation, compression, kind):
    pixels = sample_pixels(bits=8 if kind == "uint8" else 16)
    stored = np.ascontiguousarray(STORED[orientation](pixels))
    radiograph = read(tmp_path, tiff_bytes(stored, orientation=orientation, compression=compression))
    np.testing.assert_array_equal(radiograph.pixels, pixels)


@pytest.mark.parametrize("orientation", STORED)
def test_the_table_of_orientations_is_that_of_pillow(orientation):
    picture = Image.fromarray(np.ascontiguousarray(STORED[orientation](sample_pixels())))
    picture.getexif()[0x0112] = orientation
    np.testing.assert_array_equal(np.asarray(ImageOps.exif_transpose(picture)), sample_pixels())


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("compression", ["none", "deflate"])
@pytest.mark.parametrize("kind", NUMBER_TYPES)
def test_every_number_type(tmp_path, kind, compression, big_endian):
    pixels = pixels_of(kind)
    radiograph = read(tmp_path, tiff_bytes(pixels, compression=compression, big_endian=big_endian))
    np.testing.assert_allclose(unit(radiograph.pixels), unit(pixels), atol=1e-6)
    assert radiograph.record["bits"] == 8 * pixels.dtype.itemsize


@pytest.mark.parametrize("kind", NUMBER_TYPES)
def test_files_of_another_writer(tmp_path, kind):
    pixels = pixels_of(kind)
    tifffile.imwrite(tmp_path / "other.tif", pixels, photometric="minisblack", compression="zlib")
    radiograph = read_radiograph(tmp_path / "other.tif", photometric="normal")
    np.testing.assert_allclose(unit(radiograph.pixels), unit(pixels), atol=1e-6)


@pytest.mark.parametrize("kind", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32"])
def test_number_types_in_a_compression_of_libtiff(tmp_path, kind):
    pixels = pixels_of(kind)
    radiograph = read(tmp_path, tiff_bytes(pixels, compression="lzw"))
    np.testing.assert_allclose(unit(radiograph.pixels), unit(pixels), atol=1e-6)


@pytest.mark.parametrize("kind", ["uint64", "float16", "float64"])
def test_number_types_that_libtiff_lacks_are_named(tmp_path, kind):
    with pytest.raises(InputError) as refusal:
        read(tmp_path, tiff_bytes(pixels_of(kind), compression="lzw"))
    words = {"u": "unsigned", "f": "floating-point"}[kind[0]]
    assert f"{8 * np.dtype(kind).itemsize}-bit {words} numbers" in refusal.value.message
    assert "compression 5" in refusal.value.message


def test_complex_numbers_are_named(tmp_path):
    with pytest.raises(InputError) as refusal:
        read(tmp_path, tiff_bytes(pixels_of("uint32"), changed={339: (3, [6])}))
    assert "complex numbers" in refusal.value.message


@pytest.mark.parametrize("compression", ["none", "deflate"])
@pytest.mark.parametrize("layout", [{"rows_per_strip": 7}, {"tile": 48}, {"rows_per_strip": 40}])
@pytest.mark.parametrize("planar", [False, True])
def test_strips_tiles_and_planes(tmp_path, layout, compression, planar):
    grey = sample_pixels(bits=16)
    colour = np.stack([grey, grey // 2, grey // 4], -1)
    expected = 0.30 * colour[..., 0] + 0.59 * colour[..., 1] + 0.11 * colour[..., 2]
    content = tiff_bytes(colour, compression=compression, planar=planar, **layout)
    np.testing.assert_allclose(read(tmp_path, content).pixels, expected, rtol=1e-5)
    np.testing.assert_array_equal(read(tmp_path, tiff_bytes(grey, compression=compression, **layout)).pixels, grey)


@pytest.mark.parametrize(("kind", "predictor"), [("uint8", 2), ("uint16", 2), ("int32", 2), ("float16", 3),
                                                 ("float32", 3), ("float64", 3)])  # fmt: skip
def test_predictors(tmp_path, kind, predictor):
    pixels = pixels_of(kind)
    content = tiff_bytes(pixels, compression="deflate", predictor=predictor, rows_per_strip=11)
    np.testing.assert_allclose(unit(read(tmp_path, content).pixels), unit(pixels), atol=1e-6)


@pytest.mark.parametrize("compression", ["none", "lzw"])
def test_predicted_colours(tmp_path, compression):
    grey = sample_pixels(bits=16)
    colour = np.stack([grey, grey // 2, grey // 4], -1)
    content = tiff_bytes(colour, compression=compression, predictor=2 if compression == "lzw" else 1, orientation=3)
    expected = (0.30 * colour[..., 0] + 0.59 * colour[..., 1] + 0.11 * colour[..., 2])[::-1, ::-1]
    np.testing.assert_allclose(read(tmp_path, content).pixels, expected, rtol=1e-5)


def test_alpha_is_dropped(tmp_path):
    grey = sample_pixels(bits=16)
    content = tiff_bytes(np.stack([grey, np.full_like(grey, 65535)], -1))
    np.testing.assert_array_equal(read(tmp_path, content).pixels, grey)


@pytest.mark.parametrize("compression", ["none", "lzw"])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_white_is_zero(tmp_path, kind, compression):
    pixels = pixels_of(kind)
    turned = pixels.max() + pixels.min() - pixels if kind == "float32" else np.invert(pixels)
    content = tiff_bytes(turned, photometric=0, compression=compression)
    np.testing.assert_allclose(read(tmp_path, content).pixels, pixels.astype(np.float32), rtol=1e-5)


@pytest.mark.parametrize("orientation", [1, 6])
def test_one_bit(tmp_path, orientation):
    mask = sample_pixels() > 100
    stored = np.ascontiguousarray(STORED[orientation](mask))
    np.testing.assert_array_equal(read(tmp_path, tiff_bytes(stored, orientation=orientation)).pixels, mask)


def test_pillow_kinds(tmp_path):
    """Palette, CMYK and JPEG inside TIFF go through libtiff."""
    for mode, tolerance, options in (
        ("P", 1e-4, {}),
        ("CMYK", 1, {}),
        ("L", 3, {"compression": "jpeg", "quality": 98}),
    ):
        stream = io.BytesIO()
        Image.fromarray(sample_pixels()).convert("RGB" if mode == "CMYK" else mode).convert(mode).save(
            stream, "TIFF", **options
        )
        assert np.abs(read(tmp_path, stream.getvalue()).pixels - sample_pixels()).mean() <= tolerance


def test_reduced_copies_do_not_count(tmp_path):
    path = tmp_path / "film.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(sample_pixels(), photometric="minisblack")
        writer.write(sample_pixels()[::4, ::4].copy(), photometric="minisblack", subfiletype=1)
    np.testing.assert_array_equal(read_radiograph(path).pixels, sample_pixels())


def test_stack_in_one_page_is_refused(tmp_path):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.stack([sample_pixels(), sample_pixels()]), imagej=True)
    with pytest.raises(InputError) as refusal:
        read_radiograph(path)
    assert refusal.value.code == "multi-frame"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({256: (4, [20_000]), 257: (4, [20_000])}, "radiograph-too-large"),
        ({322: (4, [2**31]), 323: (4, [2**31]), 324: (4, [8]), 325: (4, [100])}, "damaged-radiograph"),
        ({278: (4, [0])}, "damaged-radiograph"),
        ({279: (4, [10])}, "damaged-radiograph"),
        ({273: (4, [10**9])}, "damaged-radiograph"),
        ({277: (3, [900])}, "unreadable-radiograph"),
    ],
)
def test_sizes_are_checked_before_memory_is_taken(tmp_path, changed, code):
    with pytest.raises(InputError) as refusal:
        read(tmp_path, tiff_bytes(sample_pixels(), changed=changed))
    assert refusal.value.code == code


def test_inflation_stops_at_the_promised_size(tmp_path):
    """Forty megabytes of zeros in a strip that has room for the picture alone."""
    import zlib

    bomb = zlib.compress(bytes(40_000_000))
    content = bytearray(tiff_bytes(sample_pixels(), compression="deflate"))
    directory = int.from_bytes(content[4:8], "little")
    content += b"\0" * (len(content) % 2)
    start = len(content)
    content += bomb
    for number in range(int.from_bytes(content[directory : directory + 2], "little")):
        place = directory + 2 + 12 * number
        code = int.from_bytes(content[place : place + 2], "little")
        if code in (273, 279):
            value = start if code == 273 else len(bomb)
            content[place + 8 : place + 12] = value.to_bytes(4, "little")
    with pytest.raises(InputError) as refusal:
        read(tmp_path, bytes(content))
    assert refusal.value.code == "blank-radiograph"
