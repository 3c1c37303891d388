"""A folder with a series of radiographs of increasing severity, their predicted grades and, optionally, volumes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..baselines.morphing import SHIPPED_FOLDER, load_morphing_model
from ..baselines.morphing_loss import local_correlation
from ..conditions.koa_classifier import classify_koa
from ..diffusion.radiograph_conditions import hash_crop
from ..errors import Cancelled, InputError, ProcessingError
from ..files.json_files import write_json
from ..files.new_folder import NewFolder
from ..files.resources import resource_path
from ..generation.pipeline_cache import PipelineCache
from ..generation.scanner_noise import SECTION, acquisition_record, add_scanner_noise
from ..generation.settings import GenerationSettings
from ..preparation.joint_crop import PreparedRadiograph
from ..preparation.recorded_radiograph import crop_digest
from ..volume.geometry import OAI_FIELD
from ..volume.provenance import notice, plain
from ..volume.writing import write_volume

RECORD_FILE = "series.json"
STRIP_FILE = "series.png"
SEVERE_GRADE = 4  # grade of severity 1 in training
STACK_FILE = "films.npy"
_THUMBNAIL = 192
_LINE = 18  # pixels below a radiograph
NOT_A_FORECAST = "Synthetic course, not a forecast"
RADIOGRAPH_NOTICE = f"{NOT_A_FORECAST}: radiographs made from one radiograph, for research use, not for diagnosis."
TOWARDS_NOTICE = (
    f"{NOT_A_FORECAST}: radiographs made from one radiograph towards another, not the real course between them, for "
    "research use, not for diagnosis."
)


def severities(to_grade: int, frames: int) -> list[float]:
    """Severity of every frame, 0 for the radiograph itself; grades count as evenly spaced between KL-0 and KL-4."""
    return [float(s) for s in np.linspace(0, to_grade / SEVERE_GRADE, frames)]


def write_radiograph_series(
    prepared: PreparedRadiograph, morphing_model: Path | None, folder: Path, *, to_grade: int = 4, frames: int = 8,
    towards: PreparedRadiograph | None = None, course: str | None = None, settings: GenerationSettings | None = None,
    on_frame: Callable[[int, int], None] = lambda done, of: None, stack: bool = False,
    pipelines: PipelineCache | None = None, on_share: Callable[[float], None] = lambda share: None,
    should_cancel: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:  # fmt: skip
    """Write film-00.png ..., series.png and series.json to a new folder, and volume-00.nrrd ... with ``settings``.

    ``morphing_model`` None takes the shipped one. With ``towards``, another radiograph such as that of a follow-up
    visit, the series leads to it and ``to_grade`` is ignored. The record then contains the similarity of first and last
    frame to it (``correlation_with_target``, the mean squared local correlation that training maximises). Without it,
    ``course`` is one of the model's courses of the disease; None takes the usual one.

    ``stack`` also writes films.npy, the radiographs as uint8 [N, H, W] without the line below them. ``on_share``
    receives the finished share of the whole, also while a volume is computed; ``should_cancel`` is asked before every
    denoising step.

    Returns the record of series.json: ``frames`` (film, severity, kl_probabilities, volume), ``warnings``, ``notice``.
    The classifier's grades serve as a check, because the training does not force them to increase. Raises InputError
    for a folder that is not empty and for a course that the model does not know, and ProcessingError for a folder
    without a morphing model.
    """
    model = load_morphing_model(morphing_model or shipped_model())
    courses = model.config["courses"]
    if course is not None and course not in courses:
        known = f"It knows {', '.join(courses)}." if courses else "It knows one course only; leave the option out."
        raise InputError(f"The morphing model knows no course {course}.", code="bad-option", hint=known, field="course")
    digest = model.weights_sha256
    pipeline = None
    if settings is not None:
        pipeline = (pipelines or PipelineCache()).get(settings.model, settings.device, settings.precision)
    radiograph = torch.as_tensor(prepared.image)[None]
    target = None if towards is None else torch.as_tensor(towards.image)[None]
    leads_to: dict[str, Any] = {}
    if target is not None:
        to_grade, leads_to = SEVERE_GRADE, {"towards_crop_sha256": hash_crop(target[0])}
    about_radiograph = RADIOGRAPH_NOTICE if target is None else TOWARDS_NOTICE
    shown: list[np.ndarray] = []
    rows: list[dict[str, Any]] = []
    per_frame = 100_000 + (0 if settings is None else settings.num_slices * OAI_FIELD.pixels**2 * 4)
    with NewFolder(folder, per_frame * frames) as draft:
        for index, severity in enumerate(severities(to_grade, frames)):
            on_frame(index, frames)
            image = model.progress_to(radiograph, severity, target, course)[0].clamp(-1, 1).numpy()
            koa = classify_koa(image)
            row: dict[str, Any] = {
                "film": f"film-{index:02d}.png", "severity": round(severity, 4), "kl_probabilities": list(koa.values),
                "volume": None,
            }  # fmt: skip
            shown.append(image[0, :, ::-1] if prepared.mirrored else image[0])
            _write_radiograph(shown[-1], draft / row["film"], severity, about_radiograph)
            if settings is not None and pipeline is not None:
                about = {**prepared.record, "morphing": {"severity": severity, "weights_sha256": digest, **leads_to}}
                given = settings.koa()
                volume = pipeline.volume(
                    replace(prepared, image=image, record=about), settings.num_slices, settings.sampling,
                    koa=given or koa, should_cancel=should_cancel, callback=_share_of(on_share, index, frames),
                )  # fmt: skip
                noise = acquisition_record(settings.scanner_noise, settings.sampling.seed, crop_digest(image))
                volume.provenance[SECTION] = noise
                add_scanner_noise(volume)
                row["volume"] = f"volume-{index:02d}.nrrd"
                write_volume(volume, draft / row["volume"])
            rows.append(row)
        on_frame(frames, frames)
        aim: dict[str, Any] = {"to_grade": to_grade}
        if target is None and courses:
            aim["course"] = course or courses[0]
        if target is not None:
            aim = leads_to | _measure_similarity(radiograph, torch.from_numpy(image)[None], target)
        expected = [sum(g * p for g, p in enumerate(row["kl_probabilities"])) for row in rows]
        record = plain(
            {
                "notice": about_radiograph if settings is None else f"{about_radiograph} {notice()}",
                **aim,
                "morphing_weights_sha256": digest,
                "side": prepared.side,
                "frames": rows,
                "expected_grade": [round(value, 3) for value in expected],
                "warnings": _warnings(expected) if target is None else _target_warnings(aim["correlation_with_target"]),
            }
        )
        write_json(draft / RECORD_FILE, record)
        if stack:
            np.save(draft / STACK_FILE, np.stack([_grey(radiograph) for radiograph in shown]))
        _write_strip(shown, rows, draft / STRIP_FILE, about_radiograph)
    return record


def series_of_radiograph(
    radiograph: Path, folder: Path, settings: GenerationSettings, *, to_grade: int = 4, course: str | None = None,
    frames: int = 8, volumes: bool = False, morphing_model: Path | None = None, pipelines: PipelineCache | None = None,
    on_progress: Callable[[dict[str, Any]], None] = lambda event: None,
    should_cancel: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:  # fmt: skip
    """The series of a radiograph file for a viewer, with films.npy; returns the record of ``write_radiograph_series``.

    The record also has ``folder``, ``rectangle`` (x, y, width, height in radiograph pixels that the radiographs of the
    series show) and ``film``, which describes the radiograph as ``check_radiograph`` does. ``on_progress`` receives the
    fields of the worker's report ``progress``. Raises InputError, ProcessingError and Cancelled.
    """
    from ..generation.prepared_knee import prepare_knee, shown_rectangle
    from ..generation.radiograph_check import describe_film
    from ..radiograph.reading import read_radiograph

    for name, value, low, high in (("to_grade", to_grade, 1, 4), ("frames", frames, 2, 100)):
        if not low <= value <= high:
            raise InputError(
                f"{name} cannot be {value}: choose a number from {low} to {high}.", code="bad-option", field=name
            )
    opened = read_radiograph(radiograph, photometric=settings.photometric)
    knee = prepare_knee(opened, settings)

    def report(share: float) -> None:
        if should_cancel():
            raise Cancelled("Cancelled before the series was complete.")
        stage, done = "volume" if volumes else "film", min(int(share * frames + 1e-9), frames)
        on_progress({"stage": stage, "step": done, "of": frames, "fraction": share, "eta_s": None})

    record = write_radiograph_series(
        knee.prepared, morphing_model, folder, to_grade=to_grade, course=course, frames=frames,
        settings=settings if volumes else None,
        on_frame=lambda done, of: report(done / of), on_share=report, should_cancel=should_cancel, stack=True,
        pipelines=pipelines,
    )  # fmt: skip
    return plain({**record, "folder": str(folder), "rectangle": shown_rectangle(knee, opened),
                  "film": describe_film(opened), "warnings": [*knee.warnings, *record["warnings"]]})  # fmt: skip


def _share_of(on_share: Callable[[float], None], index: int, frames: int) -> Callable[[dict[str, Any]], None]:
    """A pipeline's callback that reports the share of a whole series; the slices themselves are not reported."""

    def callback(event: dict[str, Any]) -> None:
        if "fraction" in event:
            on_share((index + min(float(event["fraction"]), 1.0)) / frames)

    return callback


