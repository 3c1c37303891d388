"""Folders of networks that were trained with version 0.1: model.safetensors beside a config.json of another form.

There the constructor's arguments were either the whole config.json or its entry ``network``, with calibration beside
it: {"network": {"size": 224, ...}, "temperature": 0.87}. Weights, checksums and checks are those of ``network``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

WEIGHTS_FILE = "model.safetensors"


def is_old(folder: Path) -> bool:
    """Whether the weights of ``folder`` have their former name."""
    return (folder / WEIGHTS_FILE).is_file()


def flat_config(config: dict[str, Any]) -> dict[str, Any]:
    """The constructor's arguments in one level."""
    network = config.get("network")
    if not isinstance(network, dict):
        return config
    return {**network, **{name: value for name, value in config.items() if name != "network"}}


def remove_old_weights(folder: Path) -> None:
    """Remove weights under the former name, which the folder's checksums no longer list."""
    (folder / WEIGHTS_FILE).unlink(missing_ok=True)
