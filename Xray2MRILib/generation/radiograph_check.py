"""A quick look at a radiograph before any volume is made: knees, side, plausibility, grade, grey levels.

It needs no diffusion model and takes about a second, so that a user sees what the program makes of the radiograph
first.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import Cancelled, InputError, ProcessingError, fields_of
from ..files.atomic_write import AtomicFiles, check_place
from .prepared_knee import PreparedKnee, described, prepare_knee
from .settings import GenerationSettings

if TYPE_CHECKING:
    from ..localization.knee_box import KneeBox
    from ..radiograph.reading import Radiograph


def check_radiograph(
    radiograph: str | Path | Radiograph,
    settings: GenerationSettings | None = None,
    *,
    preview: str | Path | None = None,
    should_cancel: Callable[[], bool] | None = None,
) -> dict[str, Any]:
    """What a generation with these settings would see on the radiograph.

    Parameters
    ----------
    radiograph
        A file or a Radiograph.
    settings
        ``side``, ``roi`` and ``knee`` count, and ``photometric`` for a file.
    preview
        PNG to write: the joint crop [256, 256] as the radiograph shows it, not mirrored.
    should_cancel
        Asked between the stages.

    Returns
    -------
    JSON-able dictionary: ``film`` (columns, rows, turned_upright, pixel_aspect, inverted), ``knees`` (box [x, y, w,
    h] in radiograph pixels, side, confidence; from the left edge to the right), ``chosen`` (index into knees, null
    without one), ``box_source``, ``side``, ``side_source``, ``plausible``, ``plausibility``, ``film_warnings``,
    ``warning_fields`` (sentence of film_warnings -> name of the setting it speaks of), ``probabilities`` (of the
    grades 0 to 4), ``probabilities_source``, ``histogram`` (64 numbers that sum to 1), ``preview`` (path or null).
    Raises InputError, ProcessingError and Cancelled.
    """
    from ..conditions.intensity_histogram import intensity_histogram
    from ..radiograph.reading import read_radiograph
    from ..volume.provenance import plain

    def enter(stage: str) -> None:
        if should_cancel is not None and should_cancel():
            raise Cancelled("Cancelled before the radiograph was analysed.")

    preview = None if preview is None else _checked_preview(Path(preview))
    settings = settings or GenerationSettings()
    opened = radiograph
    if isinstance(opened, (str, Path)):
        opened = read_radiograph(opened, photometric=settings.photometric)
    knee = prepare_knee(opened, settings, enter)
    enter("grade")
    probabilities, source = _grade(knee.prepared.image)
    if preview is not None:
        _write_preview(knee, preview)
    about = described(knee)
    return plain(
        {
            "film": {
                "columns": opened.pixels.shape[1],
                "rows": opened.pixels.shape[0],
                "turned_upright": opened.record.get("turned_upright", []),
                "pixel_aspect": opened.pixel_aspect,
                "inverted": opened.record.get("inverted"),
            },
            "knees": [_knee(box, opened) for box in knee.boxes],
            "chosen": None if knee.box is None else knee.boxes.index(knee.box),
            **{name: about[name] for name in ("box_source", "side", "side_source", "plausible", "plausibility")},
            "film_warnings": knee.warnings,
            "warning_fields": fields_of(knee.warnings),
            "probabilities": probabilities,
            "probabilities_source": source,
            "histogram": intensity_histogram(knee.prepared.image),
            "preview": None if preview is None else str(preview),
        }
    )


def _knee(box: KneeBox, radiograph: Radiograph) -> dict[str, Any]:
    return {
        "box": [box.x, box.y, box.width, box.height],
        "side": box.side or radiograph.side,
        "confidence": box.confidence,
    }


def _grade(image: np.ndarray) -> tuple[list[float], str]:
    from ..conditions.koa_classifier import classify_koa
    from ..conditions.koa_probabilities import KoaProbabilities

    try:
        koa = classify_koa(image)
    except ProcessingError as error:
        if error.code != "missing-resource":
            raise
        koa = KoaProbabilities.uniform()
    return list(koa.values), koa.source


def _checked_preview(path: Path) -> Path:
    if path.suffix.lower() != ".png":
        raise InputError(f"The preview {path.name!r} is not named as a PNG.", code="bad-output", hint="End it in .png.")
    check_place(path, 100_000)
    return path


def _write_preview(knee: PreparedKnee, path: Path) -> None:
    from PIL import Image

    grey = (np.clip(knee.prepared.image[0], -1.0, 1.0) + 1.0) * 127.5
    shown = grey[:, ::-1] if knee.prepared.mirrored else grey
    with AtomicFiles() as transaction, transaction.stage(path).open("wb") as file:
        Image.fromarray(np.rint(shown).astype(np.uint8)).save(file, format="PNG")
