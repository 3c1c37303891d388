"""Writing volumes as 16-bit NRRD, NIfTI or MetaImage with a JSON side-car, either completely or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, ProcessingError, check_name
from ..files.atomic_write import AtomicFiles, check_place
from . import geometry, provenance
from .file_name import VOLUME_ENDINGS, volume_ending
from .intensity_mapping import STANDARD_MAPPING

if TYPE_CHECKING:
    import SimpleITK

    from .pseudo_mri import PseudoMRI

# voxels beside those of a volume: end of their file's stem -> what they are
FURTHER_VOXELS = {
    "deviation": "voxel-wise standard deviation over seeds, in grey values of the volume",
    "noise_free": "the volume without scanner noise, for measurements",
}
# upper bound for side-car and headers
_RECORD_BYTES = 200_000
_AT_ONCE = 50  # slices that are converted together
# NIfTI has room for one line only
_SHORT_NOTICE = "synthetic, not for diagnosis; grey = stored / 4095; details in the .json"


@dataclass(frozen=True)
class VolumeFiles:
    """File names of one volume: ``knee.nrrd``, ``knee.json``, ``knee_deviation.nrrd``, ``knee_noise_free.nrrd``."""

    volume: Path
    record: Path
    deviation: Path
    noise_free: Path

    @classmethod
    def of(cls, path: str | Path) -> VolumeFiles:
        """The names for an output path. Raises InputError unless it ends in .nrrd, .nii.gz or .mha."""
        path = Path(path)
        ending = volume_ending(path)
        stem, ending = path.name[: -len(ending)], path.name[-len(ending) :]
        further = (path.with_name(f"{stem}_{what}{ending}") for what in FURTHER_VOXELS)
        return cls(path, path.with_name(f"{stem}.json"), *further)

    @classmethod
    def to_write(cls, path: str | Path) -> VolumeFiles:
        """The names for an output path that may be a symbolic link: all files lie beside the file that it leads to."""
        path = Path(path)
        check_name(str(path))
        if not os.path.islink(path):  # False, not an error, for a name that is too long
            return cls.of(path)
        cls.of(path)
        return cls.of(os.path.realpath(path))

    @classmethod
    def to_read(cls, path: str | Path) -> VolumeFiles:
        """The names for a volume that may be a symbolic link: beside its target, or else beside the link itself."""
        beside = cls.of(path)
        target = Path(os.path.realpath(path) if "\0" not in str(path) else path)
        if os.path.islink(path) and target.name.lower().endswith(VOLUME_ENDINGS):
            there = cls.of(target)
            if there.record.is_file():
                return there
        return beside


def check_destination(
    path: str | Path,
    num_slices: int = geometry.OAI_FIELD.num_slices,
    deviation: bool = False,
    noise_free: bool = False,
) -> VolumeFiles:
    """Check an output path before the volume is computed; returns the names of the files to write.

    Raises InputError for another file extension, a missing or unwritable folder, or an existing ``.json`` that is not a
    side-car of this program; ProcessingError (code ``disk-full``) when ``num_slices`` of 256 x 256 do not fit on the
    disk.
    """
    files = VolumeFiles.to_write(path)
    _check_files(files, num_slices * geometry.OAI_FIELD.pixels**2, deviation, noise_free)
    return files


def write_volume(
    volume: PseudoMRI,
    path: str | Path,
    *,
    keep_identifiers: bool = False,
    before_they_appear: Callable[[], object] = lambda: None,
) -> VolumeFiles:
    """Write the volume, its side-car, and its standard deviation and noise-free voxels, if any; returns the file names.

    The volume's file holds what viewers show (``shown``); where that has scanner noise, the noise-free voxels lie
    beside it in a file of their own, which every measurement reads.

    Grey values are stored as int16, stored = round(grey * 4095). The side-car ``<stem>.json`` contains the full
    provenance, the headers of NRRD and MetaImage most of it. Names of input files are left out unless
    ``keep_identifiers`` is True. All files appear together; after a failure none appears, and existing files of the
    same names are unchanged. ``before_they_appear`` is called when all are written; what it raises prevents them.

    Raises InputError and ProcessingError as check_destination does, ProcessingError (code ``write-failed`` or
    ``disk-full``) when writing fails.
    """
    files = VolumeFiles.to_write(path)
    further = {"deviation": volume.deviation, "noise_free": None if volume.acquired is None else volume.array}
    record = complete_record(volume, keep_identifiers)
    previous = _check_files(
        files, volume.array.size, volume.deviation is not None, volume.acquired is not None,
        record["volume"]["voxels_sha256"],
    )  # fmt: skip
    ending = volume_ending(files.volume)
    with AtomicFiles() as atomic:
        _write_image(volume, volume.shown, record, atomic.stage(files.volume, ending))
        for name, values in further.items():
            path_of_values: Path = getattr(files, name)
            if values is not None:
                about = {**record, "content": FURTHER_VOXELS[name]}
                about["volume"] = {key: value for key, value in record["volume"].items() if not key.endswith("sha256")}
                _write_image(volume, values, about, atomic.stage(path_of_values, ending))
            elif previous["volume"].get(f"has_{name}") and path_of_values.is_file():
                # the old file would look like one of the new volume
                atomic.remove(path_of_values)
        text = json.dumps(record, indent=1, ensure_ascii=True, allow_nan=False) + "\n"
        atomic.stage(files.record).write_text(text, encoding="ascii")
        before_they_appear()
    return files


def complete_record(volume: PseudoMRI, keep_identifiers: bool) -> dict[str, Any]:
    """The provenance with the section ``volume``: geometry, intensity mapping, and notes on nominal values."""
    cleaned = provenance.plain if keep_identifiers else provenance.remove_identifiers
    record = {**provenance.build_provenance(model={}, sampling={}, radiograph={}, koa={}), **cleaned(volume.provenance)}
    record["volume"] = provenance.plain(
        {
            "num_slices": volume.num_slices,
            "size": volume.array.shape[::-1],
            "spacing_mm": volume.spacing,
            "slice_thickness_mm": geometry.OAI_FIELD.slice_thickness_mm,
            "slice_thickness_note": "thickness of the training slices; the spacing is the distance between slice "
            "centres, so slices overlap or leave gaps unless there are 50",
            "extent_mm": geometry.OAI_FIELD.extent_mm,
            "direction_lps": volume.direction,
            "origin_lps_mm": volume.origin,
            "axes": "columns patient right to left, rows superior to inferior, slices anterior to posterior",
            "pose": "nominal",
            "pose_note": "a radiograph does not determine a 3-D pose; distances are those of an average field of view",
            "depth_index_of_slice_0": volume.num_slices - 1,
            "depth_positions": volume.depth_positions,
            "side": volume.side,
            "mirrored": volume.mirrored,
            "intensity_slope": STANDARD_MAPPING.slope,
            "intensity_intercept": STANDARD_MAPPING.intercept,
            "intensity_note": "grey in [0, 1] = stored * slope + intercept, relative to the volume, without unit",
            "has_deviation": volume.deviation is not None,
            "has_noise_free": volume.acquired is not None,
            "voxels_sha256": _stored_sha256(volume.shown),
            **_noise_free_checksum(volume),
        }
    )
    return record


def _noise_free_checksum(volume: PseudoMRI) -> dict[str, str]:
    if volume.acquired is None:
        return {}
    return {"noise_free_sha256": _stored_sha256(volume.array)}


def _stored_sha256(grey: np.ndarray) -> str:
    """``voxels_sha256`` of grey values [S, H, W] as they are stored, without all of these at once."""
    digest = hashlib.sha256()
    for one in grey:
        digest.update(np.ascontiguousarray(STANDARD_MAPPING.to_stored(one[None]), dtype="<i2").data)
    return digest.hexdigest()


def volume_grid(num_slices: int, rows: int, columns: int) -> dict[str, Any]:
    """Size, geometry (LPS mm, as in SimpleITK) and intensity mapping of a written volume of this shape."""
    return {
        "size": [columns, rows, num_slices],
        "spacing_mm": list(geometry.spacing_mm(num_slices, rows, columns)),
        "origin_lps_mm": list(geometry.origin_mm(num_slices, rows, columns)),
        "direction_lps": list(geometry.DIRECTION_LPS),
        "intensity_slope": STANDARD_MAPPING.slope,
        "intensity_intercept": STANDARD_MAPPING.intercept,
    }


def voxels_sha256(stored: np.ndarray) -> str:
    """SHA-256 of the stored integers as little-endian int16 in file order; links the side-car to its volume."""
    return hashlib.sha256(np.ascontiguousarray(stored, dtype="<i2").data).hexdigest()


def read_record(path: Path) -> dict[str, Any] | None:
    """Read a side-car; None if it does not exist or was not written by this program."""
    try:
        with path.open("rb") as file:
            record = json.loads(file.read(10_000_000))
    except (OSError, ValueError, RecursionError):
        return None
    ours = isinstance(record, dict) and record.get("schema") == provenance.SCHEMA
    return record if ours and isinstance(record.get("volume"), dict) else None


def _check_files(
    files: VolumeFiles, voxels: int, deviation: bool, noise_free: bool, sha256: str | None = None
) -> dict[str, Any]:
    """Check the output files; returns the existing side-car, or an empty one with the section ``volume``.

    ``sha256`` of the voxels is None as long as they are not known.
    """
    # uncompressed size: files are smaller, but a disk with less space is too full
    size = voxels * 2 * (1 + deviation + noise_free) + _RECORD_BYTES
    check_place(files.volume, size)
    check_place(files.record)
    if deviation:
        check_place(files.deviation)
    if noise_free:
        check_place(files.noise_free)
    previous = read_record(files.record)
    if previous is None and files.record.exists():
        raise InputError(
            f"The file {files.record.name} would be overwritten, and it is not a side-car of Xray2MRI.",
            code="bad-output",
            hint="Choose another output name.",
        )
    if previous is not None and previous["volume"].get("voxels_sha256") != sha256:
        check_shared_record(files)
    return previous or {"volume": {}}


def check_shared_record(files: VolumeFiles) -> None:
    """Refuse to overwrite the side-car of a volume in another format, which could not be read without it.

    Raises InputError.
    """
    stem = files.record.name.removesuffix(".json")
    for ending in VOLUME_ENDINGS:
        other = files.record.with_name(stem + ending)
        if other.name.lower() != files.volume.name.lower() and other.is_file():
            raise InputError(
                f"The side-car {files.record.name} would be overwritten, and it is that of the volume {other.name}.",
                code="bad-output",
                hint="Choose another output name.",
            )


def _stored_image(volume: PseudoMRI, grey: np.ndarray) -> SimpleITK.Image:
    """Grey values [S, H, W] as they are stored, filled in part by part: dense volumes need the memory."""
    import SimpleITK as sitk

    slices, rows, columns = grey.shape
    image = sitk.Image([columns, rows, slices], sitk.sitkInt16)
    for first in range(0, slices, _AT_ONCE):
        part = sitk.GetImageFromArray(STANDARD_MAPPING.to_stored(grey[first : first + _AT_ONCE]))
        image[:, :, first : first + part.GetDepth()] = part
    return volume.placed(image)


def _write_image(volume: PseudoMRI, grey: np.ndarray, record: dict[str, Any], path: Path) -> None:
    """Write grey values [S, H, W] with the geometry of ``volume``, and read them back."""
    import SimpleITK as sitk

    image = _stored_image(volume, grey)
    for name, text in provenance.header_fields(record).items():
        image.SetMetaData(name, text)
    image.SetMetaData("NRRD_content", record["notice"])
    image.SetMetaData("ITK_FileNotes", _SHORT_NOTICE)
    try:
        sitk.WriteImage(image, str(path), useCompression=True)
        del image  # free the memory for the copy that is read back
        # the NIfTI writer reports success on a full disk
        written = sitk.ReadImage(str(path))
        found = sitk.GetArrayViewFromImage(written)
        intact = found.shape == grey.shape and all(
            np.array_equal(one, STANDARD_MAPPING.to_stored(own[None])[0]) for one, own in zip(found, grey, strict=True)
        )
    except RuntimeError:
        intact = False
    if not intact:
        raise ProcessingError(
            "The volume could not be written completely.",
            code="write-failed",
            hint="The disk may be full or faulty. Write to another disk.",
        )
