"""The pictures of a volume's report: radiograph, slices, standard deviation over seeds, 3-D rendering."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..rendering.montage import NOTICE_LINE
from ..rendering.slice_grid import draw_slices, grid_size
from ..rendering.text import BACKGROUND, NOTICE, draw_orientation, draw_text

if TYPE_CHECKING:
    from PIL import Image

    from ..preparation.joint_crop import PreparedRadiograph
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
    shown = replace(volume, array=np.clip(volume.deviation / white, 0.0, 1.0), deviation=None)
    return slices_picture(shown), white


def rendering_picture(volume: PseudoMRI) -> Image.Image:
    """Oblique view from the front with orientation letters."""
    from PIL import Image

    from ..rendering.direct_volume_rendering import render

    left_knee = volume.side == "left"
    pixels = render(volume.array, volume.spacing, size=(_SIDE, _SIDE), left_knee=left_knee, background=BACKGROUND)
    picture = Image.fromarray(pixels)
    draw_orientation(picture, (0, 0, _SIDE, _SIDE))
    return _with_notice(picture)


def radiograph_picture(volume: PseudoMRI, path: str | Path) -> tuple[Image.Image, bool]:
    """The joint of the radiograph as the model received it, and whether the volume was made from this very crop.

    The page shows the joint alone, because text at the edges of a radiograph may name the patient. Raises InputError
    when the radiograph cannot be read or the volume does not record where its knee is on it.
    """
    from PIL import Image

    from ..rendering.radiograph_panel import draw_radiograph

    prepared = _prepare_again(volume, Path(path))
    picture = Image.new("RGB", (_SIDE, _SIDE), BACKGROUND)
    draw_radiograph(picture, prepared.image, (0, 0, _SIDE, _SIDE), left_knee=volume.side == "left")
    pixels = np.ascontiguousarray(np.clip(prepared.image, -1, 1), "<f4")
    same = hashlib.sha256(pixels.tobytes()).hexdigest() == volume.provenance["radiograph"].get("crop_sha256")
    return picture, same


def _prepare_again(volume: PseudoMRI, path: Path) -> PreparedRadiograph:
    from ..generation.settings_from_provenance import recorded_photometric
    from ..localization.knee_box import KneeBox
    from ..preparation.joint_crop import prepare_radiograph
    from ..radiograph.reading import read_radiograph

    about = volume.provenance.get("radiograph") or {}
    try:
        box = KneeBox(**about["box"]) if about["box"] else None
        side, side_source = about["side"], about["side_source"]
    except (KeyError, TypeError):
        raise InputError(
            "The side-car of the volume does not record where the knee is on the radiograph.",
            code="bad-side-car",
            hint="Write the report without the radiograph.",
        ) from None
    radiograph = read_radiograph(path, photometric=recorded_photometric(about))
    return prepare_radiograph(radiograph, box, side, side_source)
