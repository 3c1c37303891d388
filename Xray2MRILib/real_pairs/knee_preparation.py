"""One study as a pair on disk, or the reason why not: what a worker process does."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError, Xray2MRIError
from .cohort_settings import CohortSettings
from .coronal_scan import folder_of_sequence, read_coronal_scan
from .knee_picture import read_knee_picture
from .knee_study import KneeStudy
from .pair_file import FORMAT_VERSION, write_real_pair
from .placement import find_placement

# faults of this machine, not of the study: they stop the run, which resumes later
_FATAL = ("disk-full", "write-failed", "bad-output")


@dataclass(frozen=True)
class KneeTask:
    """A study, the path of its pair, and the participant's key for the record."""

    study: KneeStudy
    pair: Path
    participant: str
    settings: CohortSettings


@dataclass(frozen=True)
class Outcome:
    """What became of a study.

    ``code`` is "prepared", or the code of the refusal; ``reason`` its sentence, with the names of files; ``public`` the
    same without them.
    """

    code: str
    reason: str = ""
    public: str = ""
    doubts: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def prepared(self) -> bool:
        """Whether the pair is on the disk."""
        return self.code == "prepared"


def prepare_pair(task: KneeTask) -> Outcome:
    """Read, check and store one pair. Raises Xray2MRIError only for faults of the machine, such as a full disk."""
    began = time.monotonic()
    try:
        doubts = _prepare(task)
    except Xray2MRIError as error:
        if error.code in _FATAL:
            raise
        return Outcome(error.code, error.message, without_names(error.message, task.study), (), _since(began))
    except MemoryError:
        sentence = "There is not enough memory to prepare this knee."
        return Outcome("out-of-memory", sentence, sentence, (), _since(began))
    except Exception as error:  # a cohort of thousands must not end with one study
        sentence = f"An unexpected {type(error).__name__} stopped the preparation."
        return Outcome("internal", f"{sentence} {error}", sentence, (), _since(began))
    return Outcome("prepared", "", "", tuple(doubts), _since(began))


def _prepare(task: KneeTask) -> list[str]:
    study, settings = task.study, task.settings
    picture = read_knee_picture(study.radiograph, study.side, study.box, strict=settings.strict)
    scan = read_coronal_scan(study.series, study.side, settings.first_slice)
    placement = find_placement(scan.volume, picture.crop) if settings.frame == "film" else None
    doubts = [*picture.doubts, *scan.remarks]
    record: dict[str, Any] = {
        "participant": task.participant,
        "side": study.side,
        "mirrored": study.side == "left",
        "kl_grade": study.kl_grade,
        "person": dict(study.person),
        "film": picture.record,
        "scan": scan.record,
        "placement": None if placement is None else placement.record(),
        "doubts": len(doubts),
    }
    write_real_pair(task.pair, scan.volume, picture.pixels, record)
    return doubts


def fingerprint(task: KneeTask) -> str:
    """A digest of everything that a pair is made from: sizes and times of its files, what is known, the settings.

    Raises InputError when a file is not there.
    """
    study = task.study
    try:
        film = study.radiograph.stat()
        series = [path.stat() for path in _files_of(study)]
    except OSError:
        missing = study.series if study.radiograph.exists() else study.radiograph
        raise InputError(f"There is no file or folder {missing.name}.", code="missing-file", hint="Check it.") from None
    settings = {name: value for name, value in asdict(task.settings).items() if name not in ("shares", "source")}
    facts = [
        FORMAT_VERSION, film.st_size, film.st_mtime_ns, len(series), sum(one.st_size for one in series),
        max((one.st_mtime_ns for one in series), default=0), study.side, study.kl_grade, study.box,
        dict(study.person), settings,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=list).encode()).hexdigest()[:16]


def _files_of(study: KneeStudy) -> list[Path]:
    try:
        folder = folder_of_sequence(study.series)
    except InputError:
        folder = study.series
    return [path for path in folder.iterdir() if path.is_file()]


def without_names(message: str, study: KneeStudy) -> str:
    """A sentence of a refusal without the names of files and folders, which may hold numbers of participants."""
    named = {study.radiograph.name: "", study.series.name: ""}
    if study.series.is_dir():
        for path in study.series.rglob("*"):
            named[path.name] = "a file" if path.is_file() else ""
    message = message.replace("The reference ", "The MR series ")
    for name in sorted(named, key=len, reverse=True):
        if len(name) > 1:
            message = message.replace(f" {name} ", f" {named[name]} " if named[name] else " ")
            message = message.replace(name, named[name] or "it")
    return message


def _since(began: float) -> float:
    return round(time.monotonic() - began, 2)
