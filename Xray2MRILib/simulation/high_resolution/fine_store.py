"""Fine volumes on disk: ``fine-000123.npz`` with ``volume`` (float16, about 16 MB) and ``record`` (JSON).

A file gets its name when it is complete, so that a killed run can be resumed. docs/super-resolution.md names the
entries of the record.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from ...files.npz_file import write_npz
from .fine_scan import FineVolume

FORMAT_VERSION = 1


@dataclass
class StoredFineVolume:
    """What a file holds: ``values`` float16 [S, H, W] and its ``record``."""

    values: np.ndarray
    record: dict[str, Any]


def fine_path(folder: Path, index: int) -> Path:
    """Path of volume ``index``."""
    return folder / f"fine-{index:06d}.npz"


def write_fine(folder: Path, index: int, volume: FineVolume, record: dict[str, Any]) -> Path:
    """Store one volume with its record. Raises ProcessingError for a full disk, InputError for a closed folder."""
    path = fine_path(folder, index)
    entries = {"format": FORMAT_VERSION, "lesions": [lesion.to_dict() for lesion in volume.lesions], **record}
    write_npz(
        path,
        volume=volume.values.cpu().numpy().astype(np.float16),
        record=np.frombuffer(json.dumps(entries).encode(), np.uint8),
    )
    return path


def read_fine(path: Path) -> StoredFineVolume:
    """Read one volume. Raises InputError for a file of another kind."""
    try:
        with np.load(path, allow_pickle=False) as data:
            record = json.loads(bytes(data["record"]))
            values = data["volume"]
        if record["format"] != FORMAT_VERSION or values.ndim != 3 or values.dtype != np.float16:
            raise ValueError("its format is another one")
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else "it is damaged"
        raise InputError(
            f"{path.name} is not a high-resolution volume: {reason}.",
            code="bad-fine-volume",
            hint="Delete it and run the same xray2mri simulate command again.",
        ) from error
    return StoredFineVolume(values, record)


def fine_files(folder: Path) -> list[Path]:
    """All complete files of a folder in order, maybe none."""
    return sorted(p for p in Path(folder).glob("fine-*.npz") if not p.name.endswith(".tmp.npz"))


def list_fine(folder: Path) -> list[Path]:
    """All files of a folder in order. Raises InputError when there are none."""
    paths = fine_files(folder)
    if not paths:
        raise InputError(
            f"The folder {Path(folder).name} holds no high-resolution volumes.",
            code="no-fine-volumes",
            hint="Make some with xray2mri simulate in high resolution (docs/super-resolution.md).",
        )
    return paths
