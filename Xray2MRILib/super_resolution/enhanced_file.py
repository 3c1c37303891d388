"""An enhanced volume on disk: NRRD, NIfTI or MetaImage with its provenance beside it, completely or not at all."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, ProcessingError
from ..files.atomic_write import AtomicFiles, check_place
from ..volume import provenance
from ..volume.file_name import volume_ending
from ..volume.writing import VolumeFiles, check_shared_record, read_record

if TYPE_CHECKING:
    import SimpleITK

NOTICE = "Enhanced volume: detail beyond the acquired resolution is computed. For research use, not for diagnosis."
_SHORT_NOTICE = "computed detail, not for diagnosis; see the .json"
_RECORD_BYTES = 200_000


def check_enhanced_destination(path: str | Path, voxels: int) -> VolumeFiles:
    """Refuse an output that cannot be written, before any work. Raises InputError and ProcessingError."""
    files = VolumeFiles.to_write(path)
    check_place(files.volume, voxels * 2 + _RECORD_BYTES)
    check_place(files.record)
    if files.record.exists() and read_record(files.record) is None:
        raise InputError(
            f"The file {files.record.name} would be overwritten, and it is not a side-car of Xray2MRI.",
            code="bad-output",
            hint="Choose another output name.",
        )
    if files.record.exists():
        check_shared_record(files)
    return files


def write_enhanced(image: SimpleITK.Image, record: dict[str, Any], path: str | Path) -> VolumeFiles:
    """Write an image (int16 or float32, LPS) and its record; the section ``volume`` is added here.

    Raises InputError and ProcessingError as ``check_enhanced_destination``, and when writing fails.
    """
    import SimpleITK as sitk

    values = sitk.GetArrayViewFromImage(image)
    files = check_enhanced_destination(path, values.size)
    complete = {
        **provenance.remove_identifiers(record),
        "volume": {
            "size": list(image.GetSize()),
            "spacing_mm": list(image.GetSpacing()),
            "direction_lps": list(image.GetDirection()),
            "origin_lps_mm": list(image.GetOrigin()),
            "voxels_sha256": hashlib.sha256(np.ascontiguousarray(values).data).hexdigest(),
        },
    }
    for name, text in provenance.header_fields(complete).items():
        image.SetMetaData(name, text)
    image.SetMetaData("NRRD_content", complete["notice"])
    image.SetMetaData("ITK_FileNotes", _SHORT_NOTICE)
    with AtomicFiles() as atomic:
        staged = atomic.stage(files.volume, volume_ending(files.volume))
        try:
            sitk.WriteImage(image, str(staged), useCompression=True)
            intact = np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(staged))), values)
        except RuntimeError:
            intact = False
        if not intact:
            raise ProcessingError(
                "The volume could not be written completely.",
                code="write-failed",
                hint="The disk may be full or faulty. Write to another disk.",
            )
        text = json.dumps(complete, indent=1, ensure_ascii=True, allow_nan=False) + "\n"
        atomic.stage(files.record).write_text(text, encoding="ascii")
    return files
