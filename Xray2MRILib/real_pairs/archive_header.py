"""The header of one DICOM file of a folder, for finding out what a folder holds without reading it all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..comparison.dicom_slices import read_slices

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_TRIED = 5  # files of a folder: the first ones may be notes


def first_header(folder: Path) -> Dataset | None:
    """The header of the first readable image among the first files of a folder; None when there is none."""
    for path in sorted(path for path in folder.iterdir() if path.is_file())[:_TRIED]:
        found = read_slices([path])
        if found.slices:
            return found.slices[0].header
    return None
