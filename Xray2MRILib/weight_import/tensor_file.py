"""The tensors of a published weight file, without executing anything that the file holds.

Files of PyTorch are pickles. They are read by torch's restricted reader, which knows tensors and plain containers. The
files of Lightning hold some more objects: a callback's class, learning rates as numpy scalars. For exactly these names
an inert object is put in their place; a file that names anything else is refused.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from ..errors import InputError
from ..files.checksums import PICKLE_ENDINGS

ENDINGS = (".safetensors", *PICKLE_ENDINGS)
# what Lightning's checkpoints of Zero-123 and Stable Diffusion hold besides tensors
_KNOWN_OBJECTS = (
    "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
    "pytorch_lightning.callbacks.early_stopping.EarlyStopping",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.dtype",
)

# what a damaged or foreign file leads to
_UNREADABLE = (
    OSError, EOFError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, IndexError, AssertionError,
    SafetensorError, zipfile.BadZipFile, pickle.UnpicklingError,
)  # fmt: skip


class _Ignored:
    """Stands for an object of the file; it takes whatever the file wants to make it of and keeps nothing."""

    def __new__(cls, *_: Any, **__: Any) -> _Ignored:
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, _: Any) -> None:
        pass


def read_tensors(file: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors, .ckpt, .pt, .pth or .bin file by name, in main memory.

    Of a checkpoint they are those of its ``state_dict``. A file of the present format is mapped into memory, so that
    optimiser states and averages cost nothing. Raises InputError (codes ``unreadable-weights``, ``unsafe-weights``).
    """
    if not file.is_file():
        raise InputError(f"There is no file {file.name}.", code="no-weights", hint="Give a weight file.")
    try:
        content = _safetensors(file) if file.suffix.lower() == ".safetensors" else _restricted(file)
    except InputError:
        raise
    except _UNREADABLE as error:
        raise InputError(
            f"The weight file {file.name} cannot be read: it is damaged or of another kind.",
            code="unreadable-weights",
            hint="Fetch it again from its source.",
        ) from error
    state = content.get("state_dict", content) if isinstance(content, Mapping) else {}
    found = {str(name): tensor for name, tensor in state.items() if isinstance(tensor, Tensor)}
    if not found:
        raise InputError(
            f"The weight file {file.name} holds no tensors by name.",
            code="unreadable-weights",
            hint="Give the checkpoint itself.",
        )
    return found


def _safetensors(file: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return load_file(file)


def _restricted(file: Path) -> Any:
    zipped = zipfile.is_zipfile(file)
    with torch.serialization.safe_globals([(_Ignored, name) for name in _KNOWN_OBJECTS]):
        try:
            return torch.load(file, map_location="cpu", weights_only=True, mmap=True if zipped else None)
        except pickle.UnpicklingError as error:
            wanted = _refused_objects(file) if zipped else []
            if not wanted:
                raise
            raise InputError(
                f"The weight file {file.name} asks for {wanted[0]}, which is not among the objects of a checkpoint: "
                "reading it could execute foreign code.",
                code="unsafe-weights",
                hint="Fetch the published file, or a safetensors file.",
            ) from error


def _refused_objects(file: Path) -> list[str]:
    names = torch.serialization.get_unsafe_globals_in_checkpoint(file)
    return sorted(" ".join(str(name).split())[:80] for name in names if name not in _KNOWN_OBJECTS)
