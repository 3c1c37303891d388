"""PNG, JPEG and WebP as phones, scanners and programs write them: deep pictures with alpha, companions, orientation."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import SimpleITK
from PIL import Image, ImageOps
from radiograph_files import deep_png, picture_bytes, png_chunk, sample_pixels

from Xray2MRILib.errors import InputError
from Xray2MRILib.radiograph.reading import read_radiograph


def exif_chunk(orientation: int) -> bytes:
    return png_chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHIHH", 0x112, 3, 1, orientation, 0) + bytes(4))


def layers(grey, channels):
    alpha = np.full_like(grey, 65535)
    return np.stack({1: [grey], 2: [grey, alpha], 3: [grey] * 3, 4: [grey] * 3 + [alpha]}[channels], -1)


@pytest.mark.parametrize("filters", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_of_16_bits(tmp_path, channels, filters):
    grey = sample_pixels(bits=16)
    (tmp_path / "film.png").write_bytes(deep_png(layers(grey, channels), filters=filters))
    radiograph = read_radiograph(tmp_path / "film.png")
    np.testing.assert_allclose(radiograph.pixels, grey, rtol=1e-5)
    assert (radiograph.record["bits"], radiograph.record["colour"]) == (16, channels > 2)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_png_of_16_bits(tmp_path, channels, orientation):
    small = sample_pixels()
    picture = Image.fromarray(small)
    picture.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(picture))
    content = deep_png(layers(small.astype(np.uint16) * 257, channels), exif_chunk(orientation))
    (tmp_path / "film.png").write_bytes(content)
    np.testing.assert_allclose(read_radiograph(tmp_path / "film.png").pixels, expected * 257.0, rtol=1e-5)


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_pictures(tmp_path, format_name, orientation):
    picture = Image.fromarray(sample_pixels())
    exif = picture.getexif()
    exif[0x0112] = orientation
    options = {"PNG": {}, "JPEG": {"quality": 98}, "WEBP": {"lossless": True}}[format_name]
    stream = io.BytesIO()
    picture.convert("RGB").save(stream, format_name, exif=exif, **options)
    (tmp_path / "film").write_bytes(stream.getvalue())
    expected = np.asarray(ImageOps.exif_transpose(picture)).astype(np.float32)
    found = read_radiograph(tmp_path / "film", photometric="normal").pixels
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() < 1.5


def test_companions_behind_a_photograph_do_not_count(tmp_path):
    """Phones append a depth map or a second exposure (MPO)."""
    first, second = Image.fromarray(sample_pixels()), Image.fromarray(sample_pixels("kl0_left.webp"))
    first.save(tmp_path / "photo.jpg", "MPO", save_all=True, append_images=[second], quality=95)
    assert np.abs(read_radiograph(tmp_path / "photo.jpg").pixels - sample_pixels()).mean() < 1.5


@pytest.mark.parametrize(
    ("marker", "depth", "words"),
    [
        (0xC1, 12, "12 bits"),
        (0xC3, 12, "lossless"),
        (0xC3, 8, "lossless"),
        (0xF7, 8, "JPEG-LS"),
    ],
)
def test_rare_kinds_of_jpeg_are_named(tmp_path, marker, depth, words):
    content = bytearray(picture_bytes(sample_pixels(), "JPEG"))
    place = content.index(b"\xff\xc0")
    content[place + 1], content[place + 4] = marker, depth
    (tmp_path / "film.jpg").write_bytes(content)
    with pytest.raises(InputError) as refusal:
        read_radiograph(tmp_path / "film.jpg")
    assert (refusal.value.code, words in refusal.value.message) == ("no-decoder", True)


@pytest.mark.parametrize(
    ("brand", "words"), [(b"heic", "HEIC"), (b"mif1", "HEIC"), (b"avif", "AVIF"), (b"qt  ", "video")]
)
def test_other_formats_of_phones_are_named(tmp_path, brand, words):
    (tmp_path / "photo.jpg").write_bytes(b"\0\0\0\x18ftyp" + brand + bytes(400))
    with pytest.raises(InputError) as refusal:
        read_radiograph(tmp_path / "photo.jpg")
    assert words in refusal.value.message


# NIfTI, NRRD, MetaImage


def nifti(tmp_path, pixels, slope=None, start=None):
    path = tmp_path / "film.nii"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(pixels), str(path))
    content = bytearray(path.read_bytes())
    for place, packed in ((112, slope), (280, start)):
        if packed is not None:
            content[place : place + len(packed)] = packed
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("kind", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize(
    ("slope", "intercept", "expected"),
    [
        (2, 0, (2, 0)),
        (1, -1000, (1, -1000)),
        (0.5, 3, (0.5, 3)),
        (-1, 4095, (-1, 4095)),
        (0, 0, (1, 0)),
        (float("nan"), 0, (1, 0)),
        (1, float("nan"), (1, 0)),
        (float("inf"), 0, (1, 0)),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_scale_slopes_of_nifti(tmp_path, kind, slope, intercept, expected, packed):
    import gzip

    pixels = (sample_pixels(bits=12) >> (4 if kind == "uint8" else 0)).astype(kind)
    path = nifti(tmp_path, pixels, struct.pack("<2f", slope, intercept))
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    radiograph = read_radiograph(path, photometric="normal")
    np.testing.assert_allclose(radiograph.pixels, pixels * float(expected[0]) + expected[1], rtol=1e-6)


@pytest.mark.parametrize("cut", [1, 500, 40_000])
def test_a_scaled_nifti_that_is_cut_is_refused(tmp_path, cut):
    path = nifti(tmp_path, sample_pixels(bits=12), struct.pack("<2f", 2, 0))
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(InputError) as refusal:
        read_radiograph(path)
    assert refusal.value.code == "damaged-radiograph"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ((0.6, 0.2, 0, 0, 0, 1.5, 0, 0, 0, 0, 1, 0), "sheared frame (sform): two of its axes meet at 82 degrees"),
        ((1, 0, 0.5, 0, 0, 1, 0, 0, 0, 0, 1, 0), "sheared frame (sform): two of its axes meet at 63 degrees"),
        ((0,) * 12, "axes have no length"),
    ],
)
def test_faulty_frames_of_nifti_are_named(tmp_path, rows, words):
    path = nifti(tmp_path, sample_pixels(bits=12), start=struct.pack("<12f", *rows))
    content = bytearray(path.read_bytes())
    content[252:256] = struct.pack("<hh", 0, 1)
    path.write_bytes(content)
    with pytest.raises(InputError) as refusal:
        read_radiograph(path)
    assert words in refusal.value.message


def nrrd(**fields):
    head = {"type": "uint16", "dimension": 2, "sizes": "300 162", "encoding": "raw", "endian": "little"} | fields
    lines = [f"{name.replace('_', ' ')}: {value}" for name, value in head.items() if value is not None]
    return ("NRRD0004\n" + "\n".join(lines) + "\n\n").encode() + sample_pixels(bits=12).astype("<u2").tobytes()


def meta_image(**fields):
    head = {"ObjectType": "Image", "NDims": 2, "BinaryData": "True", "BinaryDataByteOrderMSB": "False",
            "TransformMatrix": "1 0 0 1", "DimSize": "300 162", "ElementType": "MET_USHORT"}  # fmt: skip
    lines = [f"{name} = {value}" for name, value in (head | fields | {"ElementDataFile": "LOCAL"}).items()]
    return ("\n".join(lines) + "\n").encode() + sample_pixels(bits=12).astype("<u2").tobytes()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (nrrd(space_dimension=2, space_directions="(1,0) (0.5,1)"), "sheared frame"),
        (nrrd(encoding="bzip2"), "encoding bzip2"),
        (nrrd(endian=None), "endian"),
        (nrrd(type="block"), "type block"),
        (meta_image(TransformMatrix="1 0 0.5 1"), "sheared frame"),
        (meta_image(BinaryData="False"), "as text"),
    ],
)
def test_what_the_header_asks_for_is_named(tmp_path, content, words):
    (tmp_path / "film").write_bytes(content)
    with pytest.raises(InputError) as refusal:
        read_radiograph(tmp_path / "film")
    assert words in refusal.value.message


def test_plain_headers_are_read(tmp_path):
    for content in (nrrd(), meta_image(), nrrd(space_dimension=2, space_directions="(1,0.001) (0,1)")):
        (tmp_path / "film").write_bytes(content)
        np.testing.assert_array_equal(read_radiograph(tmp_path / "film").pixels, sample_pixels(bits=12))
