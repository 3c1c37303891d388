"""DICOM radiographs: the display chain by hand, another reader (GDCM in SimpleITK) as reference, what the header
tells."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import SimpleITK
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)
from radiograph_files import dicom_dataset, picture_bytes, sample_pixels, write_dicom

from Xray2MRILib.errors import InputError
from Xray2MRILib.radiograph.reading import read_radiograph


def unit(values):
    """Scaled to [0, 1]: radiographs have arbitrary units."""
    values = values.astype(np.float64)
    return (values - values.min()) / (values.max() - values.min())


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_both_monochromes_give_one_picture(tmp_path, bits):
    pixels = sample_pixels(bits=bits)
    white = (1 << bits) - 1
    second = read_radiograph(write_dicom(tmp_path / "a", pixels, bits))
    first = read_radiograph(write_dicom(tmp_path / "b", white - pixels, bits, PhotometricInterpretation="MONOCHROME1"))
    np.testing.assert_allclose(unit(first.pixels), unit(second.pixels), atol=1e-6)
    np.testing.assert_allclose(unit(second.pixels), unit(pixels), atol=1e-6)
    assert (first.record["inverted"], second.record["inverted"]) == (True, False)
    assert second.record["bits"] == bits
    assert first.record["warnings"] == second.record["warnings"] == []


@pytest.mark.parametrize("rescale", [None, (2.5, -300)])
@pytest.mark.parametrize(  # GDCM does not invert signed radiographs
    ("photometric", "signed"), [("MONOCHROME1", False), ("MONOCHROME2", False), ("MONOCHROME2", True)]
)
def test_agrees_with_gdcm(tmp_path, photometric, rescale, signed):
    """SimpleITK turns MONOCHROME1 to bright bone and rescales, as Slicer does."""
    pixels = sample_pixels(bits=12)
    stored = 4095 - pixels if photometric == "MONOCHROME1" else pixels
    stored = stored.astype(np.int16) - 2048 if signed else stored
    elements = {"RescaleSlope": rescale[0], "RescaleIntercept": rescale[1]} if rescale else {}
    elements |= {"PhotometricInterpretation": photometric, "ImagerPixelSpacing": [0.2, 0.3]}
    path = write_dicom(tmp_path / "film.dcm", stored, 12, **elements)
    reference = SimpleITK.ReadImage(str(path))
    radiograph = read_radiograph(path)
    expected = SimpleITK.GetArrayFromImage(reference)[0]
    np.testing.assert_allclose(unit(radiograph.pixels), unit(expected), atol=1e-6)
    assert radiograph.pixel_spacing_mm == pytest.approx(reference.GetSpacing()[1::-1])
    assert radiograph.pixel_spacing_mm == (0.2, 0.3)


def write_compressed(path, pixels, syntax, bits=12):
    dataset = dicom_dataset(pixels, bits)
    if syntax == JPEGBaseline8Bit:
        dataset.PixelData = encapsulate([picture_bytes(pixels, "JPEG", quality=98)])
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = syntax
    else:
        dataset.compress(syntax)
    dataset.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize(("syntax", "words"), [(RLELossless, "RLE"), (JPEG2000Lossless, "JPEG 2000")])
def test_lossless_compression(tmp_path, syntax, words):
    pixels = sample_pixels(bits=12)
    radiograph = read_radiograph(write_compressed(tmp_path / "film.dcm", pixels, syntax))
    np.testing.assert_array_equal(radiograph.pixels, pixels)
    assert radiograph.record["compression"] == words


def test_jpeg_ls(tmp_path):
    pytest.importorskip("jpeg_ls", reason="encoder")
    radiograph = read_radiograph(write_compressed(tmp_path / "film.dcm", sample_pixels(bits=12), JPEGLSLossless))
    np.testing.assert_array_equal(radiograph.pixels, sample_pixels(bits=12))


@pytest.mark.parametrize("compressor", ["JPEG", "JPEG2000"])
def test_files_that_gdcm_compressed(tmp_path, compressor):
    """JPEG lossless (process 14) and JPEG 2000 from another encoder."""
    pixels = sample_pixels(bits=12)
    image = SimpleITK.GetImageFromArray(pixels)
    image.SetMetaData("0008|0060", "CR")
    writer = SimpleITK.ImageFileWriter()
    writer.SetFileName(str(tmp_path / "film.dcm"))
    writer.UseCompressionOn()
    writer.SetCompressor(compressor)
    writer.Execute(image)
    radiograph = read_radiograph(tmp_path / "film.dcm")
    np.testing.assert_array_equal(radiograph.pixels, pixels)
    assert radiograph.record["compression"].startswith("JPEG")


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless, JPEGBaseline8Bit])
@pytest.mark.parametrize("edge", [0, 20_000])
def test_stream_of_another_size_is_not_decoded(tmp_path, syntax, edge):
    """A decoder that believes such a stream takes all memory there is."""
    pixels = sample_pixels(bits=12 if syntax == JPEG2000Lossless else 8)
    if syntax == JPEGLSLossless:
        pytest.importorskip("jpeg_ls", reason="encoder")
    path = write_compressed(tmp_path / "film.dcm", pixels, syntax, bits=12 if syntax == JPEG2000Lossless else 8)
    assert read_radiograph(path).record["compression"] != "none"
    content = path.read_bytes()
    form, size = (">I", (300, 162)) if syntax == JPEG2000Lossless else (">H", (162, 300))
    stated = b"".join(struct.pack(form, length) for length in size)
    assert stated in content
    path.write_bytes(content.replace(stated, b"".join(struct.pack(form, length) for length in (edge, 300)), 1))
    with pytest.raises(InputError) as refusal:
        read_radiograph(path)
    assert refusal.value.code == "damaged-radiograph"


def test_baseline_jpeg(tmp_path):
    radiograph = read_radiograph(write_compressed(tmp_path / "film.dcm", sample_pixels(), JPEGBaseline8Bit, bits=8))
    assert np.abs(radiograph.pixels - sample_pixels()).mean() < 1


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_other_encodings(tmp_path, syntax):
    pixels = sample_pixels(bits=12)
    dataset = dicom_dataset(pixels, 12)
    dataset.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = pixels.byteswap().tobytes()
    dataset.save_as(tmp_path / "film", enforce_file_format=True)
    np.testing.assert_array_equal(read_radiograph(tmp_path / "film").pixels, pixels)


@pytest.mark.parametrize("implicit", [True, False])
def test_file_without_preamble(tmp_path, implicit):
    pixels = sample_pixels(bits=12)
    dataset = dicom_dataset(pixels, 12)
    del dataset.file_meta
    dataset.save_as(tmp_path / "film", implicit_vr=implicit, little_endian=True, enforce_file_format=False)
    np.testing.assert_array_equal(read_radiograph(tmp_path / "film").pixels, pixels)


def test_spare_bits_are_ignored(tmp_path):
    """Old files keep an overlay in the bits above BitsStored."""
    pixels = sample_pixels(bits=12)
    dirty = pixels | (np.eye(*pixels.shape, dtype=np.uint16) << 13)
    np.testing.assert_array_equal(read_radiograph(write_dicom(tmp_path / "film", dirty, 12)).pixels, pixels)


def test_linear_window_by_hand(tmp_path):
    """PS3.3 C.11.2.1.2.1: centre 2000, width 1601 shows 1200 to 2800."""
    pixels = sample_pixels(bits=12)
    radiograph = read_radiograph(write_dicom(tmp_path / "film", pixels, 12, WindowCenter=2000, WindowWidth=1601))
    expected = (pixels - (2000 - 0.5)) / 1600 + 0.5
    expected[pixels <= 2000 - 0.5 - 800] = 0
    expected[pixels > 2000 - 0.5 + 800] = 1
    np.testing.assert_allclose(radiograph.pixels, expected, atol=1e-5)
    assert radiograph.record["display"] == {"kind": "linear", "window": [2000.0, 1601.0]}


def test_window_applies_after_rescaling(tmp_path):
    pixels = sample_pixels(bits=12)
    radiograph = read_radiograph(
        write_dicom(
            tmp_path / "film", pixels, 12, RescaleSlope=0.5, RescaleIntercept=-100,
            WindowCenter=[400, 10], WindowWidth=[800, 20], VOILUTFunction="LINEAR_EXACT",
        )
    )  # fmt: skip
    np.testing.assert_allclose(radiograph.pixels, np.clip((0.5 * pixels - 100.0) / 800, 0, 1), atol=1e-5)


def test_sigmoid_window_by_hand(tmp_path):
    pixels = sample_pixels(bits=12)
    radiograph = read_radiograph(
        write_dicom(tmp_path / "film", pixels, 12, WindowCenter=1500, WindowWidth=1000, VOILUTFunction="SIGMOID")
    )
    np.testing.assert_allclose(radiograph.pixels, 1 / (1 + np.exp(-4 * (pixels - 1500.0) / 1000)), atol=1e-5)


@pytest.mark.filterwarnings("ignore:Invalid value for VR DS")
@pytest.mark.parametrize("window", [(3990, 20), (100_000, 5), (0, 0), ("nan", 10)])
def test_useless_window_is_not_used(tmp_path, window):
    pixels = sample_pixels(bits=12)
    path = write_dicom(tmp_path / "film", pixels, 12, WindowCenter=window[0], WindowWidth=window[1])
    np.testing.assert_array_equal(read_radiograph(path).pixels, pixels)


def lookup_table(table, first, bits):
    item = Dataset()
    item.LUTDescriptor = [len(table) % 65536, first, bits]
    item.LUTData = np.asarray(table, np.uint16).tobytes()
    return item


def test_lookup_tables_by_hand(tmp_path):
    """The modality table maps 1000..3047 to a square root, the VOI table turns that around; ends are held."""
    pixels = sample_pixels(bits=12)
    modality = np.round(np.sqrt(np.arange(2048)) * 10).astype(int)
    voi = 255 - np.arange(512) // 2
    item = lookup_table(modality, 1000, 16)
    item.ModalityLUTType = "US"
    radiograph = read_radiograph(
        write_dicom(
            tmp_path / "film", pixels, 12, PhotometricInterpretation="MONOCHROME1",
            ModalityLUTSequence=[item], VOILUTSequence=[lookup_table(voi, 0, 16)],
        )
    )  # fmt: skip
    after_modality = modality[np.clip(pixels.astype(int) - 1000, 0, 2047)]
    expected = voi[np.clip(after_modality, 0, 511)]
    np.testing.assert_array_equal(radiograph.pixels, expected.max() + expected.min() - expected)
    assert radiograph.record["display"] == {"kind": "table"}


def test_padding_becomes_the_darkest_level(tmp_path):
    pixels = sample_pixels(bits=12)
    padded = pixels.copy()
    padded[:, :20], padded[-10:] = 4095, 4095  # would be the brightest
    radiograph = read_radiograph(write_dicom(tmp_path / "film", padded, 12, PixelPaddingValue=4095))
    inside = pixels[:-10, 20:]
    np.testing.assert_array_equal(radiograph.pixels[:-10, 20:], inside)
    assert (radiograph.pixels[:, :20] == inside.min()).all()


def test_colour_and_palette(tmp_path):
    grey = sample_pixels()
    radiograph = read_radiograph(write_dicom(tmp_path / "a", np.stack([grey] * 3, -1)))
    np.testing.assert_allclose(radiograph.pixels, grey, atol=1e-3)
    table = (np.arange(256) * 257).astype(np.uint16).tobytes()
    palette = {}
    for colour in ("Red", "Green", "Blue"):
        palette[f"{colour}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        palette[f"{colour}PaletteColorLookupTableData"] = table
    radiograph = read_radiograph(
        write_dicom(tmp_path / "b", grey, PhotometricInterpretation="PALETTE COLOR", **palette)
    )
    np.testing.assert_allclose(unit(radiograph.pixels), unit(grey), atol=1e-5)
