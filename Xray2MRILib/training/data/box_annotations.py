"""Joint crops and radiographs with annotated knee boxes, read for the detector, and scores of the boxes it finds."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...localization.knee_box import KneeBox


def read_grey(path: Path) -> np.ndarray:
    """A picture file [H, W]; colour is averaged, alpha ignored."""
    from skimage.io import imread

    picture = imread(path)
    return picture if picture.ndim == 2 else picture[..., :3].mean(axis=2).astype(picture.dtype)


def read_joint_crops(folder: Path, split: str, limit: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Joint crops of one split: pictures [N, h, w] uint8 and sides [N] of "L" or "R".

    ``folder``/index.csv has the columns file, side, split and looks_inverted; inverted pictures are left out. At most
    ``limit`` are drawn with ``seed`` (0 takes all). Raises InputError when the table is missing, lacks a column or
    names no picture.
    """
    try:
        with (folder / "index.csv").open(newline="", encoding="utf-8") as table:
            rows = [row for row in csv.DictReader(table) if row["split"] == split and row["looks_inverted"] == "0"]
        order = np.random.default_rng(seed).permutation(len(rows))[: limit or None]
        pictures = [read_grey(folder / rows[i]["file"]) for i in order]
        return np.stack(pictures), np.array([rows[i]["side"] for i in order])
    except (OSError, KeyError, ValueError) as fault:
        raise InputError(
            f"The folder {folder.name} holds no usable joint crops of the split {split}.",
            code="bad-training-data",
            hint="It needs index.csv (file, side, split, looks_inverted) and pictures of one size.",
        ) from fault


def read_box_annotations(
    folder: Path, boxes_file: Path, split: str | None = None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Radiographs with known boxes: pairs of pixels [H, W] float32 and boxes [K, 3] (centre x, centre y, side;
    radiograph pixels).

    ``boxes_file`` is JSON: {"films": [{"file", "split", "knees": [{"box": [x, y, width, height]}]}]}. ``split``
    None takes all radiographs. Raises InputError when the table or a radiograph cannot be read.
    """
    radiographs = []
    try:
        for radiograph in json.loads(boxes_file.read_text(encoding="utf-8"))["films"]:
            if split is None or radiograph.get("split") == split:
                boxes = [
                    (x + w / 2, y + h / 2, math.sqrt(w * h)) for x, y, w, h in (k["box"] for k in radiograph["knees"])
                ]
                pixels = read_grey(folder / radiograph["file"]).astype(np.float32)
                radiographs.append((pixels, np.array(boxes, np.float64).reshape(-1, 3)))
    except (OSError, KeyError, TypeError, ValueError) as fault:
        raise InputError(
            f"The boxed radiographs of {boxes_file.name} cannot be read.",
            code="bad-training-data",
            hint='Expected {"films": [{"file": ..., "knees": [{"box": [x, y, width, height]}]}]}.',
        ) from fault
    return radiographs


def score_boxes(found: list[list[KneeBox]], truth: list[list[KneeBox]], overlap: float = 0.5) -> dict[str, float]:
    """Precision, recall, mean IoU and centre error over radiographs.

    ``found`` and ``truth`` list the boxes of each radiograph, found ones best first. A found box is right when its IoU
    with a true box that no better one has claimed is at least ``overlap``. ``mean_iou``, ``centre_error`` (% of the
    true side) and ``side_bias`` (found over true side minus 1, %) are means over the right ones.
    """
    right, distances, ratios, overlaps = 0, [], [], []
    for boxes, wanted in zip(found, truth, strict=True):
        unclaimed = list(wanted)
        for box in boxes:
            best = max(unclaimed, key=box.iou, default=None)
            if best is None or box.iou(best) < overlap:
                continue
            unclaimed.remove(best)
            right += 1
            overlaps.append(box.iou(best))
            shift = (box.x + box.width / 2 - best.x - best.width / 2, box.y + box.height / 2 - best.y - best.height / 2)
            distances.append(100 * math.hypot(*shift) / best.width)
            ratios.append(100 * (box.width / best.width - 1))
    proposed, existing = sum(map(len, found)), sum(map(len, truth))
    return {
        "knees": existing,
        "precision": right / max(1, proposed),
        "recall": right / max(1, existing),
        "mean_iou": float(np.mean(overlaps)) if overlaps else math.nan,
        "centre_error": float(np.mean(distances)) if distances else math.nan,
        "side_bias": float(np.mean(ratios)) if ratios else math.nan,
    }
