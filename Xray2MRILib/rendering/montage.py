"""The overview image of one generation: radiograph, grade probabilities, slices, 3-D view and provenance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..errors import InputError
from ..files.atomic_write import AtomicFiles, check_place
from .cutaway_view import cutaway_view
from .grade_bars import describe_source, draw_grade_bars
from .radiograph_panel import draw_radiograph
from .slice_grid import draw_scale_bar, draw_slices, grid_size
from .text import ALARM, BACKGROUND, NOTICE, QUIET, draw_orientation, draw_text

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
    """Five probabilities of the Kellgren-Lawrence grades and their source."""

    @property
    def values(self) -> Sequence[float]:
        """In the order of the grades, 0 to 4."""

    @property
    def source(self) -> str:
        """``classifier``, ``reader``, ``given`` or ``uniform``."""


def write_montage(
    prepared: PreparedRadiograph | np.ndarray, koa: GradeProbabilities, volume: PseudoMRI, path: str | Path
) -> Path:
    """Write the overview of one generation as PNG; returns its path.

    Parameters
    ----------
    prepared
        The prepared radiograph, or its crop alone: [1, 256, 256] float in [-1, 1], right-knee space.
    koa
        The grade probabilities of the generation.
    path
        File name ending in ``.png``. The file is written completely or not at all.

    Raises InputError for another file extension or an unwritable path, ProcessingError when writing fails.
    """
    path = check_montage_destination(path)
    canvas = draw_montage(prepared, koa, volume)
    with AtomicFiles() as atomic:
        with atomic.stage(path).open("wb") as file:
            # higher levels take twice the time for a file of the same size
            canvas.save(file, format="PNG", pnginfo=_build_notice(), compress_level=3)
    return path


def check_montage_destination(path: str | Path) -> Path:
    """Check an output path before the computation; raises the errors of write_montage."""
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise InputError(
            f"The montage {path.name or str(path)!r} is not a PNG file.",
            code="bad-output",
            hint="End its name in .png.",
        )
    check_place(path, PICTURE_BYTES)
    return path


def draw_montage(prepared: PreparedRadiograph | np.ndarray, koa: GradeProbabilities, volume: PseudoMRI) -> Image.Image:
    """Draw the overview as a Pillow RGB image; arguments as for write_montage."""
    from PIL import Image, ImageDraw

    grid_width, grid_height = grid_size(_TILE, _GAP, _COLUMNS, _ROWS)
    width = _MARGIN + _SIDE + _MARGIN + grid_width + _MARGIN
    height = _HEADER + _LABEL + grid_height + _FOOTER
    canvas = Image.new("RGB", (width, height), BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    left_knee = volume.side == "left"

    _draw_header(draw, volume, width)
    left, right = _MARGIN, _MARGIN + _SIDE
    top = _HEADER
    draw_text(draw, (left, top + 18), "Radiograph as seen by the model", 18)
    top += _LABEL
    image = prepared if isinstance(prepared, np.ndarray) else prepared.image
    draw_radiograph(canvas, image, (left, top, right, top + _SIDE), left_knee=left_knee)
    top += _SIDE + _GAP
    used = draw_text(draw, (left, top + 18), "Kellgren-Lawrence grade", 18)
    draw_text(draw, (right, top + 18), describe_source(koa.source), 17, QUIET, anchor="rs", width=_SIDE - used - 16)
    top += _LABEL
    draw_grade_bars(canvas, koa.values, (left, top, right, top + _BARS))
    top += _BARS + _GAP
    draw_text(draw, (left, top + 18), "3-D view, cut open at the joint", 18)
    top += _LABEL
    bottom = _HEADER + _LABEL + grid_height
    view = cutaway_view(
        volume.shown, volume.spacing, size=(bottom - top, _SIDE), left_knee=left_knee, background=BACKGROUND
    )
    canvas.paste(Image.fromarray(view), (left, top))
    draw_orientation(canvas, (left, top, right, bottom))

    grid_left = right + _MARGIN
    noise = "" if volume.acquired is None else ", with scanner noise"
    draw_text(draw, (grid_left, _HEADER + 18), f"Coronal slices from posterior to anterior{noise}", 18)
    draw_scale_bar(canvas, (width - _MARGIN, _HEADER + 18), _TILE)
    draw_slices(canvas, volume, (grid_left, _HEADER + _LABEL), tile=_TILE, gap=_GAP, columns=_COLUMNS, rows=_ROWS)
    draw_text(draw, (left, height - 18), describe_origin(volume.provenance), 16, QUIET, width=width - 2 * _MARGIN)
    return canvas


def _draw_header(draw: Any, volume: PseudoMRI, width: int) -> None:
    draw_text(draw, (_MARGIN, 52), "Pseudo-MRI from one knee radiograph", 36, width=width * 0.5)
    draw_text(draw, (width - _MARGIN, 50), NOTICE_LINE, 30, NOTICE, anchor="rs", width=width * 0.44)
    about = f"{volume.side} knee, {volume.num_slices} slices"
    used = draw_text(draw, (_MARGIN, 84), about, 19, QUIET)
    plausibility = volume.provenance.get("plausibility")
    if isinstance(plausibility, dict) and plausibility.get("plausible") is False:
        reasons = "; ".join(str(reason) for reason in plausibility.get("reasons") or ["it looks unusual"])
        warning = f"WARNING: the input may not be a frontal knee radiograph: {reasons}"
        draw_text(draw, (_MARGIN + used + 28, 84), warning, 19, ALARM, width=width - 2 * _MARGIN - used - 28)


def describe_origin(provenance: dict[str, Any]) -> str:
    """The text of the footer: model, weights, seed, sampling and time, as far as the provenance contains them."""
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


def _build_notice() -> Any:
    from PIL import PngImagePlugin

    from ..volume.provenance import notice

    text = PngImagePlugin.PngInfo()
    text.add_text("Description", notice())
    return text