def _measure_similarity(
    radiograph: torch.Tensor, last: torch.Tensor, target: torch.Tensor
) -> dict[str, dict[str, float]]:
    """Similarity of the radiograph and of the last frame to the target radiograph."""
    values = [float(local_correlation((image + 1) / 2, (target + 1) / 2)) for image in (radiograph, last)]
    return {"correlation_with_target": {"film": round(values[0], 4), "last_frame": round(values[1], 4)}}


def _warnings(expected: list[float]) -> list[str]:
    found = []
    if expected[0] > 1.2:
        found.append("The classifier grades the first radiograph above KL-0: the series does not start healthy.")
    if expected[-1] < expected[0] + 0.3:
        found.append("The classifier does not grade the last radiograph of the series higher than the first.")
    return found


def _target_warnings(correlation: dict[str, float]) -> list[str]:
    if correlation["last_frame"] > correlation["film"]:
        return []
    return ["The last frame is no more similar to the target radiograph than the first radiograph is."]


def shipped_model() -> Path:
    """Folder of the morphing model that ships. Raises ProcessingError where none does."""
    try:
        return resource_path(SHIPPED_FOLDER)
    except ProcessingError as error:
        raise ProcessingError(
            "No morphing model ships with this installation.",
            code="missing-resource",
            hint="Train one with xray2mri train morphing, and name its folder model.",
            field="morphing_model",
        ) from error


