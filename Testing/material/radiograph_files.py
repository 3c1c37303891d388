"""Real sample radiographs as arrays, and DICOM files made from them for the tests of reading."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from Xray2MRILib.files.resources import resource_path


def sample_path(name: str = "kl2_left.webp") -> Path:
    return resource_path(f"samples/{name}")


def sample_pixels(name: str = "kl2_left.webp", bits: int = 8) -> np.ndarray:
    """A shipped radiograph [H, W], its 8 bits spread over so many bits with neighbouring values filled in."""
    grey = np.asarray(Image.open(sample_path(name)).convert("L")).astype(np.uint16)
    if bits == 8:
        return grey.astype(np.uint8)
    ramp = (np.arange(grey.shape[1]) * 7) % (1 << (bits - 8))  # so that low bits matter
    return ((grey << (bits - 8)) + ramp[None, :]).astype(np.uint16)


def dicom_dataset(pixels: np.ndarray, bits: int | None = None, **elements: Any):
    """A computed radiograph, explicit little endian; ``elements`` are added to it or replace its own, None removes."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["film"])
    dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID
    dataset.Modality = "CR"
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = pixels.shape[2] if pixels.ndim == 3 else 1
    dataset.PhotometricInterpretation = "RGB" if pixels.ndim == 3 else "MONOCHROME2"
    if pixels.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = 8 * pixels.dtype.itemsize
    dataset.BitsStored = bits or dataset.BitsAllocated
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(np.issubdtype(pixels.dtype, np.signedinteger))
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OB" if dataset.BitsAllocated == 8 else "OW"
    for keyword, value in elements.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return dataset


def write_dicom(path: Path, pixels: np.ndarray, bits: int | None = None, **elements: Any) -> Path:
    """Save `dicom_dataset` as a file with preamble."""
    dicom_dataset(pixels, bits, **elements).save_as(path, enforce_file_format=True)
    return path


def picture_bytes(pixels: np.ndarray, format_name: str, **options: Any) -> bytes:
    """Pixels encoded by Pillow."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format_name, **options)
    return stream.getvalue()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file with its checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def deep_png(array: np.ndarray, *more: bytes, filters: bool = False) -> bytes:
    """A PNG of 16 bits [H, W, C]: grey, with alpha, colours, with alpha; ``more`` chunks come after the head."""
    rows, columns, channels = array.shape
    head = struct.pack(">IIBBBBB", columns, rows, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    lines = []
    above = np.zeros(columns * channels * 2, np.uint8)
    for number, row in enumerate(array.astype(">u2")):
        plain = np.frombuffer(row.tobytes(), np.uint8)
        up = filters and number % 2  # every second row as differences to the one above
        lines.append(bytes([2 if up else 0]) + ((plain - above) if up else plain).tobytes())
        above = plain
    body = zlib.compress(b"".join(lines))
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", head)
        + b"".join(more)
        + png_chunk(b"IDAT", body)
        + png_chunk(b"IEND", b"")
    )
