"""MR series with the faults of archives, drawn by a seed: files missing, doubled, cut, mixed or mislabelled."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from mri_series import COLUMNS, PITCH_MM, ROWS, SLICES, MriSeries, decimals, mri_series, turn


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
            dataset.ImagePositionPatient = decimals(case.series.place(index))
            dataset.ImageOrientationPatient = decimals(case.series.direction[:, :2].T.ravel())
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
            turned = turn(np.array([0.0, case.rng.uniform(0.02, 0.3), 0.01])) @ series.direction
            dataset.ImageOrientationPatient = decimals(turned[:, :2].T.ravel())
        elif kind == "empty" and index == start:
            dataset.ImagePositionPatient = []
            continue
        elif kind == "zero":
            place = np.zeros(3)
        if "ImagePositionPatient" in dataset:
            dataset.ImagePositionPatient = decimals(place)


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
