"""A real pair on disk: one .npz file, complete or not there, without anything that identifies the person.

``volume`` is a grey PNG of 8 bits, lossless: 50 slices of 256 x 256 as a mosaic of 5 rows and 10 columns, slice 0
(posterior) first. ``film`` is a 16-bit PNG of 320 x 320: the joint crop of 256 x 256 in a margin of 32 pixels.
``record`` is JSON. docs/real-pairs.md specifies the format. Files begin with "knee-", as those of simulated pairs do.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..files.atomic_write import AtomicFiles
from ..preparation.joint_crop import normalise_crop
from ..volume.geometry import OAI_FIELD
from .placement import ScanPlacement

FORMAT_VERSION = 1
KIND = "real pair"
_COLUMNS = 10
_DEEPEST = 65535


@dataclass(frozen=True)
class RealPair:
    """A radiograph and a scan of one knee, both in right-knee space.

    Attributes
    ----------
    volume
        float32 [50, 256, 256] in [0, 1], posterior slice first, in the scanner's field; empty when not read.
    film
        float32 [320, 320], bright bone, from 0 to 1: the crop and its margin; empty when not read.
    record
        See docs/real-pairs.md.
    """

    volume: np.ndarray
    film: np.ndarray
    record: dict[str, Any]

    @property
    def kl_grade(self) -> int | None:
        """Reader's grade; None when unknown."""
        return self.record["kl_grade"]

    @property
    def placement(self) -> ScanPlacement | None:
        """Where the scan lies on the radiograph; None for pairs in the frame of the scan."""
        found = self.record.get("placement")
        return None if found is None else ScanPlacement.from_record(found)

    def crop(self) -> np.ndarray:
        """The prepared crop [256, 256] float32 in [-1, 1]."""
        margin = int(self.record["film"]["margin_px"])
        return normalise_crop(self.film[margin:-margin, margin:-margin])


def write_real_pair(path: Path, volume: np.ndarray, film: np.ndarray, record: dict[str, Any]) -> None:
    """Store a pair (about 2.5 MB). Raises ProcessingError when the disk is full, InputError when it is not ours."""
    from PIL import Image

    slices, height, width = volume.shape
    grey = np.round(volume * 255).astype(np.uint8)
    mosaic = grey.reshape(slices // _COLUMNS, _COLUMNS, height, width).transpose(0, 2, 1, 3)
    low, high = float(film.min()), float(film.max())
    deep = np.round((film - low) / max(high - low, 1e-12) * _DEEPEST).astype(np.uint16)
    stored = {"volume": mosaic.reshape(slices // _COLUMNS * height, _COLUMNS * width), "film": deep}
    parts = {name: io.BytesIO() for name in stored}
    for name, picture in stored.items():
        Image.fromarray(picture).save(parts[name], "png", compress_level=6)
    whole = {"format": FORMAT_VERSION, "kind": KIND, "slices": slices, **record}
    with AtomicFiles() as files:
        np.savez(
            files.stage(path),
            volume=np.frombuffer(parts["volume"].getvalue(), np.uint8),
            film=np.frombuffer(parts["film"].getvalue(), np.uint8),
            record=np.frombuffer(json.dumps(whole, allow_nan=False).encode(), np.uint8),
        )


def read_real_pair(path: Path, *, volume: bool = True, film: bool = True) -> RealPair:
    """Read a pair; parts that are not wanted come back empty. Raises InputError for a file of another kind."""
    from PIL import Image

    try:
        with np.load(path, allow_pickle=False) as data:
            record = json.loads(bytes(data["record"]))
            if record.get("kind") != KIND or record["format"] > FORMAT_VERSION:
                raise ValueError("it is of another kind or a newer format")
            scan: np.ndarray = np.zeros((0, 0, 0), np.float32)
            picture: np.ndarray = np.zeros((0, 0), np.float32)
            if volume:
                mosaic = np.asarray(Image.open(io.BytesIO(bytes(data["volume"]))))
                rows = record["slices"] // _COLUMNS
                scan = mosaic.reshape(rows, OAI_FIELD.pixels, _COLUMNS, OAI_FIELD.pixels).transpose(0, 2, 1, 3)
                scan = scan.reshape(-1, *OAI_FIELD.slice_shape).astype(np.float32) / 255
            if film:
                picture = np.asarray(Image.open(io.BytesIO(bytes(data["film"])))).astype(np.float32) / _DEEPEST
            return RealPair(scan, picture, record)
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0] if str(error) else "it is damaged"
        raise InputError(
            f"{path.name} is not a real pair: {reason.rstrip('.')}.",
            code="bad-pair",
            hint="Delete it and run the same xray2mri prepare command again.",
        ) from error


def read_pair_record(path: Path) -> dict[str, Any]:
    """The record of a pair alone. Raises InputError for a file of another kind."""
    return read_real_pair(path, volume=False, film=False).record


def is_real_pair(path: Path) -> bool:
    """Whether a file of pairs is a real one; False for simulated pairs and for what cannot be read."""
    try:
        with np.load(path, allow_pickle=False) as data:
            return json.loads(bytes(data["record"])).get("kind") == KIND
    except (OSError, EOFError, ValueError, KeyError, AttributeError, zipfile.BadZipFile):
        return False
