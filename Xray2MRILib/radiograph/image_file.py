"""Read NRRD, NIfTI and MetaImage files that hold one slice, through SimpleITK."""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import InputError
from ..files.nifti_twins import without_twin
from .decoded_radiograph import DecodedRadiograph, luminance
from .header_faults import LARGEST_SHEAR, header_fault, sheared
from .nifti_header import read_nifti_header
from .orientation import NOT_FRONTAL, direction_letter, steps_to_upright, turned
from .refusals import check_size, damaged, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

_ENDINGS = {"NRRD": ".nrrd", "NIfTI": ".nii", "MetaImage": ".mha"}


class ItkImage(NamedTuple):
    """Array as SimpleITK gives it (slowest axis first, channels last) and the geometry of its axes (fastest first)."""

    array: np.ndarray
    size: tuple[int, ...]
    spacing: tuple[float, ...]
    direction: tuple[float, ...]


def read_image_file(path: Path, format_name: str) -> DecodedRadiograph:
    """The single slice in a NRRD, NIfTI or MetaImage file; axes of length 1 are dropped, the radiograph is turned
    upright.

    Raises InputError for volumes, damaged files, files that keep their pixels elsewhere, and impossible sizes.
    """
    ending = ".nii.gz" if format_name == "NIfTI" and _begins_with(path, b"\x1f\x8b") else _ENDINGS[format_name]
    _check_attached(path, format_name)
    image = read_with_itk(path, ending, format_name)
    axes = [axis for axis, length in enumerate(image.size) if length > 1]
    array = image.array
    channels = array.shape[-1] if array.ndim > len(image.size) else 1
    array = array.reshape(*[image.size[axis] for axis in reversed(axes)], channels)
    grey = luminance(array)

    dimension = len(image.size)
    columns = [[image.direction[row * dimension + axis] for row in range(min(dimension, 3))] for axis in axes]
    if abs((angle := _angle(*columns)) - 90) > LARGEST_SHEAR:
        raise sheared(angle, path.name)
    steps = steps_to_upright(*(direction_letter((*column, 0.0, 0.0, 0.0)[:3]) for column in columns))
    row_mm, column_mm = (float(image.spacing[axis]) for axis in reversed(axes))
    if steps and "transpose" in steps:
        row_mm, column_mm = column_mm, row_mm
    # these formats have no word for unknown: 1 mm is what writers put there, no radiograph has such pixels
    known = np.isfinite([row_mm, column_mm]).all() and min(row_mm, column_mm) > 0 and (row_mm, column_mm) != (1.0, 1.0)
    return DecodedRadiograph(
        turned(grey, steps or []),
        pixel_spacing_mm=(row_mm, column_mm) if known else None,
        record={
            "format": format_name,
            "bits": 8 * array.dtype.itemsize,
            "colour": channels > 1,
            "turned_upright": steps or [],
        },
        warnings=[NOT_FRONTAL] if steps is None else [],
        pixel_aspect=row_mm / column_mm if column_mm else None,
    )


def read_with_itk(path: Path, ending: str, format_name: str, name: str = "") -> ItkImage:
    """Decode one picture with SimpleITK after its header proved acceptable. Raises InputError otherwise.

    ``name`` is that of the file for the user where it is another one.
    """
    import SimpleITK

    name = name or path.name
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        with _named(path, ending) as readable:
            reader = SimpleITK.ImageFileReader()
            reader.SetFileName(str(readable))
            reader.ReadImageInformation()
            size = reader.GetSize()
            _check_slice(size, name)
            kind = SimpleITK.GetPixelIDValueAsString(reader.GetPixelID())
            if reader.GetNumberOfComponents() > 4 or "complex" in kind:
                raise unreadable(name, f"has no grey levels ({kind})", "Export it as a greyscale image.")
            if format_name == "NIfTI":
                _check_complete(path)
            image = reader.Execute()
            return ItkImage(
                SimpleITK.GetArrayFromImage(image), image.GetSize(), image.GetSpacing(), image.GetDirection()
            )
    except InputError:
        raise
    except (RuntimeError, OSError, ValueError, OverflowError):
        if format_name in _ENDINGS:
            raise header_fault(path, format_name, name) from None
        raise damaged(name, format_name) from None


def _check_slice(size: tuple[int, ...], name: str) -> None:
    lengths = [length for length in size if length != 1]
    if len(lengths) > 2:
        shown = " x ".join(map(str, size))
        raise unreadable(
            name,
            f"is a volume of {shown} voxels, not a radiograph",
            "Choose a plain radiograph: one image of one exposure.",
            "volume-not-radiograph",
        )
    columns, rows = (*lengths, 1, 1)[:2]
    check_size(rows, columns, name)


def _check_complete(path: Path) -> None:
    """Refuse NIfTI files with fewer bytes than their header promises: the reader would fill up with zeros."""
    try:
        promised = read_nifti_header(path).promised_bytes()
        opened = gzip.open(path) if _begins_with(path, b"\x1f\x8b") else path.open("rb")
        with opened as stream:
            stream.seek(promised - 1)
            if not stream.read(1):
                raise damaged(path.name, "NIfTI")
    except (ValueError, EOFError, OSError, zlib.error):
        raise damaged(path.name, "NIfTI") from None


def _angle(first: list[float], second: list[float]) -> float:
    """Degrees between two axes; 90 when one has no length."""
    lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(np.degrees(np.arccos(np.clip(np.dot(first, second) / lengths, -1, 1)))) if lengths else 90.0


def _check_attached(path: Path, format_name: str) -> None:
    """Headers that send the reader to another file are refused: it may be anything on this machine."""
    with path.open("rb") as stream:
        head = stream.read(65_536)
    detached = False
    if format_name == "NRRD":
        text = head.split(b"\n\n")[0].split(b"\r\n\r\n")[0].lower()
        detached = any(line.startswith((b"data file:", b"datafile:")) for line in text.splitlines())
    elif format_name == "MetaImage":
        entry = head.partition(b"ElementDataFile")[2].partition(b"\n")[0].strip(b" =\r\t")
        detached = entry.upper() != b"LOCAL"
    if detached:
        raise unreadable(path.name, "stores its pixels in a second file", "Save header and pixels in one file.")


def _begins_with(path: Path, signature: bytes) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(signature)) == signature


@contextmanager
def _named(path: Path, ending: str) -> Iterator[Path]:
    """The file under a plain name with the ending that ITK chooses its reader by."""
    name = path.name.lower()
    if name.endswith(ending) and str(path).isascii():
        with without_twin(path) as alone:
            yield alone
        return
    with tempfile.TemporaryDirectory(prefix="xray2mri-") as folder:
        other = Path(folder) / f"film{ending}"
        try:
            os.symlink(path.resolve(), other)
        except OSError:
            shutil.copyfile(path, other)
        yield other
