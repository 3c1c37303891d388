"""Studies as an OAI-like archive holds them: a bilateral radiograph and 80 coronal slices of 512 x 512 in DICOM.

The radiographs are real (public samples), the scans are drawn. Headers name a participant and dates, so that tests can
look for them where they must not be. Faults of real archives are made by changing what ``scan_datasets`` returns.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from mri_series import mri_dataset
from radiograph_files import sample_pixels, write_dicom

SLICES, PIXELS = 80, 512
PITCH_MM, PIXEL_MM = 1.5, 0.3125
NUMBER, DAY, BARCODE = "9000099", "20050811", "00372608"
DESCRIPTION = "COR_T1_3D_FLASH_{side}"


def drawn_scan(seed: int = 0) -> np.ndarray:
    """Voxels uint16 [80, 512, 512], posterior slice first, rows to inferior, columns to the patient's left.

    A bone with a gap, and a level that differs from slice to slice, so that order and mirroring show.
    """
    from drawn_knee import volume

    picture = volume(1)[0].repeat(2, axis=0).repeat(2, axis=1)
    picture = picture + np.linspace(0, 0.1, PIXELS, dtype=np.float32)[None, :]  # the left of the patient is brighter
    rng = np.random.default_rng(seed)
    grain = rng.normal(0, 8, (PIXELS, PIXELS)).astype(np.float32)
    levels = np.linspace(900, 500, SLICES, dtype=np.float32)
    return np.stack([np.clip(level * picture + np.roll(grain, 7 * k, 0), 1, 4000) for k, level in enumerate(levels)]
                    ).astype(np.uint16)  # fmt: skip


def scan_datasets(
    voxels: np.ndarray, side: str = "right", *, number: str = NUMBER, anterior_first: bool = True, **elements: Any
) -> list[Any]:
    """The slices of a scan as DICOM datasets, numbered from 1 in the order of acquisition."""
    count, pixel_mm = len(voxels), elements.pop("pixel_mm", PIXEL_MM * PIXELS / voxels.shape[1])
    edge = -(voxels.shape[1] - 1) / 2 * pixel_mm
    datasets = []
    for acquired in range(count):
        posterior = count - 1 - acquired if anterior_first else acquired
        y = (count - 1) / 2 * PITCH_MM - posterior * PITCH_MM  # LPS: posterior is positive
        datasets.append(
            mri_dataset(
                voxels[posterior],
                **{
                    "PatientID": number,
                    "PatientName": f"{number}^N",
                    "StudyDate": DAY,
                    "StudyDescription": "OAI^MR",
                    "SeriesDescription": DESCRIPTION.format(side=side.upper()),
                    "SequenceName": "*fl3d1",
                    "MRAcquisitionType": "3D",
                    "MagneticFieldStrength": 2.89362,
                    "EchoTime": 7.57,
                    "RepetitionTime": 20,
                    "FlipAngle": 12,
                    "StudyInstanceUID": f"1.2.3.{number}",
                    "SeriesInstanceUID": f"1.2.3.{number}.7",
                    "FrameOfReferenceUID": f"1.2.3.{number}.9",
                    "InstanceNumber": acquired + 1,
                    "ImagePositionPatient": [f"{edge:.6f}", f"{y:.6f}", f"{-edge:.6f}"],
                    "ImageOrientationPatient": [1, 0, 0, 0, 0, -1],
                    "PixelSpacing": [pixel_mm, pixel_mm],
                    "SliceThickness": PITCH_MM,
                    **elements,
                },
            )
        )
    return datasets


def write_scan(folder: Path, datasets: list[Any]) -> Path:
    """One file for each dataset, named 001, 002, ... without an ending, as the archive has them; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for place, dataset in enumerate(datasets, 1):
        dataset.save_as(folder / f"{place:03d}", enforce_file_format=True)
    return folder


def write_radiograph(path: Path, sample: str = "knee_both.webp", *, number: str = NUMBER, **elements: Any) -> Path:
    """A bilateral radiograph of 12 bits with the archive's words; another ``sample`` for a single knee."""
    path.parent.mkdir(parents=True, exist_ok=True)
    words = {
        "PatientID": number,
        "PatientName": f"{number}^N",
        "StudyDate": DAY,
        "StudyDescription": "OAI^XR",
        "SeriesDescription": "Bilateral PA Fixed Flexion Knee",
    }
    pixels = elements.pop("pixels", None)
    return write_dicom(path, sample_pixels(sample, 12) if pixels is None else pixels, 12, **{**words, **elements})


def write_study(archive: Path, number: str = NUMBER, side: str = "right", *, voxels: np.ndarray | None = None,
                sample: str = "knee_both.webp", day: str = DAY, **elements: Any) -> tuple[Path, Path]:  # fmt: skip
    """Radiograph and scan of one knee in an archive's folder; returns their paths."""
    visit = archive / "0.C.2" / number / day
    radiograph = write_radiograph(visit / "00100001" / "001", sample, number=number, StudyDate=day)
    datasets = scan_datasets(drawn_scan() if voxels is None else voxels, side, number=number, StudyDate=day, **elements)
    return radiograph, write_scan(visit / BARCODE, datasets)


def write_table(path: Path, rows: list[dict[str, Any]]) -> Path:
    """A table of studies; paths are written as they are given."""
    import csv

    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)))
        writer.writeheader()
        writer.writerows(rows)
    return path
