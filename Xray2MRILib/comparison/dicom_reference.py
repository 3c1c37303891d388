"""The real MRI from a folder of DICOM files or one of them: the stack that is certainly meant, or a refusal by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError, check_name
from .dicom_slices import CONTRASTS, DAMAGED, DicomFolder, DicomSlice, is_dicom, read_slices
from .dicom_stack import Stack, StackError, order_stack

if TYPE_CHECKING:
    import SimpleITK
    from pydicom.dataset import Dataset

# the largest stack is meant when no other one has more than this share of its slices
_BY_FAR = 0.4
_SAME_ORIENTATION, _SAME_SIZE = 2e-3, 1e-3
_MR_MODALITIES = ("MR", "OT", "")


@dataclass(frozen=True)
class DicomSeries:
    """A whole series: its volume (LPS, float32), the header of its first slice, and sentences on what was left out."""

    image: SimpleITK.Image
    header: Dataset
    remarks: list[str]


def read_dicom_reference(path: Path) -> tuple[SimpleITK.Image, list[str]]:
    """The volume (LPS, float32) of a folder, or of the series of one of its files, and sentences on what was left out.

    Raises InputError as ``read_dicom_series`` does.
    """
    series = read_dicom_series(path)
    return series.image, series.remarks


def read_dicom_series(path: Path, wanted: Callable[[Dataset], bool] | None = None) -> DicomSeries:
    """The series of a folder, or of one of its files.

    ``wanted`` tells a slice of the wanted sequence by its header: when a folder holds any such slices, the others are
    passed over. Raises InputError for a folder without one certain stack, for slices that are missing, doubled, cut or
    contradict each other, and for a series that this program wrote.
    """
    folder = path if path.is_dir() else path.parent
    files = [file for file in folder.iterdir() if file.is_file()]
    found = read_slices(files)
    if wanted is not None and (of_sequence := [one for one in found.slices if wanted(one.header)]):
        found = DicomFolder(of_sequence, found.unreadable)
    if not found.slices and not found.unreadable:
        raise _refusal(path, "contains no DICOM series", _where_else(folder))
    groups = _groups(found.slices)
    if not groups or (path.is_file() and path.name in found.unreadable):
        raise _unreadable(path, found.unreadable)
    chosen = _chosen(path, groups)
    _check_kind(path, chosen)
    same_series = [one for one in found.slices if one.belongs == chosen[0].belongs]
    if found.unreadable:
        raise _unreadable(path, found.unreadable)
    pixels = _Pixels(path)
    chosen, copies = _without_copies(chosen, pixels)
    try:
        ids = {id(one) for one in chosen}
        stack = order_stack(chosen, [one for one in same_series if id(one) not in ids])
    except StackError as fault:
        raise _refusal(path, fault.clause, fault.hint, "bad-geometry") from None
    remarks = list(stack.warnings)
    if copies:
        slices, were = ("one slice", "copy was") if len(copies) == 1 else (f"{len(copies)} slices", "copies were")
        remarks.append(f"The reference holds {slices} twice; the {were} left out.")
    if path.is_dir():
        remarks += _left_out(chosen, copies, found.slices)
    return DicomSeries(_image(stack, pixels), stack.slices[0].header, remarks)


def _refusal(path: Path, clause: str, hint: str, code: str = "not-comparable") -> InputError:
    return InputError(f"The reference {path.name} {clause}.", code=code, hint=hint)


def _unreadable(path: Path, files: dict[str, str]) -> InputError:
    """The first kind of fault, with the files that have it."""
    fault = next(iter(files.values()))
    names = _names([name for name, kind in files.items() if kind == fault])
    words = f"that are {fault}" if fault == DAMAGED else fault
    hint = "Copy the series again, or remove these files if they belong to another one."
    return _refusal(path, f"has files {words}: {names}", hint, "unreadable-reference")


def _where_else(folder: Path) -> str:
    for below in sorted(one for one in folder.iterdir() if one.is_dir())[:20]:
        if any(is_dicom(file) for file in sorted(below.iterdir())[:5] if file.is_file()):
            return f"Choose the folder with the slices of one series, for example {below.name} in it."
    return "Choose the folder with the slices of one series."


def _groups(slices: Sequence[DicomSlice]) -> list[list[DicomSlice]]:
    """Slices that may form one volume, the largest group first: same series, size, orientation and contrast."""
    groups: list[list[DicomSlice]] = []
    for one in slices:
        for group in groups:
            if _belong_together(group[0], one):
                group.append(one)
                break
        else:
            groups.append([one])
    return sorted(groups, key=len, reverse=True)


def _belong_together(first: DicomSlice, second: DicomSlice) -> bool:
    same = ("belongs", "shape", "contrast")
    return all(getattr(first, name) == getattr(second, name) for name in same) and all(
        _close(getattr(first, name), getattr(second, name), tolerance)
        for name, tolerance in (("orientation", _SAME_ORIENTATION), ("pixel_mm", _SAME_SIZE))
    )


def _close(first: tuple[float, ...] | None, second: tuple[float, ...] | None, tolerance: float) -> bool:
    if first is None or second is None:
        return first is second
    return bool(np.allclose(first, second, rtol=0, atol=tolerance))


def _chosen(path: Path, groups: list[list[DicomSlice]]) -> list[DicomSlice]:
    """The group of the given file, or the one that is larger than all others by far."""
    if path.is_file():
        groups = [group for group in groups if any(one.path.name == path.name for one in group)]
        if not groups:
            raise _refusal(path, "is not a DICOM image", "Choose a file of the series.", "unreadable-reference")
    if len(groups) == 1 or len(groups[1]) <= _BY_FAR * len(groups[0]):
        return groups[0]
    rivals = [group for group in groups if len(group) > _BY_FAR * len(groups[0])]
    series = {group[0].belongs for group in rivals}
    what = "DICOM series" if len(series) == len(rivals) else "stacks of slices"
    if len({group[0].belongs[0] for group in rivals}) > 1:
        what += " of several patients"
    listed = "; ".join(_described(group, rivals) for group in rivals[:4])
    hint = "Choose one file of the series, or give a folder that holds nothing else."
    raise _refusal(path, f"contains {len(rivals)} {what}: {listed}", hint)


def _described(group: list[DicomSlice], rivals: list[list[DicomSlice]]) -> str:
    """Number of slices and whatever tells a group from its rivals."""
    first = group[0]
    description = str(first.header.get("SeriesDescription") or "").strip()[:40]
    tells = {
        repr(description) if description else "": [str(other[0].header.get("SeriesDescription")) for other in rivals],
        f"{first.shape[1]} x {first.shape[0]} pixels": [str(other[0].shape) for other in rivals],
        f"pixels of {_mm(first)} mm": [_mm(other[0]) for other in rivals],
        _plane(first): [_plane(other[0]) for other in rivals],
    }
    for place, (name, unit) in enumerate(CONTRASTS.values()):
        value = first.contrast[place]
        words = f"{name} {value}{unit}" if value else f"{name} not given"
        tells[words] = [other[0].contrast[place] for other in rivals]
    telling = [name for name, values in tells.items() if name and len(set(values)) > 1]
    return ", ".join([f"{len(group)} slices from {first.path.name}", *telling])


def _mm(one: DicomSlice) -> str:
    return "unknown" if one.pixel_mm is None else " x ".join(f"{value:.3g}" for value in one.pixel_mm)


def _plane(one: DicomSlice) -> str:
    if one.orientation is None:
        return "without orientation"
    normal = np.cross(one.orientation[:3], one.orientation[3:])
    return ("sagittal", "coronal", "axial")[int(np.argmax(np.abs(normal)))]


def _check_kind(path: Path, chosen: list[DicomSlice]) -> None:
    """Refuse what is synthetic, in colour, no MRI, or shown inverted."""
    for one in chosen:
        header = one.header
        kinds = [str(word).upper() for word in np.atleast_1d(header.get("ImageType") or [])]
        if _is_ours(header, kinds):
            raise _refusal(path, "is itself a synthetic volume", "Compare with a real MRI.", "reference-synthetic")
        modality = str(header.get("Modality") or "")
        if modality not in _MR_MODALITIES:
            raise _refusal(path, f"is not an MRI: its modality is {modality[:16]}", "Give an MR series.")
        if "MOSAIC" in kinds:
            raise _refusal(path, "holds mosaic pictures of several slices each", "Export single slices.")
        if int(header.get("SamplesPerPixel") or 1) != 1:
            raise _refusal(path, "contains colours or vectors instead of grey values", "Give the MR volume itself.")
        if str(header.get("PhotometricInterpretation") or "") == "MONOCHROME1":
            raise _refusal(path, "is stored with inverted grey values (MONOCHROME1)", "Export the original series.")


def _is_ours(header: Dataset, kinds: list[str]) -> bool:
    """Whether export.dicom_series wrote an image; each of its marks counts alone, since anonymizers remove some."""
    maker, description = str(header.get("Manufacturer") or ""), str(header.get("SeriesDescription") or "")
    return (
        kinds == ["DERIVED", "SECONDARY", "OTHER", "SYNTHETIC"]
        or "xray2mri" in maker.lower()
        or description.startswith("SYNTHETIC pseudo-MRI")
    )


class _Pixels:
    """Decoded files, each read once."""

    def __init__(self, reference: Path) -> None:
        self._reference = reference
        self._read: dict[Path, np.ndarray] = {}

    def of(self, one: DicomSlice) -> np.ndarray:
        """[rows, columns] float32, rescaled as the header says."""
        import SimpleITK as sitk

        if one.path not in self._read:
            check_name(str(one.path))
            try:
                image = sitk.ReadImage(str(one.path), sitk.sitkFloat32, imageIO="GDCMImageIO")
            except RuntimeError:
                raise _refusal(
                    self._reference,
                    f"has a file that cannot be decoded: {one.path.name}",
                    "Export the series again without compression.",
                    "unreadable-reference",
                ) from None
            array = sitk.GetArrayFromImage(image)
            self._read[one.path] = array if array.ndim == 3 else array[None]
        frames = self._read[one.path]
        if one.frame >= len(frames) or frames.shape[1:] != one.shape:
            raise _refusal(self._reference, f"has a file of another size than its header says: {one.path.name}",
                           "Export the series again.", "unreadable-reference")  # fmt: skip
        return frames[one.frame]


def _without_copies(slices: list[DicomSlice], pixels: _Pixels) -> tuple[list[DicomSlice], list[DicomSlice]]:
    """The slices without those that are copies of another one: same place, same pixels."""
    seen: dict[tuple[float, ...], list[DicomSlice]] = {}
    kept: list[DicomSlice] = []
    copies: list[DicomSlice] = []
    for one in slices:
        place = seen.setdefault(tuple(np.round(one.position, 3)), []) if one.position is not None else []
        if any(np.array_equal(pixels.of(one), pixels.of(other)) for other in place):
            copies.append(one)
        else:
            place.append(one)
            kept.append(one)
    return kept, copies


def _left_out(chosen: list[DicomSlice], copies: list[DicomSlice], every: list[DicomSlice]) -> list[str]:
    used = {id(one) for one in (*chosen, *copies)}
    rest = [one for one in every if id(one) not in used]
    if not rest:
        return []
    first = chosen[0]
    reasons = {
        "another series": any(one.belongs != first.belongs for one in rest),
        "another orientation": any(not _close(one.orientation, first.orientation, _SAME_ORIENTATION) for one in rest),
        "another contrast": any(one.belongs == first.belongs and one.contrast != first.contrast for one in rest),
    }
    words = " or ".join(name for name, holds in reasons.items() if holds) or "another size"
    names = _names(list(dict.fromkeys(one.path.name for one in rest)))
    slices, were = ("One slice", "was") if len(rest) == 1 else (f"{len(rest)} slices", "were")
    return [f"{slices} of {words} in the folder of the reference {were} left out: {names}."]


def _names(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _image(stack: Stack, pixels: _Pixels) -> SimpleITK.Image:
    import SimpleITK as sitk

    if len({one.path for one in stack.slices}) == 1 and len({one.rescale for one in stack.slices}) > 1:
        raise _refusal(stack.slices[0].path, "scales the grey values of its frames differently",
                       "Export the series as single slices.")  # fmt: skip
    image = sitk.GetImageFromArray(np.stack([pixels.of(one) for one in stack.slices]).astype(np.float32))
    image.SetSpacing([float(value) for value in stack.spacing])
    image.SetOrigin([float(value) for value in stack.origin])
    image.SetDirection(stack.direction.ravel().tolist())
    return image