def _write_radiograph(radiograph: np.ndarray, path: Path, severity: float, about_radiograph: str) -> None:
    """Write a radiograph [H, W] in [-1, 1] as PNG above a line that says what it is, also in text chunks."""
    from PIL import Image, ImageDraw
    from PIL.PngImagePlugin import PngInfo

    from ..rendering.text import draw_text

    about = PngInfo()
    about.add_text(
        "Description", about_radiograph if severity else "Prepared radiograph; first frame of a synthetic series."
    )
    about.add_text("Severity", f"{severity:.4f}")
    height, width = radiograph.shape
    shown = Image.new("RGB", (width, height + _LINE))
    shown.paste(Image.fromarray(_grey(radiograph)).convert("RGB"), (0, 0))
    draw_text(ImageDraw.Draw(shown), (4, height + _LINE - 5), NOT_A_FORECAST, 13, width=width - 8)
    shown.convert("L").save(path, pnginfo=about)


def _write_strip(radiographs: list[np.ndarray], rows: list[dict[str, Any]], path: Path, about_radiograph: str) -> None:
    """Write all radiographs as one image, eight per row, with severity, expected grade and the notice."""
    from PIL import Image, ImageDraw

    from ..rendering.text import BACKGROUND, NOTICE, QUIET, draw_text

    columns, below = min(len(radiographs), 8), 26
    lines = -(-len(radiographs) // columns)
    width, height = columns * (_THUMBNAIL + 4) + 4, lines * (_THUMBNAIL + below) + 30
    strip = Image.new("RGB", (max(width, 480), height), BACKGROUND)
    draw = ImageDraw.Draw(strip)
    for index, (radiograph, row) in enumerate(zip(radiographs, rows, strict=True)):
        left = 4 + index % columns * (_THUMBNAIL + 4)
        top = 4 + index // columns * (_THUMBNAIL + below)
        tile = Image.fromarray(_grey(radiograph)).resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BICUBIC)
        strip.paste(tile.convert("RGB"), (left, top))
        grade = sum(g * p for g, p in enumerate(row["kl_probabilities"]))
        text = f"severity {row['severity']:.2f}, predicted KL {grade:.1f}"
        draw_text(draw, (left + 4, top + _THUMBNAIL + 17), text, 14, QUIET, width=_THUMBNAIL - 8)
    draw_text(draw, (6, height - 9), about_radiograph, 14, NOTICE, width=strip.width - 12)
    strip.save(path)


def _grey(radiograph: np.ndarray) -> np.ndarray:
    return np.rint((np.clip(radiograph, -1, 1) + 1) * 127.5).astype(np.uint8)
