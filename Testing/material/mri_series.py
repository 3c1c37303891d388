"""Small MR series as DICOM files, whole and damaged in the ways in which real folders are, with their truth.

`damaged_series` draws a case; `outcome` reads it and says whether it was read right, refused, or wrong.

One file, because the kinds of damage share the case that they damage.
"""

from __future__ import annotations

import random
from collections.abc import Callable
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
    direction = _turn(rng.normal(0, 0.2, 3)) @ coronal if oblique else coronal
    series = MriSeries(volume, direction, rng.uniform(-60, 60, 3))
    for index in range(slices):
        series.datasets.append(
            mri_dataset(
                volume[index],
                **{
                    "InstanceNumber": index + 1,
                    "ImagePositionPatient": _decimals(series.place(index)),
                    "ImageOrientationPatient": _decimals(direction[:, :2].T.ravel()),
                    "PixelSpacing": list(PIXEL_MM),
                    "SliceThickness": 2.2,
                    **elements,
                },
            )
        )
    return series


def _decimals(values: Any) -> list[str]:
    return [f"{float(value):.6f}" for value in values]


def _turn(vector: np.ndarray) -> np.ndarray:
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


@dataclass
class _Case:
    """A series on its way to the disk. ``untouched`` files are written as bytes at the end."""

    series: MriSeries
    rng: random.Random
    names: list[str]
    extra: list[tuple[str, Any]] = field(default_factory=list)
    bytes_of: dict[str, Callable[[bytes], bytes]] = field(default_factory=dict)
    numbers_tell: bool = True

    def some(self, least: int = 1, most: int = 4) -> list[int]:
        count = len(self.series.datasets)
        return sorted(self.rng.sample(range(count), min(self.rng.randint(least, most), count - 1)))


