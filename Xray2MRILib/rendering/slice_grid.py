"""Grid of coronal slices from posterior to anterior, all with the same grey window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..volume import geometry
from .text import LETTER, PANEL, QUIET, TEXT, draw_orientation, draw_text

if TYPE_CHECKING:
    from PIL import Image

    from ..volume.pseudo_mri import PseudoMRI

_CAPTION_HEIGHT = 26


def select_evenly_spaced(num_slices: int, count: int) -> list[int]:
    """Depth indices of at most ``count`` different slices, evenly spaced, including first and last."""
    return sorted({round(index) for index in np.linspace(0, num_slices - 1, count)})


def describe_position(depth_index: int, num_slices: int) -> str:
    """Position of a slice relative to the centre of the volume, e.g. "36.8 mm posterior"."""
    y_mm = geometry.depth_to_mm(geometry.index_to_depth(depth_index, num_slices))
    if abs(y_mm) < 0.05:
        return "centre"
    return f"{abs(y_mm):.1f} mm {'posterior' if y_mm > 0 else 'anterior'}"


def draw_slices(
    canvas: Image.Image, volume: PseudoMRI, corner: tuple[int, int], *, tile: int, gap: int, columns: int, rows: int
) -> None:
    """Draw ``columns`` x ``rows`` square tiles of ``tile`` pixels with captions, starting at ``corner`` (left, top).

    With scanner noise where the volume has it.
    """
    from PIL import Image, ImageDraw

    draw = ImageDraw.Draw(canvas)
    chosen = select_evenly_spaced(volume.num_slices, columns * rows)
    for place, depth_index in enumerate(chosen):
        row, column = divmod(place, columns)
        left = corner[0] + column * (tile + gap)
        top = corner[1] + row * (tile + gap + _CAPTION_HEIGHT)
        grey = volume.shown[geometry.file_index(depth_index, volume.num_slices)]
        pixels = Image.fromarray(np.rint(grey * 255).astype(np.uint8))
        box = (left, top, left + tile, top + tile)
        draw.rectangle((left, top, left + tile - 1, top + tile - 1), fill=PANEL)
        canvas.paste(pixels.resize((tile, tile), Image.Resampling.BICUBIC).convert("RGB"), box[:2])
        draw_orientation(canvas, box)
        baseline = top + tile + 19
        draw_text(draw, (left + 1, baseline), f"depth {depth_index}", 17, TEXT)
        draw_text(
            draw, (left + tile - 1, baseline), describe_position(depth_index, volume.num_slices), 17, QUIET, anchor="rs"
        )


def grid_size(tile: int, gap: int, columns: int, rows: int) -> tuple[int, int]:
    """(width, height) in pixels of the grid that draw_slices draws."""
    return columns * tile + (columns - 1) * gap, rows * (tile + _CAPTION_HEIGHT) + (rows - 1) * gap


def draw_scale_bar(canvas: Image.Image, end: tuple[int, int], tile: int, length_mm: float = 50.0) -> None:
    """Draw a labelled bar of ``length_mm`` at the scale of the tiles, ending at ``end`` (right, baseline)."""
    from PIL import ImageDraw

    draw = ImageDraw.Draw(canvas)
    right, y = end
    length = round(length_mm / geometry.OAI_FIELD.width_mm * tile)
    draw.rectangle((right - length, y - 7, right - 1, y - 5), fill=LETTER)
    for x in (right - length, right - 3):
        draw.rectangle((x, y - 11, x + 2, y - 1), fill=LETTER)
    draw_text(draw, (right - length - 10, y), f"{length_mm:.0f} mm (nominal)", 17, QUIET, anchor="rs")
