"""Picture of a class-activation map over the radiograph it was computed from, with its depths, a scale and a notice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..files.atomic_write import AtomicFiles
from .text import BACKGROUND, NOTICE, QUIET, TEXT, draw_orientation, draw_text, font

if TYPE_CHECKING:
    from PIL import Image

ACTIVATION_NOTICE = "Computed by a small network, for research use. Not a diagnosis, and no proof of where disease is."
_CAPTION = (
    "Places that speak for it (Grad-CAM); the network sees both compartments only. Left: all depths together. Each map "
    "has its own scale."
)
_LARGE, _SMALL, _GAP, _HEAD, _FOOT = 512, 254, 4, 60, 64
_STRONGEST = 0.7  # opacity of the colours at 1
# colours at 0, a half and 1
_SCALE = np.array([(60, 20, 90), (228, 72, 40), (255, 226, 90)], float)


def activation_colours(values: np.ndarray) -> np.ndarray:
    """Colours [..., 3] in [0, 255] of values in [0, 1]."""
    place = np.clip(values, 0, 1)[..., None] * 2
    lower = _SCALE[0] + np.minimum(place, 1) * (_SCALE[1] - _SCALE[0])
    return np.where(place <= 1, lower, _SCALE[1] + (place - 1) * (_SCALE[2] - _SCALE[1]))


def overlaid(radiograph: np.ndarray, values: np.ndarray) -> np.ndarray:
    """A radiograph [H, W] in [-1, 1] under a map [H, W] in [0, 1]: uint8 [H, W, 3]; 0 leaves it as it is."""
    grey = ((np.clip(radiograph, -1, 1) + 1) * 127.5)[..., None]
    opacity = _STRONGEST * np.sqrt(np.clip(values, 0, 1))[..., None]
    return np.rint((1 - opacity) * grey + opacity * activation_colours(values)).astype(np.uint8)


def write_activation_picture(
    path: Path, radiograph: np.ndarray, combined: np.ndarray, depths: Sequence[np.ndarray], headline: str
) -> None:
    """Write a PNG: the combined map over the radiograph, and beside it the map of each of four depths.

    All arrays are [H, W] in the radiograph's own orientation; maps are in [0, 1] and have the radiograph's size. Raises
    ProcessingError when the file cannot be written.
    """
    from PIL import Image, ImageDraw
    from PIL.PngImagePlugin import PngInfo

    width, height = _LARGE + 2 * _SMALL + 4 * _GAP, _HEAD + _LARGE + _FOOT
    canvas = Image.new("RGB", (width, height), BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    draw_text(draw, (_GAP + 4, 26), headline, 19, TEXT, width=width - 16)
    draw_text(draw, (_GAP + 4, 48), _CAPTION, 14, QUIET, width=width - 16)
    _paste(canvas, overlaid(radiograph, combined), (_GAP, _HEAD), _LARGE)
    draw_orientation(canvas, (_GAP, _HEAD, _GAP + _LARGE, _HEAD + _LARGE))
    for index, values in enumerate(depths):
        left = _LARGE + 2 * _GAP + index % 2 * (_SMALL + _GAP)
        top = _HEAD + index // 2 * (_SMALL + _GAP)
        _paste(canvas, overlaid(radiograph, values), (left, top), _SMALL)
        # a dark rim keeps the words legible on bright bone
        draw.text((left + 6, top + _SMALL - 8), f"depth {index + 1}", font=font(14), fill=TEXT, anchor="ls",
                  stroke_width=2, stroke_fill=(0, 0, 0))  # fmt: skip
    scale = activation_colours(np.linspace(0, 1, 160))[None].repeat(10, axis=0)
    canvas.paste(Image.fromarray(np.rint(scale).astype(np.uint8)), (_GAP + 60, height - 50))
    draw_text(draw, (_GAP + 4, height - 41), "none", 14, QUIET)
    draw_text(draw, (_GAP + 228, height - 41), "strongest of this map", 14, QUIET)
    draw_text(draw, (_GAP + 4, height - 12), ACTIVATION_NOTICE, 14, NOTICE, width=width - 16)
    about = PngInfo()
    about.add_text("Description", f"{headline} {ACTIVATION_NOTICE}")
    with AtomicFiles() as files, files.stage(path).open("wb") as file:
        canvas.save(file, format="PNG", pnginfo=about)


def _paste(canvas: Image.Image, colours: np.ndarray, place: tuple[int, int], size: int) -> None:
    from PIL import Image

    canvas.paste(Image.fromarray(colours).resize((size, size), Image.Resampling.BICUBIC), place)
