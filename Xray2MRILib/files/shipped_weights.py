"""A network's folder on disk: config.json, model.safetensors (half precision) and checksums.json, verified on reading.

Weights are never unpickled; a missing, truncated or altered file is refused with one sentence.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ProcessingError

if TYPE_CHECKING:
    import torch

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
CHECKSUMS_FILE = "checksums.json"


def sha256_of(path: Path) -> str:
    """SHA256 of a file as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def verify_weights(folder: Path) -> dict[str, str]:
    """Compare every file named in ``folder``/checksums.json with its SHA256 and return that table.

    Raises ProcessingError (codes ``missing-weights``, ``tampered-weights``).
    """
    reinstall = "Install Xray2MRI again, or restore the folder from its source."
    try:
        expected = json.loads((folder / CHECKSUMS_FILE).read_text(encoding="utf-8"))
        if not isinstance(expected, dict) or not {WEIGHTS_FILE, CONFIG_FILE} <= set(expected):
            raise ValueError("the table is incomplete")
    except FileNotFoundError as error:
        raise ProcessingError(
            f"The weights folder {folder.name} has no {CHECKSUMS_FILE}.", code="missing-weights", hint=reinstall
        ) from error
    except (OSError, ValueError) as error:
        raise ProcessingError(
            f"The file {CHECKSUMS_FILE} of {folder.name} cannot be read.", code="tampered-weights", hint=reinstall
        ) from error
    for name, digest in expected.items():
        path = folder / Path(name).name
        if not path.is_file():
            raise ProcessingError(
                f"The file {name} of {folder.name} is missing.", code="missing-weights", hint=reinstall
            )
        if sha256_of(path) != digest:
            raise ProcessingError(
                f"The file {name} of {folder.name} is damaged or was altered: its checksum does not match.",
                code="tampered-weights",
                hint=reinstall,
            )
    return expected


def read_weights(folder: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Configuration and float32 state dict of a verified weights folder.

    Raises ProcessingError when a file is missing, unreadable or differs from its recorded checksum.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    verify_weights(folder)
    try:
        config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        state = {
            name: tensor.float() if tensor.is_floating_point() else tensor
            for name, tensor in load_file(folder / WEIGHTS_FILE).items()
        }
    except (OSError, ValueError, SafetensorError) as error:
        raise ProcessingError(
            f"The weights of {folder.name} cannot be read.", code="tampered-weights", hint="Install Xray2MRI again."
        ) from error
    return config, state


def write_weights(folder: Path, config: dict[str, Any], state: dict[str, torch.Tensor]) -> None:
    """Write a weights folder in half precision; each file appears under its name only when complete, checksums last."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    half = {
        name: (tensor.detach().half() if tensor.is_floating_point() else tensor.detach()).cpu().contiguous().clone()
        for name, tensor in state.items()
    }
    write_json(folder / CONFIG_FILE, config)
    temporary = folder / (WEIGHTS_FILE + ".tmp")
    save_file(half, temporary)
    shutil.copymode(folder / CONFIG_FILE, temporary)  # safetensors writes files that only their owner can read
    os.replace(temporary, folder / WEIGHTS_FILE)
    write_json(folder / CHECKSUMS_FILE, {name: sha256_of(folder / name) for name in (CONFIG_FILE, WEIGHTS_FILE)})


def write_json(path: Path, content: Any) -> None:
    """Write indented JSON under a temporary name in the same folder, then rename."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    os.replace(temporary, path)
