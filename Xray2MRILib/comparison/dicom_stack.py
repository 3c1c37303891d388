"""One volume from DICOM slices, or a refusal that names the gap: nothing is guessed about where a slice lies.

Slices are sorted by their positions, never by file names or numbers. Numbers only tell what is missing and whether the
header contradicts itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .dicom_slices import DicomSlice

_LEAST_SLICES = 3
# share of the distance of slices by which one of them may be off its place, and what decimal texts may be off in mm
_UNEVEN, _ROUNDING_MM = 0.03, 0.02
_SIDEWAYS_PIXELS = 0.2
_TURNED = 2e-3
_MOST_INTERLEAVED = 8


class StackError(Exception):
    """Why slices do not form a volume: a clause that follows "The reference NAME", and what to do."""

    def __init__(self, clause: str, hint: str = "Export the whole series again.") -> None:
        super().__init__(clause)
        self.clause = clause
        self.hint = hint


@dataclass(frozen=True)
class Stack:
    """Slices in order of place, and their grid.

    ``direction`` is [3, 3] with the axes as columns (along a row, along a column, from slice to slice), right-handed.
    ``spacing`` is mm in the same order.
    """

    slices: list[DicomSlice]
    spacing: tuple[float, float, float]
    direction: np.ndarray
    origin: tuple[float, ...]
    warnings: list[str]


def order_stack(slices: Sequence[DicomSlice], others: Sequence[DicomSlice] = ()) -> Stack:
    """The stack that slices of one orientation, size and contrast form.

    Parameters
    ----------
    slices
        Slices of one group; no two of them are copies of each other.
    others
        The other slices of the same series, whose numbers explain gaps in the numbering.

    Raises StackError for missing positions, gaps, doubled positions, uneven distances, sheared stacks and headers that
    contradict themselves.
    """
    _check_places(slices)
    axes = np.array(slices[0].orientation, float).reshape(2, 3)
    if abs(axes[0] @ axes[1]) > _TURNED or not np.allclose(np.linalg.norm(axes, axis=1), 1, atol=_TURNED):
        raise StackError(
            "has axes that are not at right angles to each other (ImageOrientationPatient)",
            "Export the series again without changing its geometry.",
        )
    row = axes[0] / np.linalg.norm(axes[0])
    column = axes[1] - (axes[1] @ row) * row
    column /= np.linalg.norm(column)
    normal = np.cross(row, column)
    along = np.array([np.dot(normal, one.position or ()) for one in slices])
    order = np.argsort(along, kind="stable")
    ordered = [slices[index] for index in order]
    along = along[order]
    if len(ordered) < _LEAST_SLICES:
        raise StackError(f"is not a volume of at least {_LEAST_SLICES} slices", "Give the whole series.")
    pitch = _checked_pitch(ordered, along)
    _check_line(ordered, normal, along)
    _check_numbers(ordered)
    _check_stride(ordered, pitch, others)
    rows_mm, columns_mm = ordered[0].pixel_mm or (0.0, 0.0)
    direction = np.stack([row, column, normal], axis=1)
    return Stack(ordered, (columns_mm, rows_mm, pitch), direction, ordered[0].position or (), _edges(ordered, others))


def _check_places(slices: Sequence[DicomSlice]) -> None:
    for attribute, name, what in (
        ("position", "ImagePositionPatient", "where they lie"),
        ("orientation", "ImageOrientationPatient", "how they are turned"),
        ("pixel_mm", "PixelSpacing", "how large their pixels are"),
    ):
        silent = sum(getattr(one, attribute) is None for one in slices)
        if silent:
            raise StackError(
                f"has {silent} of {len(slices)} slices that do not say {what} ({name})",
                "Export the series again with its geometry, or give it as NIfTI or NRRD.",
            )
    if min(min(one.pixel_mm or (0.0,)) for one in slices) <= 0:
        raise StackError("has pixels of no size (PixelSpacing)", "Export the series again with its geometry.")


def _checked_pitch(ordered: Sequence[DicomSlice], along: np.ndarray) -> float:
    """Distance of neighbouring slices in mm, the same everywhere."""
    steps = np.diff(along)
    span = float(along[-1] - along[0])
    twice = [k for k, step in enumerate(steps) if step < max(_ROUNDING_MM, 0.05 * float(np.median(steps)))]
    if twice:
        named = _named(sorted({k for first in twice for k in (first, first + 1)}), ordered)
        raise StackError(
            f"has several slices with different pictures at one place ({named})",
            "Choose one file of the wanted volume in a folder that holds this volume alone.",
        )
    pitch = _least_pitch(ordered, steps)
    counts = np.rint(steps / pitch)
    if counts.max() > 1 and np.all(np.abs(steps - counts * pitch) <= _UNEVEN * pitch * counts + _ROUNDING_MM):
        gaps = [_gap(ordered[k], ordered[k + 1], int(counts[k]) - 1)
                for k in range(len(counts)) if counts[k] > 1]  # fmt: skip
        raise StackError("is incomplete: " + _listed(gaps), "Copy or export the whole series again.")
    pitch = span / len(steps)
    off = np.abs(along - along[0] - pitch * np.arange(len(along)))
    if np.abs(steps - pitch).max() > _UNEVEN * pitch + _ROUNDING_MM or off.max() > 2 * _UNEVEN * pitch + _ROUNDING_MM:
        raise StackError(
            f"has slices at uneven distances, from {steps.min():.2f} to {steps.max():.2f} mm",
            "Slices may be missing, or belong to another series. Export the series again.",
        )
    return pitch


def _least_pitch(ordered: Sequence[DicomSlice], steps: np.ndarray) -> float:
    """The distance that all steps are multiples of: by the numbers where they go with the places, or the least step."""
    numbers = np.array([np.nan if one.number is None else one.number for one in ordered])
    strides = np.abs(np.diff(numbers))
    if np.isfinite(strides).all() and strides.min() >= 1 and strides.min() < strides.max():
        per_number = steps / strides
        if np.ptp(per_number) <= _UNEVEN * float(per_number.mean()):
            return float(per_number.mean())
    return float(steps.min())


def _gap(before: DicomSlice, after: DicomSlice, missing: int) -> str:
    """Words for a gap, by the numbers of its neighbours where these count on."""
    if before.number is not None and after.number is not None:
        low, high = sorted((before.number, after.number))
        if high - low == missing + 1:
            joined = f"{low + 1} {'and' if missing == 2 else 'to'} {high - 1}"
            return f"slice {low + 1} is missing" if missing == 1 else f"slices {joined} are missing"
    slices = "one slice is" if missing == 1 else f"{missing} slices are"
    return f"{slices} missing between {before.path.name} and {after.path.name}"


def _listed(clauses: Sequence[str]) -> str:
    shown = list(clauses[:4])
    if len(clauses) > len(shown):
        more = len(clauses) - len(shown)
        shown.append("and one more gap" if more == 1 else f"and {more} more gaps")
    return ", ".join(shown)


def _named(places: Sequence[int], ordered: Sequence[DicomSlice]) -> str:
    names = [ordered[place].path.name for place in places]
    return ", ".join(dict.fromkeys(names[:4])) + (" ..." if len(names) > 4 else "")


def _check_line(ordered: Sequence[DicomSlice], normal: np.ndarray, along: np.ndarray) -> None:
    """The first voxels of all slices lie on one line along the normal."""
    places = np.array([one.position for one in ordered])
    sideways = places - places[0] - np.outer(along - along[0], normal)
    if np.linalg.norm(sideways, axis=1).max() > _SIDEWAYS_PIXELS * min(ordered[0].pixel_mm or (1.0,)) + _ROUNDING_MM:
        raise StackError(
            "has slices that are shifted sideways against each other (a sheared stack)",
            "Resample the series to a box with right angles, for example in 3D Slicer.",
        )


def _check_numbers(ordered: Sequence[DicomSlice]) -> None:
    """Numbers and slice locations rise or fall with the positions, or interleave regularly."""
    locations = [one.location for one in ordered]
    if all(value is not None for value in locations) and len(set(locations)) == len(locations):
        steps = np.diff(np.array(locations, float))
        if not (np.all(steps > 0) or np.all(steps < 0)):
            raise _contradiction("SliceLocation", "slice locations")
    numbers = [one.number for one in ordered]
    if any(value is None for value in numbers) or len(set(numbers)) < len(numbers):
        return
    order = np.argsort(np.array(numbers, float))
    if not _is_regular(order):
        raise _contradiction("InstanceNumber", "numbers")


def _is_regular(order: np.ndarray) -> bool:
    """True for 0 1 2 3 ..., for its reverse, and for interleaved orders such as 0 2 4 ... 1 3 5 ..."""
    steps = np.diff(order)
    for stride in range(1, _MOST_INTERLEAVED + 1):
        if stride > 1 and len(order) < 3 * stride:
            break
        for sign in (1, -1):
            if int((steps != sign * stride).sum()) == stride - 1:
                return True
    return False


def _contradiction(attribute: str, words: str) -> StackError:
    return StackError(
        f"has positions and {words} of slices that contradict each other (ImagePositionPatient, {attribute})",
        "Export the series again from where it was made.",
    )


def _check_stride(ordered: Sequence[DicomSlice], pitch: float, others: Sequence[DicomSlice]) -> None:
    """Even gaps, such as every second slice, do not show in the positions, but in numbers or the stated distance."""
    header = ordered[0].header
    stated = _stated(header, "SpacingBetweenSlices")
    if stated is not None and abs(stated - pitch) <= _UNEVEN * pitch + _ROUNDING_MM:
        return
    numbers = sorted(one.number for one in ordered if one.number is not None)
    strides = set(np.diff(numbers).tolist()) if len(set(numbers)) == len(ordered) else set()
    taken = {one.number for one in others}
    if len(strides) == 1 and min(strides) > 1:
        between = set(range(numbers[0], numbers[-1])) - set(numbers)
        if not between <= taken:
            raise StackError(
                f"is incomplete: its slices are numbered {numbers[0]}, {numbers[1]}, {numbers[2]} ..., "
                "the ones between are missing",
                "Copy or export the whole series again.",
            )
        return
    if stated is not None and not strides and not others and pitch / stated > 1.5 and not _is_gap(header, pitch):
        raise StackError(
            f"has slices {pitch:.2f} mm apart, and its header says {stated:.2f} mm (SpacingBetweenSlices)",
            "Slices may be missing. Export the whole series again.",
        )


def _is_gap(header: object, pitch: float) -> bool:
    """Whether SpacingBetweenSlices is the gap between slices, as some scanners write it, and not their distance."""
    gap, thickness = _stated(header, "SpacingBetweenSlices"), _stated(header, "SliceThickness")
    if gap is None or thickness is None or gap > 0.75 * thickness:
        return False
    return abs(thickness + gap - pitch) <= _UNEVEN * pitch


def _stated(header: object, keyword: str) -> float | None:
    try:
        value = float(getattr(header, keyword))
    except (AttributeError, TypeError, ValueError):
        return None
    return value if np.isfinite(value) and value > 0 else None


def _edges(ordered: Sequence[DicomSlice], others: Sequence[DicomSlice]) -> list[str]:
    """What may be missing at either end of the stack, where no gap shows it."""
    numbers = [one.number for one in ordered if one.number is not None]
    everything = {*numbers, *(one.number for one in others)}
    found = []
    if len(numbers) == len(ordered) and 1 < min(numbers) <= 200 and not set(range(1, min(numbers))) <= everything:
        last = min(numbers) - 1
        found.append(
            f"The first slice of the reference has the number {min(numbers)}: "
            + ("slice 1 may be missing." if last == 1 else f"slices 1 to {last} may be missing.")
        )
    announced = _stated(ordered[0].header, "ImagesInAcquisition")
    if announced is not None and announced > len(ordered) + len(others):
        found.append(
            f"The reference has {len(ordered)} slices, and its header announces {announced:.0f}: some may be missing."
        )
    return found
