"""The size of a stored model, from the headers of its weight files; no tensor is read."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

_LONGEST_HEADER = 100_000_000


def count_parameters(folder: Path) -> int:
    """Number of parameters in the weights of a model folder and of its networks; unreadable files count as none.

    Loading the model reports what is wrong with them. Deeper folders are not searched: the one named by mistake may be
    the root of a disk.
    """
    paths = [path for pattern in ("*.safetensors", "*/*.safetensors") for path in folder.glob(pattern)]
    return sum(_parameters_of(path) for path in sorted(paths))


def first_channels(folder: Path) -> int:
    """Width of the U-Net's first feature map; 0 for a model without U-Net."""
    try:
        config: dict[str, Any] = json.loads((folder / "unet" / "config.json").read_text(encoding="utf-8"))
        return int(config["block_out_channels"][0])
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return 0


def _parameters_of(path: Path) -> int:
    """By the format: eight bytes with the length of a JSON header, which has the shape of every tensor."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > _LONGEST_HEADER:
                return 0
            header = json.loads(file.read(length))
        return sum(_weights_of(name, entry, header) for name, entry in header.items() if name != "__metadata__")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error):
        return 0


def _weights_of(name: str, entry: dict[str, Any], header: dict[str, Any]) -> int:
    """The number of weights of a tensor; packed ones (models.eight_bit_weights) lie four in three bytes."""
    count = math.prod(entry["shape"])
    return count * 4 // 3 if f"{name}.shape" in header else count
