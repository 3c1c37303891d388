"""The radiograph that a series leads to: the same knee on another radiograph, such as one of a later visit."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError, Notice
from ..generation.prepared_knee import PreparedKnee, prepare_knee
from ..generation.settings import GenerationSettings
from ..preparation.joint_crop import PreparedRadiograph
from ..radiograph.reading import Radiograph, read_radiograph


def prepare_follow_up(
    path: Path,
    first: PreparedRadiograph,
    *,
    side: str = "auto",
    roi: tuple[float, ...] | None = None,
    photometric: str = "auto",
) -> tuple[PreparedRadiograph, list[str]]:
    """The knee of ``first`` on another radiograph, and sentences for the user that name the file.

    Parameters
    ----------
    path
        The other radiograph, of one knee or of both.
    first
        The knee that the series begins with.
    side
        As the user gave it for both radiographs; ``auto`` decides anew for this one.
    roi
        Rectangle (x, y, width, height) of the knee on this radiograph in its pixels; None has it detected.
    photometric
        "normal" for bone that is stored bright on this radiograph, "inverted" for dark bone, or "auto".

    Raises InputError (code ``other-side``) for a radiograph of the other side's knee, and what reading and preparing
    raise. Errors and warnings about the rectangle name the field ``towards_roi``, those about dark bone
    ``towards_photometric``.
    """
    radiograph = read_radiograph(path, photometric=photometric)
    knee = _prepared(radiograph, side, roi)
    if knee.prepared.side != first.side and (
        knee.prepared.record["side_source"] == "assumed" or any(box.side == first.side for box in knee.boxes)
    ):
        knee = _prepared(radiograph, first.side, roi)
    if knee.prepared.side != first.side:
        raise InputError(
            f"{path.name} shows a {knee.prepared.side} knee ({knee.prepared.record['side_source']}), "
            f"but the series begins with a {first.side} one.",
            code="other-side",
            hint="Give a radiograph of the same knee, or choose the side if one of them was recognised wrongly.",
            field="side",
        )
    return knee.prepared, [
        Notice(f"{path.name}: {warning}", field=_own_field(getattr(warning, "field", ""))) for warning in knee.warnings
    ]


def _prepared(radiograph: Radiograph, side: str, roi: tuple[float, ...] | None) -> PreparedKnee:
    try:
        return prepare_knee(radiograph, GenerationSettings(side=side, roi=roi))
    except InputError as error:
        error.field = _own_field(error.field)
        raise


def _own_field(field: str) -> str:
    """The setting of this radiograph: its knee is chosen by a rectangle alone, the side is that of both radiographs."""
    return {"roi": "towards_roi", "knee": "towards_roi", "photometric": "towards_photometric"}.get(field, field)
