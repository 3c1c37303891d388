"""Whether a radiograph is the one that a volume was made from: the one check behind every export that takes one.

A volume records where its knee lies on the radiograph and the SHA-256 of the crop that the model received. A given
radiograph is prepared again in the same way, and its crop must have that digest. A patient's name, a study or a picture
is never joined to a volume on any other ground.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..localization.knee_box import KneeBox
from .joint_crop import PreparedRadiograph, prepare_radiograph


@dataclass(frozen=True)
class RecordedRadiograph:
    """A radiograph that was prepared again as a volume's record says.

    Attributes
    ----------
    prepared
        The crop.
    recorded
        False for a volume that does not record the digest of its crop, so that nothing can be compared.
    """

    prepared: PreparedRadiograph
    recorded: bool


def crop_digest(image: np.ndarray) -> str:
    """SHA-256 of a crop [1, 256, 256] in [-1, 1], as the provenance of a volume records it (``crop_sha256``)."""
    return hashlib.sha256(np.ascontiguousarray(np.clip(image, -1, 1), "<f4").tobytes()).hexdigest()


def match_radiograph(provenance: Mapping[str, Any], path: str | Path) -> RecordedRadiograph:
    """Prepare the radiograph at a path as the volume's own was, and compare the two crops.

    Parameters
    ----------
    provenance
        Record of the volume; its section ``radiograph`` says where the knee is and what digest its crop has.
    path
        The radiograph that the user gives as the volume's own.

    Raises InputError when the radiograph is another one (code ``other-radiograph``), cannot be read, or when the record
    does not say where the knee is (code ``bad-side-car``).
    """
    path = Path(path)
    about = provenance.get("radiograph")
    about = about if isinstance(about, Mapping) else {}
    expected = about.get("crop_sha256")
    prepared = _prepare_again(about, path, has_digest=expected is not None)
    if expected is not None and crop_digest(prepared.image) != expected:
        raise _other(path)
    return RecordedRadiograph(prepared, expected is not None)


def require_radiograph(provenance: Mapping[str, Any], path: str | Path) -> None:
    """Refuse a radiograph that is not shown to be the volume's own, e.g. before its patient's name is taken over.

    Raises InputError as ``match_radiograph`` does, and for a volume that does not record its radiograph (code
    ``unknown-radiograph``).
    """
    path = Path(path)
    about = provenance.get("radiograph")
    if not isinstance(about, Mapping) or about.get("crop_sha256") is None:
        raise InputError(
            f"The volume does not record which radiograph it was made from, so that {path.name} cannot be confirmed.",
            code="unknown-radiograph",
            hint="Go without the radiograph and its patient's data, or generate the volume again.",
            field="radiograph",
        )
    match_radiograph(provenance, path)


def _prepare_again(about: Mapping[str, Any], path: Path, has_digest: bool) -> PreparedRadiograph:
    from ..radiograph.photometric import recorded_photometric
    from ..radiograph.reading import read_radiograph

    try:
        box = KneeBox(**about["box"]) if about["box"] else None
        side, side_source = about["side"], about["side_source"]
    except (KeyError, TypeError):
        raise InputError(
            "The side-car of the volume does not record where the knee is on the radiograph.",
            code="bad-side-car",
            hint="Go without the radiograph.",
            field="radiograph",
        ) from None
    radiograph = read_radiograph(path, photometric=recorded_photometric(about))
    try:
        return prepare_radiograph(radiograph, box, side, side_source)
    except InputError as error:
        # the knee of the record does not even lie on this radiograph
        raise (_other(path) if has_digest else error) from error


def _other(path: Path) -> InputError:
    return InputError(
        f"The volume was not made from the radiograph {path.name}: the pixels of the knee do not match.",
        code="other-radiograph",
        hint="Give the radiograph that the volume was made from. A volume of an earlier version, or of another file of "
        "the same radiograph, must be generated again.",
        field="radiograph",
    )
