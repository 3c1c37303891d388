"""The radiograph that a series leads to: the same knee on another radiograph, such as one of a later visit."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError
from ..generation.prepared_knee import prepare_knee
from ..generation.settings import GenerationSettings
from ..preparation.joint_crop import PreparedRadiograph
from ..radiograph.reading import read_radiograph


def prepare_follow_up(
    path: Path, first: PreparedRadiograph, *, side: str = "auto", roi: tuple[float, ...] | None = None
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
        Rectangle (x, y, width, height) of the knee on this radiograph in its pixels; None looks for it.

    Raises InputError (code ``other-side``) for a radiograph of the other side's knee, and what reading and preparing
    raise.
    """
    radiograph = read_radiograph(path)
    knee = prepare_knee(radiograph, GenerationSettings(side=side, roi=roi))
    if knee.prepared.side != first.side and (
        knee.prepared.record["side_source"] == "assumed" or any(box.side == first.side for box in knee.boxes)
    ):
        knee = prepare_knee(radiograph, GenerationSettings(side=first.side, roi=roi))
    if knee.prepared.side != first.side:
        raise InputError(
            f"{path.name} shows a {knee.prepared.side} knee ({knee.prepared.record['side_source']}), "
            f"the series begins with a {first.side} one.",
            code="other-side",
            hint="Give a radiograph of the same knee, or --side when one of them was read wrongly.",
        )
    return knee.prepared, [_of_this_radiograph(warning, path) for warning in knee.warnings]


def _of_this_radiograph(warning: str, path: Path) -> str:
    """The sentence with the file's name; --roi and --knee speak of the first radiograph."""
    for option in ("--knee", "--roi"):
        warning = warning.replace(f" {option} chooses", " --towards-roi chooses")
    return f"{path.name}: {warning}"
