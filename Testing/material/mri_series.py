"""Small MR series as DICOM files, with their truth; `outcome` says whether one was read right, refused, or wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

ROWS, COLUMNS, SLICES = 22, 26, 14
PIXEL_MM = (1.1, 1.2)  # distance of rows, of columns
PITCH_MM = 2.5


@dataclass
class MriSeries:
    """Slices [S, H, W] with their frame, as datasets to be changed and written."""

    volume: np.ndarray
    direction: np.ndarray
    origin: np.ndarray
    datasets: list[Any] = field(default_factory=list)

    def place(self, index: float) -> np.ndarray:
        """Centre of the first voxel of a slice, LPS mm."""
        return self.origin + self.direction[:, 2] * PITCH_MM * index

    def write(self, folder: Path, names: list[str] | None = None) -> list[Path]:
        """Every dataset as a file; returns the files in the order of the datasets."""
        folder.mkdir(parents=True, exist_ok=True)
        names = names or [f"I{index + 1:03d}.dcm" for index in range(len(self.datasets))]
        for dataset, name in zip(self.datasets, names, strict=True):
            dataset.save_as(folder / name, enforce_file_format=True)
        return [folder / name for name in names]


def mri_dataset(pixels: np.ndarray, **elements: Any) -> Any:
    """One MR image [H, W] of 16 bits; ``elements`` are added or replace its own, None removes."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = MRImageStorage
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    image.Modality, image.PatientID, image.PatientName = "MR", "P1", "Nobody^N"
    image.StudyInstanceUID, image.SeriesInstanceUID = "1.2.3", "1.2.3.1"
    image.FrameOfReferenceUID = "1.2.3.9"
    image.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    image.EchoTime, image.RepetitionTime, image.FlipAngle = 7.6, 20, 12
    image.Rows, image.Columns = pixels.shape
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated = image.BitsStored = 16
    image.HighBit, image.PixelRepresentation = 15, 0
    image.PixelData = np.ascontiguousarray(pixels, "<u2").tobytes()
    image["PixelData"].VR = "OW"
    for keyword, value in elements.items():
        if value is None:
            image.pop(keyword, None)
        else:
            setattr(image, keyword, value)
    return image


def mri_series(seed: int = 0, slices: int = SLICES, oblique: bool = True, **elements: Any) -> MriSeries:
    """A whole series with a random volume, so that no two slices are alike; ``elements`` go into every slice."""
    rng = np.random.default_rng(seed)
    volume = rng.integers(1, 3000, (slices, ROWS, COLUMNS)).astype(np.uint16)
    coronal = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # columns: along a row, along a column, normal
    direction = turn(rng.normal(0, 0.2, 3)) @ coronal if oblique else coronal
    series = MriSeries(volume, direction, rng.uniform(-60, 60, 3))
    for index in range(slices):
        series.datasets.append(
            mri_dataset(
                volume[index],
                **{
                    "InstanceNumber": index + 1,
                    "ImagePositionPatient": decimals(series.place(index)),
                    "ImageOrientationPatient": decimals(direction[:, :2].T.ravel()),
                    "PixelSpacing": list(PIXEL_MM),
                    "SliceThickness": 2.2,
                    **elements,
                },
            )
        )
    return series


def decimals(values: Any) -> list[str]:
    return [f"{float(value):.6f}" for value in values]


def turn(vector: np.ndarray) -> np.ndarray:
    """Rotation by a vector (axis times angle), formula of Rodrigues."""
    angle = float(np.linalg.norm(vector))
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def outcome(series: MriSeries, path: Path) -> tuple[str, str]:
    """("right" or "refused" or "wrong", what was said): reads a reference and compares every slice with the truth."""
    from Xray2MRILib.comparison.reference_volume import read_reference
    from Xray2MRILib.errors import InputError

    try:
        found = read_reference(path)
    except InputError as error:
        named = path.name in error.message and "\n" not in error.sentence() and error.hint
        return ("refused" if named else "wrong"), error.message
    said = " ".join(found.warnings)
    return ("right" if lies_in_place(found.image, series) else "wrong"), said


def lies_in_place(image: Any, series: MriSeries) -> bool:
    """Whether every voxel of an image has the truth's value at its place, in slices that follow each other."""
    import SimpleITK as sitk

    voxels = sitk.GetArrayFromImage(image)
    axes = np.reshape(image.GetDirection(), (3, 3))
    if voxels.shape[1:] != series.volume.shape[1:] or not np.allclose(axes, series.direction, atol=1e-4):
        return False
    if not np.allclose(image.GetSpacing(), (PIXEL_MM[1], PIXEL_MM[0], PITCH_MM), rtol=2e-3):
        return False
    for index, pixels in enumerate(voxels):
        offset = np.array(image.TransformIndexToPhysicalPoint((0, 0, index))) - series.origin
        place = float(series.direction[:, 2] @ offset) / PITCH_MM
        sideways = np.linalg.norm(offset - series.direction[:, 2] * place * PITCH_MM)
        near = round(place)
        if abs(place - near) > 0.03 or sideways > 0.05 or not 0 <= near < len(series.volume):
            return False
        if not np.array_equal(pixels, series.volume[near]):
            return False
    return True


def refusal(path: Path) -> str:
    """What the refusal of a reference says; it names the file and has a remedy."""
    import pytest

    from Xray2MRILib.comparison.reference_volume import read_reference
    from Xray2MRILib.errors import InputError

    with pytest.raises(InputError) as caught:
        read_reference(path)
    assert caught.value.message.startswith(f"The reference {path.name} ")
    assert caught.value.hint
    return caught.value.message
