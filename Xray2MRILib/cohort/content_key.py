"""The key of one piece of work: same radiograph, settings, model and program, same key.

Files are recognised after renaming, and a changed setting is other work. The key names the files of the volume, so that
no patient's name does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import __version__
from ..files.checksums import CHECKSUMS_FILE, sha256_of
from ..generation.settings import SETTINGS, GenerationSettings
from ..model_store.model_location import locate_model

KEY_DIGITS = 16
# where the work is done, not what is done
_NOT_IN_KEY = ("device",)
_CARD = "model_card.json"


def settings_message(settings: GenerationSettings) -> dict[str, Any]:
    """All settings under their names in the worker's protocol, as plain values for JSON."""
    values = {name: getattr(settings, name) for name in SETTINGS}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def content_key(radiograph_sha256: str, settings: GenerationSettings, model_sha256: str) -> str:
    """16 hexadecimal digits of the SHA-256 over radiograph, settings, model and version of the program."""
    message = settings_message(settings)
    content = {
        "radiograph": radiograph_sha256,
        "settings": {name: value for name, value in message.items() if name not in (*_NOT_IN_KEY, "model")},
        "model": model_sha256,
        "program": __version__,
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:KEY_DIGITS]


def model_digest(model: str) -> str:
    """SHA-256 over the files of a model, from its table of checksums where it has one.

    Raises as ``locate_model`` does.
    """
    folder = locate_model(model)
    table = folder / CHECKSUMS_FILE
    files = [table] if table.is_file() else sorted(folder.rglob("*.safetensors")) + sorted(folder.rglob("*.json"))
    if table.is_file() and (folder / _CARD).is_file():
        files.append(folder / _CARD)
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(folder).as_posix()} {sha256_of(path)}\n".encode())
    return digest.hexdigest()


def reference_signature(path: Path) -> str:
    """What identifies a real MRI: the SHA-256 of a file; of a folder, that of its names and sizes. Raises OSError."""
    if path.is_dir():
        listed = [
            (file.relative_to(path).as_posix(), file.stat().st_size)
            for file in sorted(path.rglob("*"))
            if file.is_file()
        ]
        return hashlib.sha256(json.dumps(listed).encode()).hexdigest()[:KEY_DIGITS]
    return sha256_of(path)[:KEY_DIGITS]


def without_place(message: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without those that only say where the work is done."""
    return {name: value for name, value in message.items() if name not in _NOT_IN_KEY}
