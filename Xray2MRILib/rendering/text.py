"""Text in images: Pillow's own font, common colours of all panels, orientation letters."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]

BACKGROUND: Colour = (16, 18, 22)
PANEL: Colour = (0, 0, 0)
TEXT: Colour = (232, 234, 237)
QUIET: Colour = (150, 156, 166)
LETTER: Colour = (236, 201, 110)
NOTICE: Colour = (255, 176, 32)
ALARM: Colour = (240, 86, 70)


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """The font that comes with Pillow, so that images look the same on every machine."""
    from PIL import ImageFont

    return ImageFont.load_default(size=size)


def draw_text(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    size: int,
    colour: Colour = TEXT,
    *,
    anchor: str = "ls",
    width: float | None = None,
) -> float:
    """Draw one line of text; returns its width in pixels.

    ``anchor`` is Pillow's (horizontal l, m, r; vertical a ascender, m middle, s baseline). A line wider than ``width``
    gets a smaller font, down to 12 pixels, and is then truncated with "...". The font has ASCII characters only; others
    become "?".
    """
    text = text.encode("ascii", "replace").decode("ascii")
    while width is not None and size > 12 and draw.textlength(text, font(size)) > width:
        size -= 1
    if width is not None and draw.textlength(text, font(size)) > width:
        while text and draw.textlength(text + "...", font(size)) > width:
            text = text[:-1]
        text += "..."
    draw.text(place, text, font=font(size), fill=colour, anchor=anchor)
    return draw.textlength(text, font(size))


def draw_orientation(canvas: Image.Image, box: tuple[int, int, int, int], size: int = 15) -> None:
    """Draw R and L (patient's right and left), S and I (superior, inferior) at the edges of a frontal image.

    ``box`` is left, top, right, bottom. Radiographs and slices are shown as if facing the patient.
    """
    from PIL import ImageDraw

    draw = ImageDraw.Draw(canvas)
    left, top, right, bottom = box
    middle_x, middle_y, inset = (left + right) / 2, (top + bottom) / 2, 6
    for letter, place, anchor in (
        ("R", (left + inset, middle_y), "lm"),
        ("L", (right - inset, middle_y), "rm"),
        ("S", (middle_x, top + inset), "ma"),
        ("I", (middle_x, bottom - inset), "ms"),
    ):
        # a dark rim keeps the letter legible on bright tissue
        draw.text(place, letter, font=font(size), fill=LETTER, anchor=anchor, stroke_width=2, stroke_fill=(0, 0, 0))
