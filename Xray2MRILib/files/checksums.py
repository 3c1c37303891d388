"""SHA256 of a model's files, written last and compared before any of the files is read.

checksums.json at the root of a folder contains {path within the folder: SHA256 as 64 hexadecimal digits}. The folder of
a single network and a folder of several networks use the same table, checks and messages.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..errors import InputError, ProcessingError
from .json_files import write_json

CHECKSUMS_FILE = "checksums.json"
RESTORE = "Restore the folder from its source, or install Xray2MRI again for a shipped model."
PICKLE_ENDINGS = (".bin", ".ckpt", ".pt", ".pth", ".pkl", ".pickle")


def sha256_of(path: Path) -> str:
    """SHA256 of a file as 64 hexadecimal digits. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def write_checksums(folder: Path, names: Iterable[str]) -> None:
    """Write ``folder``/checksums.json for the named files, which must be complete already."""
    write_json(folder / CHECKSUMS_FILE, {name: sha256_of(folder / name) for name in names})


def verify_checksums(folder: Path, needed: Iterable[str]) -> dict[str, str]:
    """Compare every file listed in ``folder``/checksums.json with its SHA256; returns the table.

    The table must list the ``needed`` files and no path outside the folder. Raises ProcessingError with the codes
    ``missing-weights`` and ``tampered-weights``.
    """
    table = read_model_json(folder, CHECKSUMS_FILE)
    for name in sorted(set(needed) - set(table)):
        raise tamper_error(folder, name)
    for name, digest in table.items():
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise tamper_error(folder, CHECKSUMS_FILE)
        if not (folder / name).is_file():
            raise missing_error(folder, name)
        if sha256_of(folder / name) != digest:
            raise tamper_error(folder, name)
    return table


def read_model_json(folder: Path, name: str) -> dict[str, Any]:
    """Read the JSON object ``folder``/``name``. Raises ProcessingError: ``missing-weights``, ``tampered-weights``."""
    try:
        content = json.loads((folder / name).read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("not a JSON object")
    except FileNotFoundError as error:
        raise missing_error(folder, name) from error
    except (OSError, ValueError, RecursionError) as error:
        raise tamper_error(folder, name) from error
    return content


def refuse_pickles(folder: Path) -> None:
    """Raise InputError (code ``pickled-weights``) if a folder without safetensors contains pickled weights."""
    for path in sorted(folder.glob("*")):
        if path.suffix.lower() in PICKLE_ENDINGS:
            raise pickle_error(f"{folder.name}/{path.name}")


def missing_error(folder: Path, name: str) -> ProcessingError:
    """The error for a file that is missing from a model folder."""
    return ProcessingError(
        f"The file {name} is missing from the model folder {folder.name}.", code="missing-weights", hint=RESTORE
    )


def tamper_error(folder: Path, name: str) -> ProcessingError:
    """The error for a damaged or altered file."""
    return ProcessingError(
        f"The file {name} of the model folder {folder.name} is damaged or has been altered: "
        "its checksum does not match or it cannot be read.",
        code="tampered-weights",
        hint=RESTORE,
    )


def pickle_error(name: str) -> InputError:
    """The error for pickled weights."""
    return InputError(
        f"The weights {name} are pickled, and loading them could execute foreign code.",
        code="pickled-weights",
        hint="Convert them to safetensors first, or import them if they are Zero-123's.",
    )
