"""What the text headers of NRRD and MetaImage files say about their frame, read without ITK.

ITK takes 1 mm for a spacing that is not given, axial slices for a file without frame, and mm for every unit.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from .volume_frame import FrameError, VolumeFrame, frame_from, no_frame, several_volumes

_HEADER_BYTES = 1_000_000
# space of an NRRD file (lower case) -> factors to LPS
_SPACES = {
    "left-posterior-superior": (1, 1, 1),
    "lps": (1, 1, 1),
    "right-anterior-superior": (-1, -1, 1),
    "ras": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1),
    "las": (1, -1, 1),
}
_SPATIAL_KINDS = ("domain", "space")
# kinds whose values are volumes of their own, such as time points
_VOLUME_KINDS = ("list", "time", "vector", "???", "none")


def nrrd_frame(path: Path) -> VolumeFrame:
    """The frame of an NRRD file of one volume, LPS. Raises FrameError as ``volume_frame`` describes."""
    fields = _nrrd_fields(path)
    sizes = [int(word) for word in fields.get("sizes", "").split() if word.isdigit()]
    kinds = fields.get("kinds", "").lower().split()
    vectors = _vectors(fields.get("space directions", ""))
    if len(sizes) != 3:
        _check_axes(sizes, kinds, vectors)
        vectors = [one for one in vectors if one is not None]
    if not fields.get("space directions"):
        if fields.get("spacings"):
            raise no_frame("spacings without space directions")
        raise no_frame("no space directions")
    space = fields.get("space", "").lower().removesuffix("-time").removesuffix("t")
    if space not in _SPACES:
        raise no_frame(f"the space {space[:40]!r} is none of a patient" if space else "no space is named")
    units = set(re.findall(r'"([^"]*)"', fields.get("space units", ""))) - {"mm", "", "millimeters", "millimeter"}
    if units:
        raise FrameError(
            f"measures in {sorted(units)[0][:20]} instead of mm (space units)", "Save it again with lengths in mm."
        )
    if len(vectors) != 3 or any(one is None or len(one) != 3 for one in vectors):
        raise no_frame("not three space directions of three numbers")
    origin = next(iter(_vectors(fields.get("space origin", ""))), None)
    if origin is None or len(origin) != 3:
        raise no_frame("no space origin")
    factors = np.array(_SPACES[space], float)
    return frame_from(np.array(vectors, float).T * factors[:, None], np.array(origin) * factors)


def _check_axes(sizes: list[int], kinds: list[str], vectors: list[list[float] | None]) -> None:
    """Refuse files of more than three axes by what the others are."""
    if len(sizes) < 3:
        raise FrameError("is not a volume of at least 3 slices", "Give the whole series.")
    spatial = [k for k, one in enumerate(vectors) if one is not None]
    if len(vectors) != len(sizes):
        spatial = [k for k, kind in enumerate(kinds) if kind in _SPATIAL_KINDS] or [0, 1, 2]
    others = [k for k in range(len(sizes)) if k not in spatial[:3]]
    count = int(np.prod([sizes[k] for k in others]))
    if count == 1:
        return
    if any(k < len(kinds) and kinds[k] not in (*_VOLUME_KINDS, *_SPATIAL_KINDS) for k in others):
        raise FrameError("contains colours or vectors instead of grey values", "Give the MR volume itself.")
    raise several_volumes(count)


def _nrrd_fields(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        text = file.read(_HEADER_BYTES)
    head = re.split(rb"\r?\n\r?\n", text, maxsplit=1)[0].decode("latin-1")
    fields = {}
    for line in head.splitlines()[1:]:
        name, colon, value = line.partition(": ")
        if colon and not line.startswith("#"):
            fields[name.strip().lower()] = value.strip()
    return fields


def _vectors(text: str) -> list[list[float] | None]:
    """``none (1,0,0) (0,1,0)`` as a list; a vector that is none is None."""
    found: list[list[float] | None] = []
    for word in re.findall(r"none|\([^)]*\)", text):
        try:
            found.append(None if word == "none" else [float(part) for part in word.strip("()").split(",")])
        except ValueError:
            found.append([float("nan")] * 3)
    return found


def metaimage_frame(path: Path) -> VolumeFrame:
    """The frame of a MetaImage file of one volume, LPS. Raises FrameError as ``volume_frame`` describes."""
    with path.open("rb") as file:
        text = file.read(_HEADER_BYTES)
    fields = {}
    for line in text.decode("latin-1").splitlines():
        name, equals, value = line.partition("=")
        if not equals:
            break
        fields[name.strip().lower()] = value.strip()
        if name.strip().lower() == "elementdatafile":
            break
    dims = [int(word) for word in fields.get("dimsize", "").split() if word.isdigit()]
    if len(dims) > 3 and int(np.prod(dims[3:])) > 1:
        raise several_volumes(int(np.prod(dims[3:])))
    if len(dims) < 3:
        raise FrameError("is not a volume of at least 3 slices", "Give the whole series.")
    spacing = _numbers(fields, ("elementspacing", "elementsize"), len(dims))
    if spacing is None:
        raise no_frame("no ElementSpacing")
    matrix = _numbers(fields, ("transformmatrix", "rotation", "orientation"), len(dims) ** 2)
    origin = _numbers(fields, ("offset", "position", "origin"), len(dims))
    if matrix is None or origin is None:
        raise no_frame("no TransformMatrix" if matrix is None else "no Offset")
    # MetaImage writes the direction of each axis as one row
    axes = np.reshape(matrix, (len(dims), len(dims))).T[:3, :3]
    lengths = np.linalg.norm(axes, axis=0)
    if np.isfinite(lengths).all() and np.abs(lengths - 1).max() > 1e-3:
        raise FrameError("has axes that are not of unit length (TransformMatrix)", "Save the volume again.")
    if min(spacing[:3]) <= 0:
        raise FrameError("has voxels of no size (ElementSpacing)", "Convert the original series again.")
    return frame_from(axes * np.array(spacing[:3]), origin[:3])


def _numbers(fields: dict[str, str], names: tuple[str, ...], count: int) -> list[float] | None:
    for name in names:
        if name in fields:
            try:
                numbers = [float(word) for word in fields[name].split()]
            except ValueError:
                return None
            return numbers if len(numbers) == count else None
    return None
