"""Quick check of a radiograph before a volume is generated: knees, side, plausibility, grade, grey levels.

It needs no diffusion model and takes about a second, so that a user can first check how the program reads the
radiograph.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import Cancelled, InputError, ProcessingError, fields_of
from ..files.atomic_write import AtomicFiles, check_place
from .prepared_knee import PreparedKnee, describe_knee, prepare_knee
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
    """Analyse a radiograph as a generation with these settings would.

    Parameters
    ----------
    radiograph
        A file or a Radiograph.
    settings
        Only ``side``, ``roi`` and ``knee`` are used, and ``photometric`` for a file.
    preview
        PNG file for the joint crop [256, 256], not mirrored.
    should_cancel
        Called between the stages; True cancels.

    Returns
    -------
    Dictionary for JSON: ``film`` (columns, rows, turned_upright, pixel_aspect, inverted), ``knees`` (box [x, y, w,
    h] in radiograph pixels, side, confidence; from left to right), ``chosen`` (index into knees, null without one),
    ``box_source``, ``side``, ``side_source``, ``plausible``, ``plausibility``, ``film_warnings``,
    ``warning_fields`` (sentence of film_warnings -> name of the setting it concerns), ``probabilities`` (of the
    grades 0 to 4), ``probabilities_source``, ``histogram`` (64 numbers that sum to 1), ``preview`` (path or null).
    Raises InputError, ProcessingError and Cancelled.
    """
    from ..conditions.intensity_histogram import intensity_histogram
    from ..radiograph.reading import read_radiograph
    from ..volume.provenance import plain

    def enter(stage: str) -> None:
        if should_cancel is not None and should_cancel():
            raise Cancelled("Cancelled before the radiograph was analysed.")

    preview = None if preview is None else _check_preview(Path(preview))
    settings = settings or GenerationSettings()
    opened = radiograph
    if isinstance(opened, (str, Path)):
        opened = read_radiograph(opened, photometric=settings.photometric)
    knee = prepare_knee(opened, settings, enter)
    enter("grade")
    probabilities, source = _grade(knee.prepared.image)
    if preview is not None:
        _write_preview(knee, preview)
    about = describe_knee(knee)
    return plain(
        {
            "film": describe_film(opened),
            "knees": [_describe_box(box, opened) for box in knee.boxes],
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


def describe_film(radiograph: Radiograph) -> dict[str, Any]:
    """Columns, rows, turned_upright, pixel_aspect and inverted of a radiograph that was read."""
    return {
        "columns": radiograph.pixels.shape[1],
        "rows": radiograph.pixels.shape[0],
        "turned_upright": radiograph.record.get("turned_upright", []),
        "pixel_aspect": radiograph.pixel_aspect,
        "inverted": radiograph.record.get("inverted"),
    }


def _describe_box(box: KneeBox, radiograph: Radiograph) -> dict[str, Any]:
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


def _check_preview(path: Path) -> Path:
    if path.suffix.lower() != ".png":
        raise InputError(
            f"The preview {path.name!r} is not a PNG file name.", code="bad-output", hint="End the name in .png."
        )
    check_place(path, 100_000)
    return path


def _write_preview(knee: PreparedKnee, path: Path) -> None:
    from PIL import Image

    grey = (np.clip(knee.prepared.image[0], -1.0, 1.0) + 1.0) * 127.5
    shown = grey[:, ::-1] if knee.prepared.mirrored else grey
    with AtomicFiles() as atomic, atomic.stage(path).open("wb") as file:
        Image.fromarray(np.rint(shown).astype(np.uint8)).save(file, format="PNG")
