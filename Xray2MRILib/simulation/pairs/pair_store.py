"""Pairs on disk: one small .npz file per knee, written atomically, so that a killed run can be resumed.

A file ``knee-000123.npz`` holds ``volume`` (an 8-bit PNG mosaic, about 1 MB), ``film`` (bone and soft attenuation
integrals, 16-bit PNG, one above the other) and ``record`` (JSON: format, parameters, person, scan, template, truth,
scales). docs/simulated-pairs.md specifies the format.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from ...files.npz_file import write_npz
from ..anatomy.knee_parameters import KneeParameters
from .knee_pair import KneePair

FORMAT_VERSION = 4  # earlier ones held lossy volumes of another population and are refused
_COLUMNS = 10


def pair_path(folder: Path, index: int) -> Path:
    """Path of pair ``index``."""
    return folder / f"knee-{index:06d}.npz"


def write_pair(folder: Path, index: int, pair: KneePair, more: dict | None = None) -> Path:
    """Store one pair (about 1.3 MB); ``more`` are further entries of its record.

    The volume is stored to half a grey level of 256, the integrals to 1/131070 of their largest value.

    Raises ProcessingError when the disk is full, InputError when it is not ours.
    """
    from PIL import Image

    slices, height, width = pair.volume.shape
    grey = np.round(pair.volume * 255).astype(np.uint8)
    mosaic = grey.reshape(slices // _COLUMNS, _COLUMNS, height, width).transpose(0, 2, 1, 3)
    mosaic = mosaic.reshape(slices // _COLUMNS * height, _COLUMNS * width)
    volume, radiograph = io.BytesIO(), io.BytesIO()
    # WebP without loss is 2 % smaller and takes three times as long
    Image.fromarray(mosaic).save(volume, "png", compress_level=6)
    peaks = [float(pair.bone.max()), float(pair.soft.max())]
    stacked = np.concatenate(
        [np.round(a / max(p, 1e-6) * 65535) for a, p in zip((pair.bone, pair.soft), peaks, strict=True)]
    ).astype(np.uint16)
    Image.fromarray(stacked).save(radiograph, "png", compress_level=4)
    record = {
        "format": FORMAT_VERSION,
        "parameters": pair.parameters.to_dict(),
        "joint_space_mm": pair.joint_space_mm,
        "film_mm": pair.film_mm,
        "film_peaks": peaks,
        "slices": slices,
        **(more or {}),
    }
    path = pair_path(folder, index)
    write_npz(
        path,
        volume=np.frombuffer(volume.getvalue(), np.uint8),
        film=np.frombuffer(radiograph.getvalue(), np.uint8),
        record=np.frombuffer(json.dumps(record).encode(), np.uint8),
    )
    return path


def read_record(path: Path) -> dict:
    """The JSON record of one pair: parameters, truth, scales. Raises InputError for a file of another kind."""
    try:
        with np.load(path, allow_pickle=False) as data:
            return _checked(json.loads(bytes(data["record"])))
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise _refusal(path, error) from error


def read_pair(path: Path, *, volume: bool = True, radiograph: bool = True) -> KneePair:
    """Read one pair; parts that are not wanted come back empty. Raises InputError for a file of another kind."""
    from PIL import Image

    try:
        with np.load(path, allow_pickle=False) as data:
            record = _checked(json.loads(bytes(data["record"])))
            mr = np.zeros((0, 0, 0), np.float32)
            if volume:
                mosaic = np.asarray(Image.open(io.BytesIO(bytes(data["volume"]))).convert("L"))
                rows, width = record["slices"] // _COLUMNS, mosaic.shape[1] // _COLUMNS
                height = mosaic.shape[0] // rows
                mr = mosaic.reshape(rows, height, _COLUMNS, width).transpose(0, 2, 1, 3)
                mr = mr.reshape(-1, height, width).astype(np.float32) / 255
            bone = soft = np.zeros((0, 0), np.float32)
            if radiograph:
                stacked = np.asarray(Image.open(io.BytesIO(bytes(data["film"])))).astype(np.float32) / 65535
                half = stacked.shape[0] // 2
                bone, soft = stacked[:half] * record["film_peaks"][0], stacked[half:] * record["film_peaks"][1]
        parameters = parameters_of(record["parameters"])
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise _refusal(path, error) from error
    return KneePair(parameters, mr, bone, soft, record["joint_space_mm"], record["film_mm"])


def parameters_of(entries: dict[str, Any]) -> KneeParameters:
    """Knee parameters from their entries in a record; entries of other versions are left out."""
    known = {f.name for f in fields(KneeParameters)}
    return KneeParameters(**{k: _tuples(v) for k, v in entries.items() if k in known})


class _OtherFormatError(ValueError):
    """A pair of another format version, which the message names."""


def _checked(record: object) -> dict:
    """The record with all its entries. Raises ValueError, its ``_OtherFormatError`` for a pair of another version."""
    if isinstance(record, dict) and record.get("format", FORMAT_VERSION) != FORMAT_VERSION:
        raise _OtherFormatError(str(record["format"])[:20])
    names = ("format", "parameters", "joint_space_mm", "film_mm", "film_peaks", "slices")
    if not isinstance(record, dict) or not all(name in record for name in names):
        raise ValueError("its record is not that of a pair")
    return record


def _refusal(path: Path, error: Exception) -> InputError:
    if isinstance(error, _OtherFormatError):
        return InputError(
            f"{path.name} is a simulated pair of format {error}; this version reads format {FORMAT_VERSION}.",
            code="other-pair-format",
            hint="Make the pairs again in an empty folder: xray2mri simulate -o FOLDER.",
        )
    reason = str(error).splitlines()[0] if str(error) else "it is damaged"
    return InputError(
        f"{path.name} is not a simulated pair: {reason.rstrip('.')}.",
        code="bad-pair",
        hint="Delete it and run the same xray2mri simulate command again.",
    )


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def pair_files(folder: Path) -> list[Path]:
    """All complete pair files of a folder in order, maybe none."""
    return sorted(p for p in Path(folder).glob("knee-*.npz") if not p.name.endswith(".tmp.npz"))


def list_pairs(folder: Path) -> list[Path]:
    """All pair files of a folder in order. Raises InputError when there are none."""
    paths = pair_files(folder)
    if not paths:
        raise InputError(
            f"The folder {Path(folder).name} holds no simulated pairs.",
            code="no-pairs",
            hint="Make some with: xray2mri simulate -o FOLDER.",
        )
    return paths
