"""Radiographs in every format, and the ways in which their files can be damaged."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np


def radiograph_bytes(radiograph: Path, ending: str, folder: Path) -> bytes:
    """The real radiograph in another format."""
    from PIL import Image

    grey = Image.open(radiograph).convert("L")
    if ending in ("png", "jpg", "tif", "webp"):
        buffer = io.BytesIO()
        grey.save(buffer, format={"jpg": "JPEG", "tif": "TIFF"}.get(ending, ending.upper()))
        return buffer.getvalue()
    path = folder / f"whole.{ending}"
    if ending == "dcm":
        write_dicom(np.asarray(grey), path)
    else:
        import SimpleITK as sitk

        sitk.WriteImage(sitk.GetImageFromArray(np.asarray(grey)), str(path))
    return path.read_bytes()


def write_dicom(pixels: np.ndarray, path: Path, **changes: object) -> None:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    radiograph = Dataset()
    radiograph.file_meta = meta
    radiograph.SOPClassUID, radiograph.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    radiograph.PatientName, radiograph.PatientID, radiograph.Modality = "Nobody^Nemo", "12345", "CR"
    radiograph.Rows, radiograph.Columns = pixels.shape
    radiograph.BitsAllocated = radiograph.BitsStored = 8
    radiograph.HighBit, radiograph.PixelRepresentation, radiograph.SamplesPerPixel = 7, 0, 1
    radiograph.PhotometricInterpretation = "MONOCHROME2"
    radiograph.PixelData = np.ascontiguousarray(pixels, np.uint8).tobytes()
    for name, value in changes.items():
        setattr(radiograph, name, value)
    radiograph.save_as(path, enforce_file_format=True)


def mutations(whole: bytes, ending: str) -> dict[str, bytes]:
    """Ways in which files arrive broken."""
    rng = np.random.default_rng(sum(ending.encode()))
    mutated = {f"cut to {share:.0%}": whole[: int(len(whole) * share)] for share in (0.01, 0.5, 0.95)}
    for number, reach in enumerate((64, 256, len(whole), len(whole))):
        data = bytearray(whole)
        for place in rng.integers(0, min(reach, len(data)), 16 + 16 * number):
            data[place] = rng.integers(256)
        mutated[f"noise {number} in the first {reach} bytes"] = bytes(data)
    mutated["empty"] = b""
    mutated["head missing"] = whole[len(whole) // 3 :]
    mutated["zeros at the head"] = bytes(200) + whole[200:]
    mutated["zeros inside"] = whole[: len(whole) // 4] + bytes(len(whole) // 2) + whole[3 * len(whole) // 4 :]
    mutated["noise"] = rng.bytes(3000)
    mutated["text"] = b"This is a note about the patient.\n" * 20
    mutated["foreign head"] = b"%PDF-1.7\n" + whole
    return mutated
