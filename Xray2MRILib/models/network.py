"""Base class of the small networks: a registered configuration, and a folder in the layout of diffusers.

config.json                             arguments of the constructor, and ``_class_name``
diffusion_pytorch_model.safetensors     weights, float16 (int8: diffusion_pytorch_model.int8.safetensors)
checksums.json                          SHA256 of both (of this program)

The folders and the names ``from_pretrained``, ``save_pretrained``, ``config`` and ``register_to_config`` are those of
diffusers' ModelMixin and ConfigMixin. The base class is not diffusers' own, because its import takes 1.5 to 4 seconds,
and the commands ``grade`` and ``localize``, which need only the small networks, take 3 seconds in total.
"""

from __future__ import annotations

import functools
import inspect
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from ..errors import ProcessingError
from ..files.checksums import RESTORE, read_model_json, refuse_pickles, tamper_error, verify_checksums, write_checksums
from ..files.json_files import write_json
from . import eight_bit_weights, old_network_folder

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "diffusion_pytorch_model.safetensors"

_Network = TypeVar("_Network", bound="Network")
_Init = TypeVar("_Init", bound=Callable[..., None])


def register_to_config(init: _Init) -> _Init:
    """Decorator of a network's ``__init__`` that stores its arguments, including defaults, as ``config``."""
    signature = inspect.signature(init)

    @functools.wraps(init)
    def with_config(self: Network, *values: Any, **named: Any) -> None:
        arguments = signature.bind(self, *values, **named)
        arguments.apply_defaults()
        init(self, *values, **named)
        self.register_to_config(**{name: arguments.arguments[name] for name in list(signature.parameters)[1:]})

    return with_config  # type: ignore[return-value]


class Network(nn.Module):
    """A network that can be saved to and loaded from a folder.

    Attributes
    ----------
    config
        Arguments of the constructor: numbers, texts, lists.
    weights_sha256
        SHA256 of the weights file; empty for a network built in memory.
    title, hint
        Name of the network in the error of ``from_pretrained``, and the remedy.
    """

    title: ClassVar[str] = "network of this kind"
    hint: ClassVar[str] = RESTORE
    config: dict[str, Any]
    weights_sha256: str = ""

    def register_to_config(self, **entries: Any) -> None:
        """Set entries of ``config``, e.g. a threshold that results from training."""
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in entries.items()}
        self.config = {**self.__dict__.get("config", {}), **plain}

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Number type of the weights."""
        return next(self.parameters()).dtype

    @classmethod
    def from_pretrained(cls: type[_Network], folder: str | os.PathLike[str]) -> _Network:
        """Load the network of a folder as float32 on the CPU in evaluation mode.

        The checksums are compared before the files are read. Raises ProcessingError (codes ``missing-weights``,
        ``tampered-weights``, ``other-model``) and InputError (``pickled-weights``).
        """
        folder = Path(folder)
        digest, config, state = read_network(folder)
        try:
            if config.pop("_class_name", cls.__name__) != cls.__name__:
                raise ValueError("another class")
            network = cls(**{name: value for name, value in config.items() if not name.startswith("_")})
            network.load_state_dict(state)
        except (TypeError, ValueError, KeyError, RuntimeError, ArithmeticError) as error:
            raise ProcessingError(
                f"The folder {folder.name} does not contain a {cls.title}.", code="other-model", hint=cls.hint
            ) from error
        network.weights_sha256 = digest
        return network.eval()

    def save_pretrained(self, folder: str | os.PathLike[str], *, eight_bit: bool = False) -> None:
        """Write the network's folder; each file appears under its name only when complete, the checksums last.

        Weights are stored as float16, or as int8 with ``eight_bit`` (``eight_bit_weights``).
        """
        from safetensors.torch import save_file

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        if eight_bit:
            stored, weights = eight_bit_weights.to_eight_bits(self.state_dict()), eight_bit_weights.FILE
        else:
            weights = WEIGHTS_FILE
            stored = {
                name: (tensor.half() if tensor.is_floating_point() else tensor).cpu().contiguous().clone()
                for name, tensor in self.state_dict().items()
            }
        write_json(folder / CONFIG_FILE, {"_class_name": type(self).__name__, **self.config})
        temporary = folder / (weights + ".tmp")
        save_file(stored, temporary, {"format": "pt"})
        shutil.copymode(folder / CONFIG_FILE, temporary)  # safetensors makes its files readable by the owner only
        os.replace(temporary, folder / weights)
        write_checksums(folder, (CONFIG_FILE, weights))
        (folder / (WEIGHTS_FILE if eight_bit else eight_bit_weights.FILE)).unlink(missing_ok=True)
        old_network_folder.remove_old_weights(folder)


def read_network(folder: Path) -> tuple[str, dict[str, Any], dict[str, Tensor]]:
    """Read a network's folder, also of the layout of version 0.1: SHA256 of the weights, configuration, state dict.

    The state dict is float32. Raises the errors of ``Network.from_pretrained`` except ``other-model``.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    weights, old = WEIGHTS_FILE, False
    if not (folder / WEIGHTS_FILE).is_file() and (folder / eight_bit_weights.FILE).is_file():
        weights = eight_bit_weights.FILE
    elif not (folder / WEIGHTS_FILE).is_file():
        old = old_network_folder.is_old(folder)
        weights = old_network_folder.WEIGHTS_FILE if old else WEIGHTS_FILE
        if not old:
            refuse_pickles(folder)
    digests = verify_checksums(folder, (CONFIG_FILE, weights))
    config = read_model_json(folder, CONFIG_FILE)
    try:
        state = load_file(folder / weights)
        if weights == eight_bit_weights.FILE:
            state = eight_bit_weights.from_eight_bits(state)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise tamper_error(folder, weights) from error
    if old:
        config = old_network_folder.flat_config(config)
    return digests[weights], config, {n: t.float() if t.is_floating_point() else t for n, t in state.items()}
