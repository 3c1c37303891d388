"""The pictures of a volume's report: radiograph, slices, standard deviation over seeds, 3-D view."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..rendering.montage import NOTICE_LINE
from ..rendering.slice_grid import draw_slices, grid_size
from ..rendering.text import BACKGROUND, NOTICE, draw_orientation, draw_text

if TYPE_CHECKING:
    from PIL import Image

    from ..volume.pseudo_mri import PseudoMRI

_TILE, _GAP, _COLUMNS, _ROWS = 300, 10, 4, 3
_SIDE = 420
_NOTICE_HEIGHT = 30


def slices_picture(volume: PseudoMRI) -> Image.Image:
    """Twelve coronal slices, posterior to anterior, in one grey window."""
    from PIL import Image

    width, height = grid_size(_TILE, _GAP, _COLUMNS, _ROWS)
    picture = Image.new("RGB", (width, height), BACKGROUND)
    draw_slices(picture, volume, (0, 0), tile=_TILE, gap=_GAP, columns=_COLUMNS, rows=_ROWS)
    return _with_notice(picture)


def _with_notice(picture: Image.Image) -> Image.Image:
    """The picture with the notice below it, so that a copy of the picture carries it too."""
    from PIL import Image, ImageDraw

    width, height = picture.size
    marked = Image.new("RGB", (width, height + _NOTICE_HEIGHT), BACKGROUND)
    marked.paste(picture, (0, 0))
    draw_text(ImageDraw.Draw(marked), (2, height + 22), NOTICE_LINE, 17, NOTICE, width=width - 4)
    return marked


def deviation_picture(volume: PseudoMRI) -> tuple[Image.Image, float] | None:
    """The standard deviation over seeds in the same layout, and the value shown as white; None without one."""
    if volume.deviation is None:
        return None
    white = float(np.percentile(volume.deviation, 99.5)) or 1.0
    shown = replace(volume, array=np.clip(volume.deviation / white, 0.0, 1.0), deviation=None, acquired=None)
    return slices_picture(shown), white


def cutaway_picture(volume: PseudoMRI) -> Image.Image:
    """The knee cut open at the joint, seen from the front, with orientation letters."""
    from PIL import Image

    from ..rendering.cutaway_view import cutaway_view

    left_knee = volume.side == "left"
    pixels = cutaway_view(volume.shown, volume.spacing, size=(_SIDE, _SIDE), left_knee=left_knee, background=BACKGROUND)
    picture = Image.fromarray(pixels)
    draw_orientation(picture, (0, 0, _SIDE, _SIDE))
    return _with_notice(picture)


def radiograph_picture(volume: PseudoMRI, path: str | Path) -> tuple[Image.Image, bool]:
    """The joint of the radiograph as the model received it, and whether the volume records that it was this crop.

    The page shows the joint alone, because text at the edges of a radiograph may name the patient. Raises InputError
    when the radiograph cannot be read, is not the volume's own, or when the volume does not record where its knee is on
    it.
    """
    from PIL import Image

    from ..preparation.recorded_radiograph import match_radiograph
    from ..rendering.radiograph_panel import draw_radiograph

    found = match_radiograph(volume.provenance, path)
    picture = Image.new("RGB", (_SIDE, _SIDE), BACKGROUND)
    draw_radiograph(picture, found.prepared.image, (0, 0, _SIDE, _SIDE), left_knee=volume.side == "left")
    return picture, found.recorded
