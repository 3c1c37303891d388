"""One picture that tells a whole run: radiograph, grade probabilities, slices, 3-D rendering, and what made it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..errors import InputError
from ..files.atomic_write import AtomicFiles, check_place
from .direct_volume_rendering import render
from .grade_bars import draw_grade_bars, source_in_words
from .radiograph_panel import draw_radiograph
from .slice_grid import draw_scale_bar, draw_slices, grid_size
from .text import ALARM, BACKGROUND, NOTICE, QUIET, write, write_orientation

if TYPE_CHECKING:
    from PIL import Image

    from ..preparation.joint_crop import PreparedRadiograph
    from ..volume.pseudo_mri import PseudoMRI

NOTICE_LINE = "SYNTHETIC - plausible guess, not for diagnosis"
PICTURE_BYTES = 8_000_000

_MARGIN = 32
_GAP = 12
_TILE = 340
_COLUMNS, _ROWS = 4, 3
_SIDE = 430  # width of the left column
_HEADER, _FOOTER = 110, 50
_LABEL = 30  # a section's heading
_BARS = 176


class GradeProbabilities(Protocol):
    """Five probabilities of the Kellgren-Lawrence grades and where they come from."""

    @property
    def values(self) -> Sequence[float]:
        """In the order of the grades, 0 to 4."""

    @property
    def source(self) -> str:
        """``classifier``, ``reader``, ``given`` or ``uniform``."""


def write_montage(
    prepared: PreparedRadiograph | np.ndarray, koa: GradeProbabilities, volume: PseudoMRI, path: str | Path
) -> Path:
    """Write the overview of one run as PNG; returns its path.

    Parameters
    ----------
    prepared
        The radiograph as the model saw it, or its image alone: [1, 256, 256] float in [-1, 1], right-knee space.
    koa
        The probabilities that were used.
    path
        Ends in ``.png``. The file appears complete or not at all.

    Raises InputError for another ending or a place that cannot be written, ProcessingError when writing fails.
    """
    path = check_montage_destination(path)
    picture = draw_montage(prepared, koa, volume)
    with AtomicFiles() as transaction:
        with transaction.stage(path).open("wb") as file:
            picture.save(file, format="PNG", pnginfo=_notice_in_file(), compress_level=6)
    return path


def check_montage_destination(path: str | Path) -> Path:
    """Refuse an output path before anything is computed. Raises as write_montage does."""
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise InputError(
            f"The montage {path.name or str(path)!r} is not a PNG file.",
            code="bad-output",
            hint="Let its name end in .png.",
        )
    check_place(path, PICTURE_BYTES)
    return path


def draw_montage(prepared: PreparedRadiograph | np.ndarray, koa: GradeProbabilities, volume: PseudoMRI) -> Image.Image:
    """The overview as a Pillow RGB picture; arguments as for write_montage."""
    from PIL import Image, ImageDraw

    grid_width, grid_height = grid_size(_TILE, _GAP, _COLUMNS, _ROWS)
    width = _MARGIN + _SIDE + _MARGIN + grid_width + _MARGIN
    height = _HEADER + _LABEL + grid_height + _FOOTER
    picture = Image.new("RGB", (width, height), BACKGROUND)
    draw = ImageDraw.Draw(picture)
    left_knee = volume.side == "left"

    _draw_header(draw, volume, width)
    left, right = _MARGIN, _MARGIN + _SIDE
    top = _HEADER
    write(draw, (left, top + 18), "Radiograph as the model saw it", 18)
    top += _LABEL
    image = prepared if isinstance(prepared, np.ndarray) else prepared.image
    draw_radiograph(picture, image, (left, top, right, top + _SIDE), left_knee=left_knee)
    top += _SIDE + _GAP
    used = write(draw, (left, top + 18), "Kellgren-Lawrence grade", 18)
    write(draw, (right, top + 18), source_in_words(koa.source), 17, QUIET, anchor="rs", width=_SIDE - used - 16)
    top += _LABEL
    draw_grade_bars(picture, koa.values, (left, top, right, top + _BARS))
    top += _BARS + _GAP
    write(draw, (left, top + 18), "3-D rendering, oblique from the front", 18)
    top += _LABEL
    bottom = _HEADER + _LABEL + grid_height
    rendering = render(
        volume.array, volume.spacing, size=(bottom - top, _SIDE), left_knee=left_knee, background=BACKGROUND
    )
    picture.paste(Image.fromarray(rendering), (left, top))
    write_orientation(picture, (left, top, right, bottom))

    grid_left = right + _MARGIN
    write(draw, (grid_left, _HEADER + 18), "Coronal slices from posterior to anterior", 18)
    draw_scale_bar(picture, (width - _MARGIN, _HEADER + 18), _TILE)
    draw_slices(picture, volume, (grid_left, _HEADER + _LABEL), tile=_TILE, gap=_GAP, columns=_COLUMNS, rows=_ROWS)
    write(draw, (left, height - 18), made_by(volume.provenance), 16, QUIET, width=width - 2 * _MARGIN)
    return picture


def _draw_header(draw: Any, volume: PseudoMRI, width: int) -> None:
    write(draw, (_MARGIN, 52), "Pseudo-MRI from one knee radiograph", 36, width=width * 0.5)
    write(draw, (width - _MARGIN, 50), NOTICE_LINE, 30, NOTICE, anchor="rs", width=width * 0.44)
    about = f"{volume.side} knee, {volume.num_slices} slices"
    used = write(draw, (_MARGIN, 84), about, 19, QUIET)
    plausibility = volume.provenance.get("plausibility")
    if isinstance(plausibility, dict) and plausibility.get("plausible") is False:
        reasons = "; ".join(str(reason) for reason in plausibility.get("reasons") or ["it looks unusual"])
        warning = f"WARNING: the input may not be a frontal knee radiograph: {reasons}"
        write(draw, (_MARGIN + used + 28, 84), warning, 19, ALARM, width=width - 2 * _MARGIN - used - 28)


def made_by(provenance: dict[str, Any]) -> str:
    """The footer: model, weights, seed, sampling and time, as far as the provenance knows them."""
    model, sampling = provenance.get("model") or {}, provenance.get("sampling") or {}
    parts = [f"model {model.get('name') or 'unknown'} {model.get('version') or ''}".rstrip()]
    weights = model.get("weights_sha256")
    if isinstance(weights, str):
        parts.append(f"weights {weights[:12]}")
    if sampling.get("seeds"):
        parts.append(f"seeds {', '.join(str(seed) for seed in sampling['seeds'])}")
    else:
        parts.append(f"seed {'unknown' if sampling.get('seed') is None else sampling['seed']}")
    if sampling.get("steps"):
        parts.append(f"{sampling['steps']} {sampling.get('sampler') or ''} steps".replace("  ", " "))
    if provenance.get("created_utc"):
        parts.append(str(provenance["created_utc"]))
    parts.append("pose, scale and grey values are nominal")
    return "   |   ".join(parts)


def _notice_in_file() -> Any:
    from PIL import PngImagePlugin

    from ..volume.provenance import notice

    text = PngImagePlugin.PngInfo()
    text.add_text("Description", notice())
    return text
