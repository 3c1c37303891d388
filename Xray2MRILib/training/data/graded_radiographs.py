"""Joint crops with Kellgren-Lawrence grades, prepared as for inference and stored in memory as 8 bit."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ...errors import InputError
from ...localization.knee_box import KneeBox
from ...preparation.joint_crop import normalise_crop
from ...volume.geometry import CROP_FRAME
from .box_annotations import read_grey

_BLOCK = 50  # radiographs


@dataclass
class GradedRadiographs:
    """Prepared crops of one split.

    Attributes
    ----------
    images
        uint8 [N, 256, 256]; 0 and 255 stand for -1 and +1.
    grades
        int64 [N], Kellgren-Lawrence 0 to 4.
    left
        bool [N], True where the radiograph shows a left knee.
    """

    images: torch.Tensor
    grades: torch.Tensor
    left: torch.Tensor

    def __len__(self) -> int:
        return len(self.images)


def to_bytes(image: np.ndarray) -> np.ndarray:
    """[-1, 1] to uint8 with 0 and 255 at the ends."""
    return np.round((np.clip(image, -1, 1) + 1) * 127.5).astype(np.uint8)


def from_bytes(images: torch.Tensor) -> torch.Tensor:
    """uint8 [B, 256, 256] to float32 [B, 1, 256, 256] in [-1, 1]."""
    return images[:, None].float() / 127.5 - 1


def data_folder(data: str | None) -> Path:
    """The folder that a recipe's entry ``data`` names. Raises InputError when it names none."""
    if not data:
        raise InputError(
            "The recipe names no folder of graded radiographs.",
            code="bad-recipe",
            hint="Set its entry data to a folder with index.csv and the joint crops.",
            field="data",
        )
    return Path(data)


def load_graded_radiographs(folder: Path, split: str, *, right_knee_space: bool, limit: int = 0) -> GradedRadiographs:
    """Read the crops of one split listed in ``folder``/index.csv.

    The table has the columns file, side (L or R), kl_grade, split and looks_inverted; inverted radiographs are
    inverted again, as the reader of radiographs does. ``right_knee_space`` mirrors left knees (A22); ``limit`` > 0
    reads only that many, evenly spaced. Raises InputError when the table is missing, lacks a column or names no
    radiograph of the split.
    """
    try:
        with (folder / "index.csv").open(newline="", encoding="utf-8") as stream:
            rows = [row for row in csv.DictReader(stream) if row["split"] == split]
        entries = [
            (row["file"], row["side"] == "L", int(row["kl_grade"]), row["looks_inverted"] == "1") for row in rows
        ]
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"The radiograph table {folder.name}/index.csv cannot be used: {error}.",
            code="bad-training-data",
            hint="It needs the columns file, side, kl_grade, split and looks_inverted.",
        ) from error
    entries = entries[:: max(1, len(entries) // limit)][:limit] if limit else entries
    if not entries:
        raise InputError(
            f"The radiograph table {folder.name}/index.csv has no radiograph of the split {split!r}.",
            code="bad-training-data",
            hint="Name an existing split: train, val or test.",
        )
    images = np.empty((len(entries), *CROP_FRAME.shape[1:]), np.uint8)
    for index, (file, left, _, inverted) in enumerate(entries):
        radiograph = read_grey(folder / file).astype(np.float32)
        radiograph = radiograph.max() - radiograph if inverted else radiograph
        crop = to_bytes(normalise_crop(radiograph))
        images[index] = crop[:, ::-1] if left and right_knee_space else crop
    return GradedRadiographs(
        torch.from_numpy(images),
        torch.tensor([grade for _, _, grade, _ in entries]),
        torch.tensor([left for _, left, _, _ in entries]),
    )


def box_crop(radiograph: np.ndarray, box: KneeBox) -> np.ndarray:
    """The square that a box cuts out of a radiograph [H, W]; beyond the radiograph its edge rows and columns repeat."""
    side = max(1, round(box.width))
    rows = np.arange(side) + round(box.y)
    columns = np.arange(side) + round(box.x)
    return radiograph[np.ix_(rows.clip(0, radiograph.shape[0] - 1), columns.clip(0, radiograph.shape[1] - 1))]


def load_localised_radiographs(
    folder: Path, limit: int = 0, part: str = "all"
) -> tuple[GradedRadiographs, dict[str, int]]:
    """Crops of whole radiographs, cut by the shipped knee detector, in radiograph orientation.

    ``folder``/index.csv has the columns file, kind ("single" or "bilateral") and kl_expert_1. A radiograph with two
    knees gives two crops of known side and no grade (-1; its one grade belongs to the pair); a single knee gives a
    grade and no side (``left`` is False). Left out and counted: ``missed`` radiographs where the detector found too few
    knees, and single knees whose grade is ``unclear``. ``part`` takes "all" radiographs, or the "first" or "second" of
    every two blocks of 50 in the order of the table, since neighbours may show one patient. Raises InputError on an
    unusable table.
    """
    from ...localization.localize import localize_knees

    try:
        with (folder / "index.csv").open(newline="", encoding="utf-8") as stream:
            rows = [(row["file"], row["kind"], row["kl_expert_1"]) for row in csv.DictReader(stream)]
    except (OSError, KeyError) as error:
        raise InputError(
            f"The radiograph table {folder.name}/index.csv cannot be used: {error}.",
            code="bad-training-data",
            hint="It needs the columns file, kind and kl_expert_1.",
        ) from error
    if part != "all":
        rows = [row for index, row in enumerate(rows) if index // _BLOCK % 2 == (part == "second")]
    rows = rows[:: max(1, len(rows) // limit)][:limit] if limit else rows
    images, grades, left, counts = [], [], [], {"films": len(rows), "missed": 0, "unclear": 0}
    for file, kind, grade in rows:
        radiograph = read_grey(folder / file).astype(np.float32)
        wanted = 1 if kind == "single" else 2
        boxes = localize_knees(radiograph)[:wanted]
        if kind == "single" and not grade.isdigit():
            counts["unclear"] += 1
            continue
        counts["missed"] += len(boxes) < wanted
        for box in boxes if len(boxes) == wanted else []:
            images.append(to_bytes(normalise_crop(box_crop(radiograph, box))))
            grades.append(int(grade) if kind == "single" else -1)
            left.append(box.side == "left")
    crops = torch.from_numpy(np.stack(images)) if images else torch.empty(0, *CROP_FRAME.shape[1:], dtype=torch.uint8)
    return GradedRadiographs(crops, torch.tensor(grades), torch.tensor(left)), counts
