"""The shutter in a DICOM header: what lies outside is not to be shown (PS3.3 C.7.6.11)."""

from __future__ import annotations

from typing import Any

import numpy as np

_LEAST_OPEN = 0.1  # share of the picture; smaller openings are mistakes


def shutter_mask(dataset: Any, shape: tuple[int, int]) -> np.ndarray | None:
    """Mask [H, W] of what rectangular, circular and polygonal shutters hide; None without a usable one.

    Rows and columns count from 1 in the header. Several shapes hide together.
    """
    shapes = dataset.get("ShutterShape") or ()
    shapes = {str(item).strip().upper() for item in ([shapes] if isinstance(shapes, str) else shapes)}
    openings = {"RECTANGULAR": _rectangle, "CIRCULAR": _circle, "POLYGONAL": _polygon}
    rows, columns = np.ogrid[1 : shape[0] + 1, 1 : shape[1] + 1]
    shown = np.ones(shape, bool)
    try:
        for word, opening in openings.items():
            if word in shapes:
                shown &= opening(dataset, rows, columns)
    except (AttributeError, TypeError, ValueError):
        return None
    return ~shown if _LEAST_OPEN <= shown.mean() < 1 else None


def _rectangle(dataset: Any, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    left, right = int(dataset.ShutterLeftVerticalEdge), int(dataset.ShutterRightVerticalEdge)
    upper, lower = int(dataset.ShutterUpperHorizontalEdge), int(dataset.ShutterLowerHorizontalEdge)
    return (rows >= upper) & (rows <= lower) & (columns >= left) & (columns <= right)


def _circle(dataset: Any, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    row, column = (int(item) for item in dataset.CenterOfCircularShutter)
    return (rows - row) ** 2 + (columns - column) ** 2 <= int(dataset.RadiusOfCircularShutter) ** 2


def _polygon(dataset: Any, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    from PIL import Image, ImageDraw

    numbers = [int(item) for item in dataset.VerticesOfThePolygonalShutter]
    corners = [(column - 1, row - 1) for row, column in zip(numbers[::2], numbers[1::2], strict=True)]
    picture = Image.new("1", (columns.size, rows.size))
    ImageDraw.Draw(picture).polygon(corners, fill=1, outline=1)
    return np.asarray(picture)
