"""Damaged copies of real files: whatever is broken, only our own errors come out, and nothing is printed."""

from __future__ import annotations

import random
import struct
import warnings

import numpy as np
import pytest
import SimpleITK
from PIL import Image
from radiograph_files import deep_png, dicom_dataset, picture_bytes, sample_pixels
from tiff_writer import tiff_bytes

from Xray2MRILib.errors import InputError, ProcessingError
from Xray2MRILib.radiograph.reading import read_radiograph

CASES_PER_FILE = 30
TIFF_KINDS = {
    "double.tif": {"orientation": 6, "rows_per_strip": 9},
    "half.tif": {"compression": "deflate", "predictor": 3},
    "tiled.tif": {"compression": "deflate", "tile": 16, "planar": True},
    "packbits.tif": {"compression": "packbits", "orientation": 7, "big_endian": True},
    "white.tif": {"compression": "lzw", "photometric": 0, "orientation": 3},
}
KINDS = (
    "png", "deep.png", "colour.png", "alpha.png", "jpg", "mpo.jpg", "tif", "lzw.tif", "colour.tif", *TIFF_KINDS, "webp",
    "nrrd", "packed.nrrd", "nii", "scaled.nii", "nii.gz", "mha", "packed.mha", "dcm", "table.dcm", "shutter.dcm",
    "palette.dcm", "rle.dcm", "j2k.dcm", "lossless.dcm",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("films")


def whole_file(kind: str, folder) -> bytes:
    """A small piece of a real radiograph as a file of one kind."""
    deep = np.ascontiguousarray(sample_pixels(bits=12)[60:124, 100:180])
    grey = (deep >> 4).astype(np.uint8)
    ending = kind.split(".")[-1]
    pictures = {"png": "PNG", "jpg": "JPEG", "tif": "TIFF", "webp": "WEBP"}
    if kind == "lzw.tif":
        return picture_bytes(grey, "TIFF", compression="tiff_lzw")
    if kind == "deep.png":
        return picture_bytes(deep, "PNG")
    if kind in pictures:
        return picture_bytes(grey, pictures[kind])
    if kind in TIFF_KINDS:
        return tiff_bytes(tiff_pixels(kind, deep), **TIFF_KINDS[kind])
    if kind == "alpha.png":
        return deep_png(np.stack([deep, deep], -1))
    path = folder / f"whole.{kind}"
    if kind == "mpo.jpg":
        Image.fromarray(grey).save(path, "MPO", save_all=True, append_images=[Image.fromarray(grey[::2, ::2])])
        return path.read_bytes()
    if kind in ("table.dcm", "shutter.dcm", "palette.dcm"):
        special_dicom(kind, deep).save_as(path, enforce_file_format=True)
        return path.read_bytes()
    if kind in ("dcm", "rle.dcm", "j2k.dcm"):
        from pydicom.uid import JPEG2000Lossless, RLELossless

        dataset = dicom_dataset(deep, 12, WindowCenter=2000, WindowWidth=3500, PatientOrientation=["L", "F"])
        if kind != "dcm":
            dataset.compress(RLELossless if kind == "rle.dcm" else JPEG2000Lossless)
        dataset.save_as(path, enforce_file_format=True)
        return path.read_bytes()
    image = SimpleITK.GetImageFromArray(deep)
    if kind.startswith("colour"):
        image = SimpleITK.GetImageFromArray(np.stack([deep] * 3, -1), isVector=True)
    image.SetMetaData("0008|0060", "CR")
    writer = SimpleITK.ImageFileWriter()
    writer.SetFileName(str(path))
    writer.SetUseCompression(kind.startswith(("packed", "lossless")))
    if ending == "dcm":
        writer.SetCompressor("JPEG")
    writer.Execute(image)
    content = bytearray(path.read_bytes())
    if kind == "scaled.nii":
        content[112:120] = struct.pack("<2f", 2.5, -100)
    return bytes(content)


def tiff_pixels(kind: str, deep: np.ndarray) -> np.ndarray:
    forms = {"double.tif": deep / 7.0, "half.tif": deep.astype(np.float16), "tiled.tif": np.stack([deep] * 3, -1)}
    return forms.get(kind, deep)


def special_dicom(kind: str, deep: np.ndarray):
    """Left-aligned with table and padding, shuttered with pixels that are not square, and with a colour table."""
    from pydicom.dataset import Dataset

    if kind == "table.dcm":
        item = Dataset()
        item.LUTDescriptor = [4096, 0, 8]
        item.LUTData = (np.arange(4096) >> 4).astype("<u2").tobytes()
        return dicom_dataset(
            (deep << 4).astype(np.uint16), 12, HighBit=15, VOILUTSequence=[item], PixelPaddingValue=0, RescaleSlope=1
        )
    if kind == "shutter.dcm":
        return dicom_dataset(
            deep.astype(np.int16), 16, ShutterShape=["CIRCULAR", "POLYGONAL"], CenterOfCircularShutter=[32, 40],
            RadiusOfCircularShutter=38, VerticesOfThePolygonalShutter=[1, 1, 1, 80, 64, 80, 64, 1],
            ImagerPixelSpacing=[0.2, 0.25], PresentationLUTShape="INVERSE", PixelPaddingValue=7,
        )  # fmt: skip
    table = (np.arange(256) * 257).astype("<u2").tobytes()
    colours = {}
    for colour in ("Red", "Green", "Blue"):
        colours[f"{colour}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        colours[f"{colour}PaletteColorLookupTableData"] = table
    return dicom_dataset((deep >> 4).astype(np.uint8), PhotometricInterpretation="PALETTE COLOR", **colours)


def damage(content: bytes, rng: random.Random) -> bytes:
    """Flip, overwrite, delete, repeat or cut; half of the places lie in the first 400 bytes."""
    data = bytearray(content)
    for _ in range(rng.choice([1, 2, 5, 20])):
        place = rng.randrange(len(data) if rng.random() < 0.5 else min(len(data), 400))
        match rng.randrange(6):
            case 0:
                data[place] = rng.randrange(256)
            case 1:
                data[place] ^= 1 << rng.randrange(8)
            case 2:
                data[place : place + 4] = rng.choice([b"\xff" * 4, bytes(4), b"\x80\0\0\0", b"\x7f\xff\xff\xff"])
            case 3:
                del data[place : place + rng.randrange(1, 60)]
            case 4:
                data[place:place] = data[place // 2 : place // 2 + rng.randrange(1, 60)]
            case _:
                data = data[: max(200, place)] if rng.random() < 0.3 else data
    return bytes(data)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files(kind, folder, capfd):
    whole = whole_file(kind, folder)
    path = folder / f"film.{kind}"
    path.write_bytes(whole)
    read_radiograph(path)
    rng = random.Random(f"{kind} 2026")
    radiographs, refusals = [], []
    for _ in range(CASES_PER_FILE):
        path.write_bytes(damage(whole, rng))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                radiographs.append(read_radiograph(path))
            except (InputError, ProcessingError) as error:
                refusals.append(error)
    assert refusals
    for error in refusals:
        assert path.name in error.message
        assert "\n" not in error.sentence()
    for radiograph in radiographs:
        assert radiograph.pixels.dtype == np.float32
        assert np.isfinite(radiograph.pixels).all()
        assert radiograph.pixels.max() > radiograph.pixels.min()
    assert not any(capfd.readouterr())


def test_there_are_enough_cases():
    assert CASES_PER_FILE * len(KINDS) >= 800
