"""``cohort.json``: the settings, model and program of a cohort. A run with others is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import InputError
from ..files.atomic_write import AtomicFiles, check_place
from ..volume.provenance import creation_time, library_versions, notice
from .content_key import without_place

FILE = "cohort.json"
SCHEMA = "xray2mri-cohort"


def check_record(folder: Path, settings: Mapping[str, Any], model_sha256: str) -> bool:
    """Compare with the record of an earlier run. Returns whether there is one.

    Raises InputError (code ``bad-output``) for a folder with other results, and (code ``other-settings``) when
    settings, model or program differ.
    """
    path = folder / FILE
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if folder.is_dir() and any(not entry.name.startswith(".") for entry in folder.iterdir()):
            raise InputError(
                f"The folder {folder.name} is not empty and holds no cohort.",
                code="bad-output",
                hint="Choose a new folder.",
            ) from None
        return False
    except (OSError, ValueError):
        record = {}
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        raise InputError(
            f"The file {FILE} in {folder.name} cannot be read.", code="bad-output", hint="Choose a new folder."
        )
    given, known = without_place(settings), record.get("settings") or {}
    # a setting that a later version added had its default then
    differing = [name for name in given if name in known and known[name] != given[name] and name != "model"]
    if record.get("model_sha256") != model_sha256:
        differing.append("model")
    if record.get("program") != __version__:
        raise InputError(
            f"The folder {folder.name} holds a cohort of version {record.get('program')}; this is {__version__}.",
            code="other-settings",
            hint="Choose a new folder.",
        )
    if differing:
        raise InputError(
            f"The folder {folder.name} holds a cohort with another {differing[0].replace('_', ' ')}.",
            code="other-settings",
            hint="Repeat the settings of the first run, or choose a new folder.",
            field=differing[0],
        )
    return True


def write_record(folder: Path, settings: Mapping[str, Any], model_sha256: str) -> None:
    """Make the folder and write the record. Raises InputError and ProcessingError when this is not possible."""
    if not folder.is_dir():
        check_place(folder)
        folder.mkdir()
    model = settings["model"]
    record = {
        "schema": SCHEMA,
        "notice": notice(),
        "created_utc": creation_time(),
        "program": __version__,
        # of a folder only the last component: the path may name a person
        "model": Path(model).name if Path(model).is_dir() else model,
        "model_sha256": model_sha256,
        "settings": {name: value for name, value in without_place(settings).items() if name != "model"},
        "libraries": library_versions(),
    }
    with AtomicFiles() as atomic:
        text = json.dumps(record, indent=1, allow_nan=False) + "\n"
        atomic.stage(folder / FILE).write_text(text, encoding="utf-8")
