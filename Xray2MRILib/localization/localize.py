"""Localise the knees on a radiograph with the shipped detector; boxes are in radiograph pixels (A23)."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..files.resources import resource_path
from .knee_box import KneeBox

if TYPE_CHECKING:
    from .detector import KneeDetector

MODEL = "models/knee_localizer"
_SMALLEST_RADIOGRAPH = 16  # pixels of the short edge, before and after scaling to the network's input
_LONGEST_RESAMPLED = 1024  # pixels; more than the detector sees
_KNEES_PER_RADIOGRAPH = 2  # one radiograph shows one patient


def localize_knees(
    pixels: np.ndarray, model_folder: str | Path | None = None, *, pixel_aspect: float = 1.0
) -> list[KneeBox]:
    """Boxes of the knee joints on one radiograph, highest confidence first.

    Parameters
    ----------
    pixels
        Radiograph [H, W] with bright bone, finite, in arbitrary units; a whole radiograph, a strip with two knees or a
        joint crop.
    model_folder
        Folder of a trained detector (``models.network``); None takes the shipped one.
    pixel_aspect
        Height of a pixel divided by its width. The detector sees square pixels; boxes are in pixels of ``pixels``.

    Returns
    -------
    At most two boxes in radiograph pixels, square on the detector, which may extend beyond the radiograph; empty if no
    knee is found. Of two knees the one at image left is the right knee (radiological convention); a single knee
    has side None.

    Raises
    ------
    InputError
        pixels is not a finite two-dimensional array.
    ProcessingError
        The detector's weights are missing or altered.
    """
    pixels = np.asarray(pixels)
    if pixels.ndim != 2 or not np.issubdtype(pixels.dtype, np.number) or np.iscomplexobj(pixels):
        raise InputError(
            f"A radiograph must be an array [H, W] of real numbers, got shape {pixels.shape} of {pixels.dtype}.",
            code="not-a-film",
            hint="Give one grey-scale image [H, W].",
        )
    if min(pixels.shape, default=0) < _SMALLEST_RADIOGRAPH:
        return []
    detector, threshold, overlap = load_detector(Path(model_folder) if model_folder else resource_path(MODEL))
    if pixel_aspect == 1:
        return _search(pixels, detector, threshold, overlap)
    from ..radiograph.resampling import resample

    rows, columns = pixels.shape
    height, width = rows * max(1.0, pixel_aspect), columns * max(1.0, 1 / pixel_aspect)
    scale = min(1.0, _LONGEST_RESAMPLED / max(height, width))
    shape = (max(1, round(height * scale)), max(1, round(width * scale)))
    boxes = _search(resample(pixels, (0.0, 0.0), (rows, columns), shape), detector, threshold, overlap)
    return [box.scaled(columns / shape[1], rows / shape[0]) for box in boxes]


def _search(pixels: np.ndarray, detector: KneeDetector, threshold: float, overlap: float) -> list[KneeBox]:
    import torch

    from .detector import decode, letterbox

    canvas, mapping = letterbox(pixels, detector.config["canvas_size"])
    if not np.isfinite(canvas).all():
        raise InputError(
            "The radiograph contains values that are not finite.", code="not-finite", hint="Replace NaN and infinity."
        )
    if min(pixels.shape) * mapping.scale_x < _SMALLEST_RADIOGRAPH or canvas.max() == 0:
        return []
    with torch.inference_mode():
        maps = detector(torch.from_numpy(canvas)[None, None])[0]
    boxes = []
    for x, y, side, confidence in decode(maps, threshold):
        centre_x, centre_y, side = mapping.to_radiograph(float(x), float(y), float(side))
        if 0 <= centre_x <= pixels.shape[1] and 0 <= centre_y <= pixels.shape[0]:
            boxes.append(KneeBox(centre_x - side / 2, centre_y - side / 2, side, side, float(confidence)))
    return name_sides(suppress_overlaps(boxes, overlap)[:_KNEES_PER_RADIOGRAPH])


def suppress_overlaps(boxes: list[KneeBox], overlap: float) -> list[KneeBox]:
    """Non-maximum suppression: best first, dropping boxes whose IoU with a better one exceeds ``overlap``."""
    kept: list[KneeBox] = []
    for box in sorted(boxes, key=lambda box: -box.confidence):
        if all(box.iou(better) <= overlap for better in kept):
            kept.append(box)
    return kept


def name_sides(boxes: list[KneeBox]) -> list[KneeBox]:
    """Set the sides of two knees next to each other: the patient's right knee is at image left."""
    if len(boxes) != 2:
        return boxes
    first, second = boxes
    apart = (first.x + first.width / 2) - (second.x + second.width / 2)
    if abs(apart) < 0.5 * min(first.width, second.width):  # one above the other: position says nothing
        return boxes
    sides = ("right", "left") if apart < 0 else ("left", "right")
    return [replace(first, side=sides[0]), replace(second, side=sides[1])]


@lru_cache(maxsize=2)
def load_detector(folder: Path) -> tuple[KneeDetector, float, float]:
    """Load a detector after checking its checksums; returns it with its confidence and overlap thresholds.

    Raises ProcessingError when a file is missing, damaged or altered, or belongs to another network.
    """
    from .detector import KneeDetector

    detector = KneeDetector.from_pretrained(folder).requires_grad_(False)
    return detector, float(detector.config["confidence_threshold"]), float(detector.config["overlap_threshold"])