def _drop(case: _Case) -> None:
    kind = case.rng.choice(["some", "block", "every second", "ends", "many"])
    count = len(case.series.datasets)
    if kind == "every second":
        gone = list(range(1, count, 2))
    elif kind == "ends":
        gone = list(range(case.rng.randint(0, 3))) + list(range(count - case.rng.randint(1, 3), count))
    elif kind == "block":
        start = case.rng.randint(1, count // 2)
        gone = list(range(start, start + case.rng.randint(1, count // 3)))
    else:
        gone = case.some(1, 3 if kind == "some" else count - 4)
    _remove(case, gone)


def _remove(case: _Case, gone: list[int]) -> None:
    kept = [index for index in range(len(case.series.datasets)) if index not in set(gone)]
    case.series.datasets = [case.series.datasets[index] for index in kept]
    case.names = [case.names[index] for index in kept]


def _duplicate(case: _Case) -> None:
    import copy

    kind = case.rng.choice(["file", "other number", "other pixels", "all", "other pixels and number"])
    chosen = range(len(case.series.datasets)) if kind == "all" else case.some()
    for index in chosen:
        twin = copy.deepcopy(case.series.datasets[index])
        if "number" in kind:
            twin.InstanceNumber = 100 + index
            twin.SOPInstanceUID = twin.file_meta.MediaStorageSOPInstanceUID = f"1.2.77.{index}"
        if "pixels" in kind:
            noise = np.frombuffer(case.rng.randbytes(ROWS * COLUMNS * 2), "<u2") % 3000
            twin.PixelData = noise.astype("<u2").tobytes()
        case.extra.append((f"copy_{index:03d}.dcm", twin))


def _swap(case: _Case) -> None:
    kind = case.rng.choice(["names", "numbers", "positions", "all numbers", "reverse", "interleave", "no numbers"])
    datasets = case.series.datasets
    if kind == "names":
        case.rng.shuffle(case.names)
    elif kind in ("numbers", "positions"):
        keyword = "InstanceNumber" if kind == "numbers" else "ImagePositionPatient"
        for _ in range(case.rng.randint(1, 3)):
            one, other = case.rng.sample(datasets, 2)
            first, second = getattr(one, keyword), getattr(other, keyword)
            setattr(one, keyword, second)
            setattr(other, keyword, first)
    else:
        order = list(range(len(datasets)))
        if kind == "all numbers":
            case.rng.shuffle(order)
        elif kind == "reverse":
            order.reverse()
        elif kind == "interleave":
            stride = case.rng.randint(2, 4)
            order = [index for first in range(stride) for index in order[first::stride]]
        for number, index in enumerate(order, 1):
            datasets[index].InstanceNumber = number
        if kind == "no numbers":
            for dataset in datasets:
                del dataset.InstanceNumber


def _cut(case: _Case) -> None:
    for index in case.some(1, 3):
        share = case.rng.choice([0.0, case.rng.random(), 0.5, 0.9, 0.999])
        case.bytes_of[case.names[index]] = lambda data, share=share: data[: int(len(data) * share)]


def _mix(case: _Case) -> None:
    kind = case.rng.choice(["localizer", "echo", "series", "patient", "size", "spacing", "few of a series", "files",
                            "phase", "time"])  # fmt: skip
    if kind == "files":
        case.extra += [
            ("notes.txt", b"a note"),
            ("DICOMDIR.txt", b"x" * 200),
            ("shot.jpg", b"\xff\xd8\xff" + bytes(99)),
        ]
        return
    # a whole rival is as large as what is left of the series, so that none of them is certainly meant
    count = case.rng.randint(1, 5) if kind in ("localizer", "few of a series") else len(case.series.datasets)
    changes: dict[str, dict[str, Any]] = {
        "localizer": {"SeriesInstanceUID": case.rng.choice(["1.2.3.1", "1.2.3.2"])},
        "echo": {"EchoTime": 14.2, "EchoNumbers": 2},
        "series": {"SeriesInstanceUID": "1.2.3.2", "SeriesDescription": "other"},
        "few of a series": {"SeriesInstanceUID": "1.2.3.2"},
        "patient": {"PatientID": "P2", "PatientName": "Other^O"},
        "size": {},
        "spacing": {"PixelSpacing": [0.8, 0.8]},
        "phase": {"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]},
        "time": {"TemporalPositionIdentifier": 2},
    }
    other = mri_series(case.rng.randrange(10**6) + 5000, count, **changes[kind])
    for index, dataset in enumerate(other.datasets):
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.88.{index + 1}"
        if kind in ("echo", "phase", "time"):  # at the same places
            dataset.ImagePositionPatient = _decimals(case.series.place(index))
            dataset.ImageOrientationPatient = _decimals(case.series.direction[:, :2].T.ravel())
        if kind == "size":
            dataset.Rows = ROWS // 2
            dataset.PixelData = dataset.PixelData[: ROWS // 2 * COLUMNS * 2]
        case.extra.append((f"X{index + 1:03d}.dcm", dataset))


def _strip(case: _Case) -> None:
    keyword = case.rng.choice(["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "PatientID",
                               "SeriesInstanceUID", "EchoTime", "BitsAllocated", "Rows", "PixelData", "Modality",
                               "SliceThickness"])  # fmt: skip
    everywhere = case.rng.random() < 0.4
    for index in range(len(case.series.datasets)) if everywhere else case.some(1, 5):
        if keyword in case.series.datasets[index]:
            delattr(case.series.datasets[index], keyword)


def _move(case: _Case) -> None:
    kind = case.rng.choice(["one", "rest", "sideways", "shear", "tilt", "empty", "zero"])
    datasets, series = case.series.datasets, case.series
    distance = case.rng.choice([-1, 1]) * case.rng.uniform(0.4, 9.0)
    start = case.rng.randint(1, len(datasets) - 2)
    for index, dataset in enumerate(datasets):
        place = np.array([float(value) for value in dataset.get("ImagePositionPatient") or [0, 0, 0]])
        if (kind == "one" and index == start) or (kind == "rest" and index >= start):
            place = place + series.direction[:, 2] * distance
        elif kind == "sideways" and index == start:
            place = place + series.direction[:, 0] * distance
        elif kind == "shear":
            place = place + series.direction[:, 1] * 0.3 * index
        elif kind == "tilt" and index == start:
            turned = _turn(np.array([0.0, case.rng.uniform(0.02, 0.3), 0.01])) @ series.direction
            dataset.ImageOrientationPatient = _decimals(turned[:, :2].T.ravel())
        elif kind == "empty" and index == start:
            dataset.ImagePositionPatient = []
            continue
        elif kind == "zero":
            place = np.zeros(3)
        if "ImagePositionPatient" in dataset:
            dataset.ImagePositionPatient = _decimals(place)


def _encode(case: _Case) -> None:
    """Other ways to write the same pixels: they must be read right."""
    from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

    syntax = case.rng.choice([RLELossless, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
    for dataset in case.series.datasets:
        if "PixelData" not in dataset or "BitsAllocated" not in dataset or "Rows" not in dataset:
            return
    for dataset in case.series.datasets:
        if syntax == RLELossless:
            dataset.compress(RLELossless, generate_instance_uid=False)
        else:
            dataset.file_meta.TransferSyntaxUID = syntax


def _describe(case: _Case) -> None:
    """Further attributes that scanners write."""
    between = case.rng.random() < 0.7
    for index, dataset in enumerate(case.series.datasets):
        dataset.SliceLocation = f"{-40 + PITCH_MM * index:.2f}"
        if between:
            dataset.SpacingBetweenSlices = f"{PITCH_MM}"
        dataset.ImagesInAcquisition = SLICES


KINDS: dict[str, Callable[[_Case], None]] = {
    "drop": _drop, "duplicate": _duplicate, "swap": _swap, "cut": _cut, "mix": _mix, "strip": _strip, "move": _move,
    "encode": _encode, "describe": _describe,
}  # fmt: skip


def damaged_series(seed: int, folder: Path) -> tuple[str, MriSeries]:
    """Write one damaged series into a new folder; returns the kinds of damage and the truth.

    One or two kinds of damage. Swapped positions without the numbers that betray them are left out: nothing in such
    files tells the order.
    """
    rng = random.Random(f"mri {seed}")
    series = mri_series(seed)
    names = [f"I{index + 1:03d}.dcm" for index in range(SLICES)]
    case = _Case(series, rng, names)
    chosen = [list(KINDS)[seed % len(KINDS)]]
    if rng.random() < 0.4:
        chosen.append(rng.choice([kind for kind in KINDS if kind != chosen[0]]))
    chosen.sort(key=list(KINDS).index)
    for kind in chosen:
        KINDS[kind](case)
    files = series.write(folder, case.names)
    for name, content in case.extra:
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            content.save_as(folder / name, enforce_file_format=True)
    for path in files:
        if path.name in case.bytes_of:
            path.write_bytes(case.bytes_of[path.name](path.read_bytes()))
    return " and ".join(chosen), series
