"""Network folders of version 0.1: model.safetensors and a config.json of another form.

The constructor's arguments were either the whole config.json or its entry ``network``, next to calibration entries:
{"network": {"size": 224, ...}, "temperature": 0.87}. Weights, checksums and checks are those of ``network``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

WEIGHTS_FILE = "model.safetensors"


def is_old(folder: Path) -> bool:
    """Whether the weights in ``folder`` have the name of version 0.1."""
    return (folder / WEIGHTS_FILE).is_file()


def flat_config(config: dict[str, Any]) -> dict[str, Any]:
    """The constructor's arguments as a flat dictionary."""
    network = config.get("network")
    if not isinstance(network, dict):
        return config
    return {**network, **{name: value for name, value in config.items() if name != "network"}}


def remove_old_weights(folder: Path) -> None:
    """Remove weights with the name of version 0.1, which the folder's checksums no longer list."""
    (folder / WEIGHTS_FILE).unlink(missing_ok=True)
