"""A user's label map: the volume ``labels.nrrd`` and the small ``labels.json`` that names its labels.

docs/label-maps.md describes the JSON.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import InputError
from .anatomy_template import BONES, TISSUES

# What a label may be. "osteophyte" belongs to the simulator.
LABEL_TISSUES = ("bone", *(t for t in TISSUES if t not in ("outside", "osteophyte", *BONES)))
REQUIRED = ("femur", "tibia")
_VOLUME_NAMES = ("labels.nrrd", "labels.nii.gz", "labels.mha")


@dataclass
class LabelMap:
    """A label map in right-knee space.

    Attributes
    ----------
    name
        What the JSON calls it.
    labels
        Integer [Y, Z, X]: y from posterior to anterior, z from superior to inferior, x from lateral to medial.
    spacing_mm
        Voxel size along y, z and x.
    structures, tissues
        {label: structure} and {label: tissue}, tissues from ``LABEL_TISSUES``.
    """

    name: str
    labels: np.ndarray
    spacing_mm: np.ndarray
    structures: dict[int, str]
    tissues: dict[int, str]

    def label_of(self, structure: str) -> int:
        """Label of a structure; KeyError when the map has none."""
        return {v: k for k, v in self.structures.items()}[structure]


def label_map_hash(folder: Path) -> str:
    """Sixteen hexadecimal digits that change with the volume or with the JSON. Raises InputError like reading does."""
    digest = hashlib.sha256()
    for path in (_json_path(folder), _volume_path(folder, _description(folder))):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def lacks_soft_tissue(folder: Path) -> bool:
    """Whether the JSON names no muscle, as in maps made for cartilage work. Raises InputError like reading does."""
    return all(entry["tissue"] != "muscle" for entry in _description(folder)["labels"].values())


def read_label_map(folder: Path) -> LabelMap:
    """Read ``folder`` in right-knee space: left knees are mirrored, axes follow the file's own direction matrix.

    Oblique maps are taken along the nearest axes. One label ``tibial_cartilage`` for both compartments is split in the
    middle. Raises InputError that names what is missing or malformed.
    """
    import SimpleITK as sitk

    description = _description(folder)
    path = _volume_path(folder, description)
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise _refusal(folder, f"{path.name} is not a readable volume") from error
    if (
        image.GetDimension() != 3
        or image.GetNumberOfComponentsPerPixel() != 1
        or "float" in image.GetPixelIDTypeAsString()
    ):
        raise _refusal(folder, f"{path.name} is not a three-dimensional volume of whole-number labels")
    image = sitk.DICOMOrient(image, "LPS")
    labels = sitk.GetArrayFromImage(image)  # [z superior last, y posterior last, x left last]
    labels = labels[::-1, ::-1, :].transpose(1, 0, 2)
    if description["side"] == "left":
        labels = labels[:, :, ::-1]
    of = {int(k): v for k, v in description["labels"].items()}
    labels = np.ascontiguousarray(np.where(np.isin(labels, list(of)), labels, 0))
    sx, sy, sz = image.GetSpacing()
    present = set(np.unique(labels).tolist())
    found = LabelMap(
        str(description["name"]),
        labels,
        np.array([sy, sz, sx]),
        {k: v["structure"] for k, v in of.items() if k in present},
        {k: v["tissue"] for k, v in of.items() if k in present},
    )
    _split_tibial_cartilage(found)
    needed = (*REQUIRED, "medial_tibial_cartilage", "lateral_tibial_cartilage")
    missing = [s for s in needed if s not in found.structures.values()]
    if missing:
        raise _refusal(folder, f"it has no voxels of {', '.join(missing)}")
    return found


def _split_tibial_cartilage(found: LabelMap) -> None:
    whole = [k for k, v in found.structures.items() if v == "tibial_cartilage"]
    if not whole or "medial_tibial_cartilage" in found.structures.values():
        return
    mask = found.labels == whole[0]
    columns = np.flatnonzero(mask.any(axis=(0, 1)))
    middle = (columns[0] + columns[-1]) // 2  # x grows from lateral to medial
    new = max(found.structures) + 1
    found.labels = found.labels.astype(np.int32)
    found.labels[:, :, middle + 1 :][mask[:, :, middle + 1 :]] = new
    found.structures |= {whole[0]: "lateral_tibial_cartilage", new: "medial_tibial_cartilage"}
    found.tissues[new] = "cartilage"


def _description(folder: Path) -> dict:
    path = _json_path(folder)
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise _refusal(folder, "it holds no labels.json") from error
    except (OSError, ValueError) as error:
        raise _refusal(folder, "its labels.json is not readable JSON") from error
    if not isinstance(description, dict) or not isinstance(description.get("labels"), dict):
        raise _refusal(folder, 'its labels.json has no object "labels"')
    if description.get("side") not in ("left", "right"):
        raise _refusal(folder, 'the "side" in its labels.json is neither "left" nor "right"')
    for value, entry in description["labels"].items():
        if not value.isdecimal() or int(value) == 0:
            raise _refusal(folder, f"its labels.json has the label {value[:20]!r}, which is not a whole number above 0")
        if not isinstance(entry, dict) or not isinstance(entry.get("structure"), str):
            raise _refusal(folder, f'label {value} in its labels.json has no "structure"')
        tissue = entry.get("tissue")
        if tissue not in LABEL_TISSUES:
            raise _refusal(folder, f"label {value} has the tissue {tissue!r}; known are {', '.join(LABEL_TISSUES)}")
        if tissue == "bone" and entry["structure"] not in BONES:
            raise _refusal(folder, f"label {value} is a bone that is none of {', '.join(BONES)}")
    description.setdefault("name", folder.name)
    return description


def _json_path(folder: Path) -> Path:
    if not folder.is_dir():
        raise _refusal(folder, "there is no such folder")
    return folder / "labels.json"


def _volume_path(folder: Path, description: dict) -> Path:
    given = description.get("file")
    names = _VOLUME_NAMES if given is None else (Path(str(given)).name,)
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise _refusal(folder, f"it holds no {' or '.join(names)}")


def _refusal(folder: Path, fault: str) -> InputError:
    return InputError(
        f"The label map folder {folder.name} cannot be used: {fault}.",
        code="bad-label-map",
        hint="It needs labels.nrrd and a labels.json that names each label (see docs/label-maps.md).",
    )
