"""DICOM headers that lack an attribute, contradict themselves or state what cannot be: the attribute is named."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_radiograph import stored
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless
from radiograph_files import dicom_dataset, sample_pixels, write_dicom

from Xray2MRILib.errors import InputError
from Xray2MRILib.radiograph.reading import read_radiograph


def refusal(path) -> InputError:
    with pytest.raises(InputError) as caught:
        read_radiograph(path)
    assert "damaged" not in caught.value.message or caught.value.code == "damaged-radiograph"
    return caught.value


@pytest.mark.parametrize(
    "keyword",
    ["PhotometricInterpretation", "SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"],
)
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_one_missing_attribute_is_named_and_the_picture_is_read(tmp_path, keyword, bits):
    pixels = sample_pixels(bits=bits)
    radiograph = read_radiograph(write_dicom(tmp_path / "film.dcm", pixels, bits, **{keyword: None}))
    np.testing.assert_array_equal(radiograph.pixels, pixels)
    (warning,) = radiograph.record["warnings"]
    assert keyword in warning


def test_missing_photometric_interpretation_leaves_it_to_the_picture(tmp_path):
    pixels = stored()
    for number, turned in enumerate((pixels, 4095 - pixels)):
        path = write_dicom(tmp_path / f"{number}.dcm", turned, 12, PhotometricInterpretation=None)
        np.testing.assert_array_equal(read_radiograph(path).pixels, pixels)


@pytest.mark.filterwarnings("ignore:Invalid value for VR CS")
@pytest.mark.parametrize("term", ["monochrome2 ", "MONOCHROME 2", "GREY"])
def test_loose_terms_are_understood(tmp_path, term):
    path = write_dicom(tmp_path / "film.dcm", sample_pixels(bits=12), 12, PhotometricInterpretation=term)
    np.testing.assert_array_equal(read_radiograph(path).pixels, sample_pixels(bits=12))


@pytest.mark.parametrize("by_plane", [False, True])
@pytest.mark.parametrize("missing", [("PlanarConfiguration",), ("PlanarConfiguration", "PhotometricInterpretation"),
                                     ("PlanarConfiguration", "SamplesPerPixel")])  # fmt: skip
def test_colours_without_attributes(tmp_path, missing, by_plane):
    grey = sample_pixels()
    dataset = dicom_dataset(np.stack([grey] * 3, -1))
    if by_plane:
        dataset.PixelData = np.stack([grey] * 3).tobytes()
    for keyword in missing:
        delattr(dataset, keyword)
    dataset.save_as(tmp_path / "film.dcm", enforce_file_format=True)
    radiograph = read_radiograph(tmp_path / "film.dcm")
    np.testing.assert_allclose(radiograph.pixels, grey, atol=1e-3)
    assert all(keyword in radiograph.record["warnings"][0] for keyword in missing)


def test_compressed_files_without_attributes(tmp_path):
    dataset = dicom_dataset(sample_pixels(bits=12), 12)
    dataset.compress(JPEG2000Lossless)
    for keyword in ("BitsAllocated", "HighBit", "PixelRepresentation", "PhotometricInterpretation"):
        delattr(dataset, keyword)
    dataset.save_as(tmp_path / "film.dcm", enforce_file_format=True)
    np.testing.assert_array_equal(read_radiograph(tmp_path / "film.dcm").pixels, sample_pixels(bits=12))


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        (("Rows",), "Rows"),
        (("Columns",), "Columns"),
        (("Rows", "Columns"), "Rows and Columns"),
        (("SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated"), "SamplesPerPixel"),
    ],
)
def test_what_could_mean_several_things_is_named(tmp_path, missing, named):
    path = write_dicom(tmp_path / "film.dcm", sample_pixels(bits=12), 12, **dict.fromkeys(missing))
    error = refusal(path)
    assert error.code == "missing-attribute"
    assert f"lacks the DICOM attribute {named}." in error.message


def test_missing_transfer_syntax_of_compressed_pixels_is_named(tmp_path):
    dataset = dicom_dataset(sample_pixels())
    dataset.PixelData = encapsulate([bytes(100)])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    del dataset.file_meta
    dataset.save_as(tmp_path / "film.dcm", implicit_vr=False, little_endian=True, enforce_file_format=False)
    assert "TransferSyntaxUID" in refusal(tmp_path / "film.dcm").message


def test_missing_colour_table_is_named(tmp_path):
    path = write_dicom(tmp_path / "film.dcm", sample_pixels(), PhotometricInterpretation="PALETTE COLOR")
    assert "colour table" in refusal(path).message


@pytest.mark.parametrize(("keyword", "value"), [("BitsAllocated", 12), ("SamplesPerPixel", 2)])
def test_impossible_values_are_named(tmp_path, keyword, value):
    path = write_dicom(tmp_path / "film.dcm", sample_pixels(bits=12), 12, **{keyword: value})
    assert f"{keyword} {value}" in refusal(path).message


def test_the_gap_in_the_pixels_is_named(tmp_path):
    pixels = sample_pixels(bits=12)
    path = write_dicom(tmp_path / "film.dcm", pixels, 12, PixelData=pixels.tobytes()[:50_000])
    error = refusal(path)
    assert (error.code, "50000 of 97200 bytes" in error.message) == ("damaged-radiograph", True)


def test_twice_the_pixels_are_not_garbled(tmp_path):
    """16-bit values in a file that states 8: every second pixel would be a low byte."""
    path = write_dicom(tmp_path / "film.dcm", sample_pixels(bits=12), BitsAllocated=8, BitsStored=8, HighBit=7)
    assert "BitsAllocated" in refusal(path).message


# contradictions


@pytest.mark.parametrize(
    ("term", "elements"),
    [
        ("MONOCHROME2", {"PresentationLUTShape": "INVERSE"}),
        ("MONOCHROME1", {"PresentationLUTShape": "IDENTITY"}),
        ("MONOCHROME2", {"PixelIntensityRelationshipSign": 1}),
        ("MONOCHROME1", {"PixelIntensityRelationshipSign": -1}),
    ],
)
@pytest.mark.parametrize("dark_bone", [False, True])
def test_contradicting_fields_leave_it_to_the_picture(tmp_path, term, elements, dark_bone):
    pixels = stored()
    turned = (4095 - pixels).astype(np.uint16) if dark_bone else pixels
    radiograph = read_radiograph(
        write_dicom(tmp_path / "film.dcm", turned, 12, PhotometricInterpretation=term, **elements)
    )
    np.testing.assert_array_equal(radiograph.pixels, pixels)
    assert (radiograph.record["inverted"], radiograph.record["inversion_source"]) == (dark_bone, "picture")
    (warning,) = radiograph.record["warnings"]
    assert (term in warning, warning.field) == (True, "photometric")
    answered = read_radiograph(tmp_path / "film.dcm", photometric="inverted" if dark_bone else "normal")
    np.testing.assert_array_equal(answered.pixels, pixels)
    assert answered.record["warnings"] == []


@pytest.mark.parametrize(
    ("term", "shape", "sign"),
    [("MONOCHROME1", "INVERSE", 1), ("MONOCHROME2", "IDENTITY", -1), ("MONOCHROME2", "", None)],
)
def test_agreeing_fields_are_believed(tmp_path, term, shape, sign):
    elements = {"PresentationLUTShape": shape} | ({} if sign is None else {"PixelIntensityRelationshipSign": sign})
    pixels = stored() if term == "MONOCHROME2" else (4095 - stored()).astype(np.uint16)
    radiograph = read_radiograph(
        write_dicom(tmp_path / "film.dcm", pixels, 12, PhotometricInterpretation=term, **elements)
    )
    np.testing.assert_array_equal(radiograph.pixels, stored())
    assert (radiograph.record["inversion_source"], radiograph.record["warnings"]) == ("header", [])


def test_another_head_in_the_preamble(tmp_path):
    whole = write_dicom(tmp_path / "film.dcm", sample_pixels(bits=12), 12).read_bytes()
    for head in (
        b"II*\0\x08\0\0\0",
        b"MM\0*\0\0\0\x08",
        b"\xff\xd8\xff\xe0",
        b"\x89PNG\r\n\x1a\n",
        b"%PDF-1.4",
        b"NRRD0004\n",
    ):
        (tmp_path / "dual.dcm").write_bytes(head.ljust(128, b"\0") + whole[128:])
        np.testing.assert_array_equal(read_radiograph(tmp_path / "dual.dcm").pixels, sample_pixels(bits=12))
