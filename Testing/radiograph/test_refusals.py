"""Files that are no radiograph: one sentence with file, fault and remedy, and nothing on any stream."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib

import numpy as np
import pytest
import SimpleITK
from PIL import Image
from radiograph_files import dicom_dataset, picture_bytes, sample_path, sample_pixels, write_dicom

from Xray2MRILib.errors import InputError
from Xray2MRILib.radiograph.reading import read_radiograph


@pytest.fixture
def refused(tmp_path, capfd):
    """Reads content written under a name and returns the refusal after checking its form."""

    def read(name, content=None):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(InputError) as refusal:
            read_radiograph(path)
        error = refusal.value
        sentence = error.sentence()
        assert name in error.message
        assert error.exit_code == 2
        assert error.hint
        assert "\n" not in sentence
        assert str(tmp_path) not in sentence
        assert error.message.endswith(".")
        assert not any(capfd.readouterr())
        return error

    return read


def test_missing(refused):
    assert "does not exist" in refused("film.dcm").message


def test_folder(refused, tmp_path):
    (tmp_path / "films.dcm").mkdir()
    assert "is a folder" in refused("films.dcm").message


def test_pipe_is_not_waited_for(refused, tmp_path):
    os.mkfifo(tmp_path / "film.png")
    assert "not a regular file" in refused("film.png").message


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything")
def test_forbidden(refused, tmp_path):
    (tmp_path / "film.png").write_bytes(b"x")
    (tmp_path / "film.png").chmod(0)
    assert "permission denied" in refused("film.png").message


def test_impossible_names(tmp_path):
    for name in ("a\0b", "x" * 5000):
        with pytest.raises(InputError):
            read_radiograph(name)


@pytest.mark.parametrize("ending", ["dcm", "png", "jpg", "tif", "webp", "nrrd", "nii.gz", "mha"])
def test_empty(refused, ending):
    assert "is empty" in refused(f"film.{ending}", b"").message


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.pdf", b"%PDF-1.7\n1 0 obj\n", "PDF document"),
        ("b.dcm", b"Dear colleague,\nthe knee\n" * 40, "text file"),
        ("c.png", b"<html><body>Sign in</body></html>" * 10, "text file"),
        ("d.gif", b"GIF89a" + bytes(300), "GIF"),
        ("e.npy", b"\x93NUMPY" + bytes(300), "numpy"),
        ("f.bin", bytes(5000), "unknown type"),
        ("g.h5", b"\x89HDF\r\n\x1a\n" + bytes(300), "HDF5"),
        ("h.pt", b"\x80\x02}q\0(X" + bytes(300), "unknown type"),
        ("i.jp2", b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(300), "JPEG 2000"),
        ("j.dcm", b"\x00", "unknown type"),
        ("k.nii", b"\x5c\x01\0\0" + bytes(340) + b"ni1\0" + bytes(300), "second file"),
    ],
)
def test_foreign_files(refused, name, content, words):
    assert words in refused(name, content).message


def test_zip_archives(refused, tmp_path):
    with zipfile.ZipFile(tmp_path / "films.zip", "w") as archive:
        archive.writestr("film.png", picture_bytes(sample_pixels(), "PNG"))
    content = bytearray((tmp_path / "films.zip").read_bytes())
    assert "zip archive" in refused("films.zip").message
    content[6] |= 1  # the flag of an encrypted member
    assert refused("locked.zip", bytes(content)).code == "protected-radiograph"


def test_encrypted_documents(refused):
    pdf = b"%PDF-1.6\n" + bytes(range(256)) * 40 + b"\ntrailer << /Encrypt 5 0 R >>\n%%EOF"
    assert refused("film.pdf", pdf).code == "protected-radiograph"
    envelope = bytes.fromhex("30820400 06092a864886f70d010703 a0820300".replace(" ", "")) + bytes(500)
    assert refused("film.dcm", envelope).code == "protected-radiograph"


def encoded(ending: str, folder) -> bytes:
    pixels = sample_pixels(bits=12)
    path = folder / f"whole.{ending}"
    if ending == "dcm":
        write_dicom(path, pixels, 12)
    elif ending in ("nrrd", "nii", "nii.gz", "mha"):
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(pixels), str(path))
    else:
        Image.fromarray(sample_pixels()).save(path)
    return path.read_bytes()


@pytest.mark.parametrize("cut", [0.3, 0.7, 0.97])
@pytest.mark.parametrize("ending", ["dcm", "png", "jpg", "tif", "webp", "nrrd", "nii", "nii.gz", "mha"])
def test_truncated(refused, tmp_path, ending, cut):
    whole = encoded(ending, tmp_path)
    assert refused(f"film.{ending}", whole[: int(cut * len(whole))]).code == "damaged-radiograph"


@pytest.mark.parametrize("format_name", ["TIFF", "PNG", "WEBP", "GIF"])
def test_several_pictures(refused, format_name):
    first, second = Image.fromarray(sample_pixels()), Image.fromarray(sample_pixels("kl0_left.webp"))
    content = picture_bytes(np.asarray(first), format_name, save_all=True, append_images=[second])
    assert refused("film", content).code == ("not-a-radiograph" if format_name == "GIF" else "multi-frame")


def test_multi_frame_dicom(refused, tmp_path):
    frames = np.stack([sample_pixels()] * 3)
    dataset = dicom_dataset(frames[0], NumberOfFrames=3)
    dataset.PixelData = frames.tobytes()
    dataset.save_as(tmp_path / "film.dcm", enforce_file_format=True)
    error = refused("film.dcm")
    assert (error.code, "3 frames" in error.message) == ("multi-frame", True)


@pytest.mark.parametrize(
    ("elements", "words"),
    [
        ({"Modality": "CT", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"}, "CT slice"),
        ({"Modality": "MR"}, "MR slice"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.4"}, "MR slice"),
        ({"Modality": "US"}, "ultrasound"),
        ({"Modality": "SR", "PixelData": None, "Rows": None}, "structured report"),
        ({"Modality": "QQ"}, "another kind"),
        ({"PixelData": None}, "contains no image"),
        ({"Rows": None, "PixelData": None}, "contains no image"),
    ],
)
def test_other_dicom_objects(refused, tmp_path, elements, words):
    write_dicom(tmp_path / "film.dcm", sample_pixels(), **elements)
    error = refused("film.dcm")
    assert (error.code, words in error.message) == ("not-a-radiograph", True)


def test_real_mr_slice(refused, tmp_path):
    """A slice with the header of a scanner rather than a renamed radiograph."""
    image = SimpleITK.GetImageFromArray(sample_pixels(bits=12))
    image.SetMetaData("0008|0060", "MR")
    image.SetMetaData("0008|0016", "1.2.840.10008.5.1.4.1.1.4")
    SimpleITK.WriteImage(image, str(tmp_path / "slice.dcm"))
    assert "MR slice" in refused("slice.dcm").message


def test_encrypted_dicom(refused, tmp_path):
    from pydicom.dataset import Dataset

    item = Dataset()
    item.EncryptedContentTransferSyntaxUID = "1.2.840.10008.1.2"
    item.EncryptedContent = bytes(64)
    write_dicom(tmp_path / "film.dcm", sample_pixels(), PixelData=None, Rows=None, EncryptedAttributesSequence=[item])
    assert refused("film.dcm").code == "protected-radiograph"


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.102", "1.2.840.10008.1.2.4.61", "1.2.3.4.5"])
def test_no_decoder(refused, tmp_path, syntax):
    from pydicom.encaps import encapsulate

    dataset = dicom_dataset(sample_pixels())
    dataset.PixelData = encapsulate([bytes(100)])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(tmp_path / "film.dcm", enforce_file_format=True, implicit_vr=False, little_endian=True)
    assert refused("film.dcm").code == "no-decoder"


@pytest.mark.parametrize("ending", ["nrrd", "nii.gz", "mha"])
def test_volumes(refused, tmp_path, ending):
    volume = np.stack([sample_pixels()] * 4)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(volume), str(tmp_path / f"knee.{ending}"))
    error = refused(f"knee.{ending}")
    assert (error.code, "300 x 162 x 4" in error.message) == ("volume-not-radiograph", True)


def test_detached_pixels_are_not_followed(refused, tmp_path):
    (tmp_path / "pixels.raw").write_bytes(sample_pixels().tobytes())
    nrrd = b"NRRD0004\ntype: uint8\ndimension: 2\nsizes: 300 162\nencoding: raw\ndata file: pixels.raw\n\n"
    assert "second file" in refused("film.nhdr", nrrd).message
    mhd = b"ObjectType = Image\nNDims = 2\nDimSize = 300 162\nElementType = MET_UCHAR\nElementDataFile = pixels.raw\n"
    assert "second file" in refused("film.mhd", mhd).message


@pytest.mark.parametrize("ending", ["png", "dcm", "nrrd", "tif"])
@pytest.mark.parametrize("shape", [(1, 1), (31, 400), (400, 31)])
def test_too_small(refused, tmp_path, ending, shape):
    write(tmp_path / f"film.{ending}", np.arange(np.prod(shape), dtype=np.uint8).reshape(shape))
    assert refused(f"film.{ending}").code == "radiograph-too-small"


@pytest.mark.parametrize("ending", ["png", "dcm", "nrrd", "tif"])
def test_blank(refused, tmp_path, ending):
    write(tmp_path / f"film.{ending}", np.full((64, 64), 9, np.uint8))
    assert refused(f"film.{ending}").code == "blank-radiograph"


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("ending", ["nrrd", "tif"])
def test_not_finite(refused, tmp_path, ending, value):
    pixels = sample_pixels().astype(np.float32)
    pixels[3, 4] = value
    write(tmp_path / f"film.{ending}", pixels)
    assert refused(f"film.{ending}").code == "not-finite-radiograph"


def write(path, pixels):
    if path.suffix == ".dcm":
        write_dicom(path, pixels)
    elif path.suffix == ".nrrd":
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(pixels), str(path))
    else:
        Image.fromarray(pixels).save(path)


def huge_png() -> bytes:
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


def test_huge_sizes_are_refused_from_the_header(refused, tmp_path):
    """None of these files holds the pixels that its header promises, so none can have been decoded."""
    assert refused("film.png", huge_png()).code == "radiograph-too-large"
    nrrd = b"NRRD0004\ntype: uint16\ndimension: 2\nsizes: 20000 20000\nencoding: raw\nendian: little\n\n"
    assert refused("film.nrrd", nrrd + bytes(100)).code == "radiograph-too-large"
    mha = b"ObjectType = Image\nNDims = 2\nDimSize = 13000 64\nElementType = MET_USHORT\nElementDataFile = LOCAL\n"
    assert refused("film.mha", mha + bytes(100)).code == "radiograph-too-large"
    write_dicom(tmp_path / "film.dcm", sample_pixels(), Rows=11_000, Columns=11_000)
    assert refused("film.dcm").code == "radiograph-too-large"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(sample_pixels()), str(tmp_path / "film.nii"))
    nifti = bytearray((tmp_path / "film.nii").read_bytes())
    nifti[42:46] = struct.pack("<hh", 20_000, 20_000)
    assert refused("film.nii", bytes(nifti)).code == "radiograph-too-large"


def test_names_cannot_break_the_line(tmp_path):
    with pytest.raises(InputError) as refusal:
        read_radiograph(tmp_path / "knee\nError: all is well\x1b[2J.png")
    assert "\n" not in refusal.value.sentence()
    assert "\x1b" not in refusal.value.sentence()


def test_symbolic_link_is_followed(tmp_path):
    (tmp_path / "film.webp").symlink_to(sample_path())
    assert read_radiograph(tmp_path / "film.webp").pixels.shape == (162, 300)
