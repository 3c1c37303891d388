"""The target radiograph of a series: the same knee on another radiograph, e.g. from a follow-up visit."""

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
    """Prepare the knee of ``first`` on another radiograph; returns it with warnings that name the file.

    Parameters
    ----------
    path
        The other radiograph, of one knee or of both.
    first
        The first knee of the series.
    side
        The user's choice for both radiographs; ``auto`` determines the side of this one separately.
    roi
        Rectangle (x, y, width, height) of the knee in pixels of this radiograph; None detects the knee.
    photometric
        How bone is stored in this radiograph: "normal" (bright), "inverted" (dark) or "auto".

    Raises InputError (code ``other-side``) for a knee of the other side, and the errors of reading and preparation.
    Errors and warnings about the rectangle name the field ``towards_roi``, those about dark bone
    ``towards_photometric``.
    """
    radiograph = read_radiograph(path, photometric=photometric)
    knee = _prepare(radiograph, side, roi)
    if knee.prepared.side != first.side and (
        knee.prepared.record["side_source"] == "assumed" or any(box.side == first.side for box in knee.boxes)
    ):
        knee = _prepare(radiograph, first.side, roi)
    if knee.prepared.side != first.side:
        raise InputError(
            f"{path.name} shows a {knee.prepared.side} knee ({knee.prepared.record['side_source']}), "
            f"but the series begins with a {first.side} knee.",
            code="other-side",
            hint="Give a radiograph of the same knee, or set the side if it was recognised wrongly.",
            field="side",
        )
    return knee.prepared, [
        Notice(f"{path.name}: {warning}", field=_translate_field(getattr(warning, "field", "")))
        for warning in knee.warnings
    ]


def _prepare(radiograph: Radiograph, side: str, roi: tuple[float, ...] | None) -> PreparedKnee:
    try:
        return prepare_knee(radiograph, GenerationSettings(side=side, roi=roi))
    except InputError as error:
        error.field = _translate_field(error.field)
        raise


def _translate_field(field: str) -> str:
    """The name of the setting for this radiograph: it has its own rectangle and sense of bone, but shares the side."""
    return {"roi": "towards_roi", "knee": "towards_roi", "photometric": "towards_photometric"}.get(field, field)
