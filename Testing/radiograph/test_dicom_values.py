"""Stored bits, padding, shutters, lookup tables and rescaling of DICOM radiographs, each against numbers by hand."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_radiograph import stored
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian, RLELossless
from radiograph_files import dicom_dataset, sample_pixels, write_dicom

from Xray2MRILib.localization.localize import localize_knees
from Xray2MRILib.radiograph.reading import read_radiograph

UNUSED = "not used"


# stored bits


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("bits", "high_bit"), [(12, 11), (12, 15), (12, 13), (10, 15), (14, 15), (8, 15), (8, 11)])
def test_bits_lie_below_the_high_bit(tmp_path, bits, high_bit, signed):
    pixels = sample_pixels(bits=bits).astype(np.int32) - ((1 << (bits - 1)) if signed else 0)
    words = (pixels << (high_bit + 1 - bits)).astype(np.int16 if signed else np.uint16)
    path = write_dicom(tmp_path / "film.dcm", words, bits, HighBit=high_bit)
    np.testing.assert_array_equal(read_radiograph(path).pixels, pixels)


def test_left_aligned_bits_under_rle(tmp_path):
    dataset = dicom_dataset((sample_pixels(bits=12) << 4).astype(np.uint16), 12, HighBit=15)
    dataset.compress(RLELossless)
    dataset.save_as(tmp_path / "film.dcm", enforce_file_format=True)
    np.testing.assert_array_equal(read_radiograph(tmp_path / "film.dcm").pixels, sample_pixels(bits=12))


def test_values_that_fit_are_right_aligned_whatever_the_high_bit(tmp_path):
    path = write_dicom(tmp_path / "film.dcm", sample_pixels(bits=12), 12, HighBit=15)
    np.testing.assert_array_equal(read_radiograph(path).pixels, sample_pixels(bits=12))


def test_bits_beyond_those_stated_are_taken_with_a_word(tmp_path):
    """A header of 8 bits over 12: the low bytes alone would be stripes."""
    radiograph = read_radiograph(write_dicom(tmp_path / "film.dcm", sample_pixels(bits=12), 8))
    np.testing.assert_array_equal(radiograph.pixels, sample_pixels(bits=12))
    assert "BitsStored is 8, but the pixels use 12 bits" in radiograph.record["warnings"][0]


# padding


@pytest.mark.parametrize(
    ("value", "written", "bits", "kind"),
    [
        (-32768, ("US", 32768), 16, np.int16),
        (-32768, ("SS", -32768), 16, np.int16),
        (-2000, ("US", 63536), 16, np.int16),
        (-2000, ("SS", -2000), 16, np.int16),
        (-2048, ("US", 63488), 12, np.int16),
        (-2048, ("US", 2048), 12, np.int16),
        (65535, ("SS", -1), 16, np.uint16),
        (65535, ("US", 65535), 16, np.uint16),
        (4095, ("US", 4095), 12, np.uint16),
        (0, ("US", 0), 12, np.uint16),
    ],
)
def test_padding_of_either_sign(tmp_path, value, written, bits, kind):
    pixels = (stored().astype(np.int32) // 2 + (100 if kind == np.uint16 else -1000)).astype(kind)
    padded = pixels.copy()
    padded[:, :40] = value
    dataset = dicom_dataset(padded, bits)
    dataset.add_new(0x00280120, *written)
    dataset.save_as(tmp_path / "film.dcm", enforce_file_format=True)
    radiograph = read_radiograph(tmp_path / "film.dcm")
    inside = pixels[:, 40:]
    np.testing.assert_array_equal(radiograph.pixels[:, 40:], inside)
    assert (radiograph.pixels[:, :40] == inside.min()).all()


def test_padding_beyond_the_stored_bits(tmp_path):
    """The word is 65535, the stored bits alone would be white bone of the value 4095."""
    pixels = stored()
    padded = pixels.copy()
    padded[:, :40] = 65535
    radiograph = read_radiograph(write_dicom(tmp_path / "film.dcm", padded, 12, PixelPaddingValue=65535))
    np.testing.assert_array_equal(radiograph.pixels[:, 40:], pixels[:, 40:])
    assert (radiograph.pixels[:, :40] == pixels[:, 40:].min()).all()


def test_range_of_padding(tmp_path):
    pixels = stored() // 2 + 1000
    padded = pixels.copy()
    padded[:, :20], padded[:, 20:40] = 3, 9
    path = write_dicom(tmp_path / "film.dcm", padded, 12, PixelPaddingValue=0, PixelPaddingRangeLimit=10)
    assert (read_radiograph(path).pixels[:, :40] == pixels[:, 40:].min()).all()


# shutters


@pytest.mark.parametrize(
    ("elements", "hidden"),
    [
        (
            {"ShutterShape": "RECTANGULAR", "ShutterLeftVerticalEdge": 21, "ShutterRightVerticalEdge": 280,
             "ShutterUpperHorizontalEdge": 11, "ShutterLowerHorizontalEdge": 310},
            lambda row, column: (column < 21) | (column > 280) | (row < 11) | (row > 310),
        ),
        (
            {"ShutterShape": "CIRCULAR", "CenterOfCircularShutter": [160, 150], "RadiusOfCircularShutter": 140},
            lambda row, column: (row - 160) ** 2 + (column - 150) ** 2 > 140**2,
        ),
        (
            {"ShutterShape": "POLYGONAL", "VerticesOfThePolygonalShutter": [11, 21, 11, 280, 310, 280, 310, 21]},
            lambda row, column: (column < 21) | (column > 280) | (row < 11) | (row > 310),
        ),
    ],
)  # fmt: skip
def test_what_a_shutter_hides_is_no_picture(tmp_path, elements, hidden):
    pixels = stored()
    row, column = np.mgrid[1:321, 1:301]
    mask = hidden(row, column)
    scattered = np.where(mask, 4095, pixels).astype(np.uint16)
    radiograph = read_radiograph(write_dicom(tmp_path / "film.dcm", scattered, 12, **elements))
    np.testing.assert_array_equal(radiograph.pixels[~mask], pixels[~mask])
    assert (radiograph.pixels[mask] == pixels[~mask].min()).all()


NARROW = {"ShutterLeftVerticalEdge": 299, "ShutterRightVerticalEdge": 300,
          "ShutterUpperHorizontalEdge": 1, "ShutterLowerHorizontalEdge": 320}  # fmt: skip


@pytest.mark.parametrize("elements", [{}, NARROW], ids=["no edges", "two columns"])
def test_useless_shutters_hide_nothing(tmp_path, elements):
    path = write_dicom(tmp_path / "film.dcm", stored(), 12, ShutterShape="RECTANGULAR", **elements)
    np.testing.assert_array_equal(read_radiograph(path).pixels, stored())


# lookup tables


def table_item(entries, first, bits, data, vr="OW"):
    item = Dataset()
    item.add_new(0x00283002, "US", [entries, first, bits])
    item.add_new(0x00283006, vr, data)
    item.ModalityLUTType = "US"
    return item


RAMP = np.linspace(0, 1, 4096)
WRITTEN = {
    "8 bits, one a word": (8, (RAMP * 255).astype("<u2").tobytes(), "OW", 255),
    "8 bits, one a byte": (8, (RAMP * 255).astype("u1").tobytes(), "OW", 255),
    "10 bits": (10, (RAMP * 1023).astype("<u2").tobytes(), "OW", 1023),
    "16 bits": (16, (RAMP * 65535).astype("<u2").tobytes(), "OW", 65535),
    "8 bits as numbers": (8, [int(entry) for entry in RAMP * 255], "US", 255),
}


@pytest.mark.parametrize("sequence", ["VOILUTSequence", "ModalityLUTSequence"])
@pytest.mark.parametrize("form", WRITTEN)
def test_straight_tables_change_nothing_but_the_depth(tmp_path, form, sequence):
    bits, data, vr, white = WRITTEN[form]
    path = write_dicom(
        tmp_path / "film.dcm", sample_pixels(bits=12), 12, **{sequence: [table_item(4096, 0, bits, data, vr)]}
    )
    expected = np.floor(RAMP[sample_pixels(bits=12)] * white)
    np.testing.assert_array_equal(read_radiograph(path).pixels, expected)


@pytest.mark.parametrize("one_a_byte", [False, True])
def test_tables_in_big_endian_files(tmp_path, one_a_byte):
    entries = (RAMP * 255).astype(">u2").tobytes()
    if one_a_byte:  # two entries in every word, the first in its low byte
        entries = (RAMP * 255).astype("u1").reshape(-1, 2)[:, ::-1].tobytes()
    dataset = dicom_dataset(sample_pixels(bits=12), 12, VOILUTSequence=[table_item(4096, 0, 8, entries)])
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    dataset.PixelData = sample_pixels(bits=12).byteswap().tobytes()
    dataset.save_as(tmp_path / "film.dcm", enforce_file_format=True)
    expected = np.floor(RAMP[sample_pixels(bits=12)] * 255)
    np.testing.assert_array_equal(read_radiograph(tmp_path / "film.dcm").pixels, expected)


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("first", [-2048, 63488])
def test_first_input_of_a_table_for_signed_pixels(tmp_path, first, implicit):
    pixels = (sample_pixels(bits=12).astype(np.int32) - 2048).astype(np.int16)
    item = Dataset()
    item.add_new(0x00283002, "SS" if first < 0 else "US", [4096, first, 16])
    item.add_new(0x00283006, "OW", (RAMP * 65535).astype("<u2").tobytes())
    if first < 0:
        item["LUTDescriptor"].value = [4096, -2048, 16]
    dataset = dicom_dataset(pixels, 12, VOILUTSequence=[item])
    if implicit:
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dataset.save_as(tmp_path / "film.dcm", enforce_file_format=True)
    expected = np.floor(RAMP[sample_pixels(bits=12)] * 65535)
    np.testing.assert_array_equal(read_radiograph(tmp_path / "film.dcm").pixels, expected)


@pytest.mark.parametrize("sequence", ["VOILUTSequence", "ModalityLUTSequence"])
@pytest.mark.parametrize(
    "item",
    [
        Dataset(),
        table_item(4096, 0, 12, b"\0\1" * 9),
        table_item(4096, 0, 12, bytes(8192)),
        table_item(0, 0, 0, b""),
    ],
    ids=["empty", "cut", "constant", "no entries"],
)
def test_unusable_tables_are_left_out_with_a_word(tmp_path, item, sequence):
    radiograph = read_radiograph(write_dicom(tmp_path / "film.dcm", sample_pixels(bits=12), 12, **{sequence: [item]}))
    np.testing.assert_array_equal(radiograph.pixels, sample_pixels(bits=12))
    (warning,) = radiograph.record["warnings"]
    assert ("table" in warning, UNUSED in warning) == (True, True)


def test_the_second_table_or_the_window_stands_in_for_an_empty_one(tmp_path):
    pixels = sample_pixels(bits=12)
    straight = table_item(4096, 0, 16, (RAMP * 65535).astype("<u2").tobytes())
    path = write_dicom(tmp_path / "a.dcm", pixels, 12, VOILUTSequence=[Dataset(), straight])
    assert read_radiograph(path).record["display"] == {"kind": "table"}
    path = write_dicom(tmp_path / "b.dcm", pixels, 12, VOILUTSequence=[Dataset()], WindowCenter=2000, WindowWidth=4000)
    assert read_radiograph(path).record["display"]["kind"] == "linear"


# rescaling


@pytest.mark.filterwarnings("ignore:Invalid value for VR DS")
@pytest.mark.parametrize(
    ("elements", "slope", "intercept"),
    [
        ({"RescaleSlope": 2}, 2, 0),
        ({"RescaleIntercept": -500}, 1, -500),
        ({"RescaleSlope": 0.25, "RescaleIntercept": 10}, 0.25, 10),
    ],
)
def test_slope_or_intercept_alone(tmp_path, elements, slope, intercept):
    path = write_dicom(tmp_path / "film.dcm", sample_pixels(bits=12), 12, **elements)
    np.testing.assert_allclose(read_radiograph(path).pixels, sample_pixels(bits=12) * float(slope) + intercept)


@pytest.mark.filterwarnings("ignore:Invalid value for VR DS")
@pytest.mark.parametrize("elements", [{"RescaleSlope": 0}, {"RescaleSlope": "nan"}, {"RescaleIntercept": "inf"}])
def test_useless_slopes_are_left_out_with_a_word(tmp_path, elements):
    radiograph = read_radiograph(write_dicom(tmp_path / "film.dcm", sample_pixels(bits=12), 12, **elements))
    np.testing.assert_array_equal(radiograph.pixels, sample_pixels(bits=12))
    assert UNUSED in radiograph.record["warnings"][0]


def test_the_joint_is_found_where_it_is(tmp_path):
    """Every one of these files shows the same drawing, and the box lies where it lies on the plain one."""
    pixels = stored()
    (plain,) = localize_knees(pixels.astype(np.float32))
    shuttered = (30_000 + pixels.astype(np.int32)).astype(np.uint16)
    shuttered[:, :30] = shuttered[:, -30:] = 0
    signed = np.where(np.arange(300) < 30, -32768, pixels.astype(np.int32) - 2000).astype(np.int16)
    eight = table_item(4096, 0, 8, (RAMP * 255).astype("<u2").tobytes())
    for path in (
        write_dicom(tmp_path / "shutter.dcm", shuttered, 16),
        write_dicom(tmp_path / "padding.dcm", signed, 16),
        write_dicom(tmp_path / "table.dcm", pixels, 12, VOILUTSequence=[eight]),
        write_dicom(tmp_path / "bits.dcm", (pixels << 4).astype(np.uint16), 12, HighBit=15),
    ):
        (found,) = localize_knees(read_radiograph(path).pixels)
        assert found.iou(plain) > 0.93, path.name
