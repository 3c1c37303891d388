"""The prepared radiograph, i.e. the model's input, as a panel of the montage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .text import draw_orientation

if TYPE_CHECKING:
    from PIL import Image


def draw_radiograph(canvas: Image.Image, crop: np.ndarray, box: tuple[int, int, int, int], *, left_knee: bool) -> None:
    """Draw a prepared radiograph into ``box`` (left, top, right, bottom).

    ``crop`` is [1, H, W] or [H, W] float in [-1, 1] in right-knee space; a left knee is mirrored back.
    """
    from PIL import Image

    radiograph = np.asarray(crop, np.float32).reshape(np.shape(crop)[-2:])
    if left_knee:
        radiograph = radiograph[:, ::-1]
    grey = np.rint(np.clip(np.nan_to_num(radiograph) * 0.5 + 0.5, 0, 1) * 255).astype(np.uint8)
    size = (box[2] - box[0], box[3] - box[1])
    canvas.paste(Image.fromarray(grey).resize(size, Image.Resampling.BICUBIC).convert("RGB"), box[:2])
    draw_orientation(canvas, box)
