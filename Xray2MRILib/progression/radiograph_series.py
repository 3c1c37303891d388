"""A series of radiographs of increasing severity written to a folder, with the grades read in them and volumes if
wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..baselines.morphing import load_morphing_model, local_correlation
from ..conditions.koa_classifier import classify_koa
from ..diffusion.radiograph_conditions import picture_digest
from ..files.json_files import write_json
from ..files.new_folder import NewFolder
from ..generation.settings import GenerationSettings
from ..generation.volume_from_radiograph import PipelineCache
from ..preparation.joint_crop import PreparedRadiograph
from ..volume.geometry import OAI_FIELD
from ..volume.provenance import notice, plain
from ..volume.writing import write_volume

RECORD_FILE = "series.json"
STRIP_FILE = "series.png"
SEVERE_GRADE = 4  # what severity 1 was trained to be
_THUMBNAIL = 192
RADIOGRAPH_NOTICE = (
    "Synthetic radiographs bent from one radiograph, not a forecast, for research use, not for diagnosis."
)
TOWARDS_NOTICE = (
    "Synthetic radiographs bent from one radiograph towards another, not what lay between them, for research use, "
    "not for diagnosis."
)


def severities(to_grade: int, frames: int) -> list[float]:
    """Severity of every frame, 0 for the radiograph itself; grades are taken to be evenly spaced between KL-0 and
    KL-4."""
    return [float(s) for s in np.linspace(0, to_grade / SEVERE_GRADE, frames)]


def write_radiograph_series(
    prepared: PreparedRadiograph, morphing_model: Path, folder: Path, *, to_grade: int = 4, frames: int = 8,
    towards: PreparedRadiograph | None = None, settings: GenerationSettings | None = None,
    on_frame: Callable[[int, int], None] = lambda done, of: None,
) -> dict[str, Any]:  # fmt: skip
    """Write radiograph-00.png ..., series.png and series.json to a new folder; with ``settings`` volume-00.nrrd ...
    too.

    With ``towards``, another radiograph such as the same knee's at a later visit, the series leads there and
    ``to_grade`` is not heeded; the record then says how alike both radiographs are before and after
    (``correlation_with_target``, the mean squared local correlation that training raises).

    Returns the record of series.json: ``frames`` (radiograph, severity, kl_probabilities, volume), ``warnings``,
    ``notice``. The classifier's grades are there to be checked: nothing in the training demands that they rise. Raises
    InputError for a folder that is not empty and ProcessingError for a folder without a morphing model.
    """
    model = load_morphing_model(morphing_model)
    digest = model.weights_sha256
    pipeline = None if settings is None else PipelineCache().get(settings.model, settings.device)
    radiograph = torch.as_tensor(prepared.image)[None]
    target = None if towards is None else torch.as_tensor(towards.image)[None]
    leads_to: dict[str, Any] = {}
    if target is not None:
        to_grade, leads_to = SEVERE_GRADE, {"towards_crop_sha256": picture_digest(target[0])}
    about_radiograph = RADIOGRAPH_NOTICE if target is None else TOWARDS_NOTICE
    shown: list[np.ndarray] = []
    rows: list[dict[str, Any]] = []
    per_frame = 100_000 + (0 if settings is None else settings.num_slices * OAI_FIELD.pixels**2 * 2)
    with NewFolder(folder, per_frame * frames) as draft:
        for index, severity in enumerate(severities(to_grade, frames)):
            on_frame(index, frames)
            image = model.progressed(radiograph, severity, target)[0].clamp(-1, 1).numpy()
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
                    koa=given or koa,
                )  # fmt: skip
                row["volume"] = f"volume-{index:02d}.nrrd"
                write_volume(volume, draft / row["volume"])
            rows.append(row)
        on_frame(frames, frames)
        aim: dict[str, Any] = {"to_grade": to_grade}
        if target is not None:
            aim = leads_to | _likeness(radiograph, torch.from_numpy(image)[None], target)
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
        _write_strip(shown, rows, draft / STRIP_FILE, about_radiograph)
    return record


def _likeness(radiograph: torch.Tensor, bent: torch.Tensor, target: torch.Tensor) -> dict[str, dict[str, float]]:
    """How alike the radiograph and the last frame are to the radiograph that the series leads to."""
    alike = [float(local_correlation((picture + 1) / 2, (target + 1) / 2)) for picture in (radiograph, bent)]
    return {"correlation_with_target": {"film": round(alike[0], 4), "last_frame": round(alike[1], 4)}}


def _warnings(expected: list[float]) -> list[str]:
    found = []
    if expected[0] > 1.2:
        found.append("The classifier grades the first radiograph above KL-0: the series does not start healthy.")
    if expected[-1] < expected[0] + 0.3:
        found.append("The classifier does not grade the last radiograph of the series higher than the first.")
    return found


def _target_warnings(alike: dict[str, float]) -> list[str]:
    if alike["last_frame"] > alike["film"]:
        return []
    return ["The last frame is no more similar to the target radiograph than the first radiograph is."]


def _write_radiograph(radiograph: np.ndarray, path: Path, severity: float, about_radiograph: str) -> None:
    """A radiograph [H, W] in [-1, 1] as PNG whose text chunks say what it is."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    about = PngInfo()
    about.add_text(
        "Description", about_radiograph if severity else "Prepared radiograph; beginning of a synthetic series."
    )
    about.add_text("Severity", f"{severity:.4f}")
    Image.fromarray(_grey(radiograph)).save(path, pnginfo=about)


def _write_strip(radiographs: list[np.ndarray], rows: list[dict[str, Any]], path: Path, about_radiograph: str) -> None:
    """All radiographs side by side, eight in a row, with severity, expected grade and the notice."""
    from PIL import Image, ImageDraw

    from ..rendering.text import BACKGROUND, NOTICE, QUIET, write

    columns, below = min(len(radiographs), 8), 26
    lines = -(-len(radiographs) // columns)
    width, height = columns * (_THUMBNAIL + 4) + 4, lines * (_THUMBNAIL + below) + 30
    picture = Image.new("RGB", (max(width, 480), height), BACKGROUND)
    draw = ImageDraw.Draw(picture)
    for index, (radiograph, row) in enumerate(zip(radiographs, rows, strict=True)):
        left = 4 + index % columns * (_THUMBNAIL + 4)
        top = 4 + index // columns * (_THUMBNAIL + below)
        tile = Image.fromarray(_grey(radiograph)).resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BICUBIC)
        picture.paste(tile.convert("RGB"), (left, top))
        grade = sum(g * p for g, p in enumerate(row["kl_probabilities"]))
        text = f"severity {row['severity']:.2f}, reads KL {grade:.1f}"
        write(draw, (left + 4, top + _THUMBNAIL + 17), text, 14, QUIET, width=_THUMBNAIL - 8)
    write(draw, (6, height - 9), about_radiograph, 14, NOTICE, width=picture.width - 12)
    picture.save(path)


def _grey(radiograph: np.ndarray) -> np.ndarray:
    return np.rint((np.clip(radiograph, -1, 1) + 1) * 127.5).astype(np.uint8)
