"""Bar chart of the five Kellgren-Lawrence grade probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .text import QUIET, TEXT, Colour, draw_text

if TYPE_CHECKING:
    from PIL import Image

BAR: Colour = (92, 164, 232)
TRACK: Colour = (36, 41, 50)
_LABEL_HEIGHT = 24  # for the percentage above the track and for the grade below it

SOURCES = {
    "classifier": "from the trained classifier",
    "reader": "from a reader's grade",
    "given": "given by the user",
    "uniform": "uniform: grade unknown",
}


def describe_source(source: str) -> str:
    """The source of the probabilities in words, for a caption."""
    return SOURCES.get(source, source)


def draw_grade_bars(canvas: Image.Image, values: Sequence[float], box: tuple[int, int, int, int]) -> None:
    """Draw five bars with percentages and the labels KL 0 to KL 4 into ``box`` (left, top, right, bottom).

    A probability of 1 fills the track, whose height is that of the box minus two lines of text. Raises ValueError
    unless there are five values in [0, 1].
    """
    from PIL import ImageDraw

    if len(values) != 5 or not all(0 <= value <= 1 for value in values):
        raise ValueError(f"Five probabilities in [0, 1] are needed, not {list(values)}.")
    draw = ImageDraw.Draw(canvas)
    left, top, right, bottom = box
    top, bottom = top + _LABEL_HEIGHT, bottom - _LABEL_HEIGHT
    pitch = (right - left) / 5
    for grade, value in enumerate(values):
        middle = left + pitch * (grade + 0.5)
        first, last = round(middle - 0.3 * pitch), round(middle + 0.3 * pitch)
        height = round(value * (bottom - top))
        draw.rectangle((first, top, last, bottom - 1), fill=TRACK)
        if height:
            draw.rectangle((first, bottom - height, last, bottom - 1), fill=BAR)
        likeliest = value == max(values)
        draw_text(draw, (middle, top - 6), format_percentage(value), 17, TEXT if likeliest else QUIET, anchor="ms")
        draw_text(draw, (middle, bottom + 19), f"KL {grade}", 17, TEXT if likeliest else QUIET, anchor="ms")


def format_percentage(value: float) -> str:
    """0.314 -> "31 %"; a small positive value gives "<1 %", not "0 %"."""
    return "<1 %" if 0 < value < 0.005 else f"{100 * value:.0f} %"
