"""OpenAI's weights of CLIP's ViT-L/14 from a file or from the caches of open_clip and of the Hugging Face hub.

Nothing is fetched from the network. The published file ``ViT-L-14.pt`` is a TorchScript archive, which could hold any
code; it is therefore compared with its published SHA256 before it is opened. A file in the hub's cache is a safetensors
file whose name there is the SHA256 of its content.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..files.checksums import sha256_of

FILE = "ViT-L-14.pt"
SHA256 = "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836"  # part of the address it is published at
_HUB = ("timm/vit_large_patch14_clip_224.openai", "open_clip_model.safetensors")
_PREFIX = "visual."


def load_clip_weights(tower: nn.Module, file: Path | None = None) -> str:
    """Load the published weights into a tower of ``models.clip_tower`` in place; returns the file's SHA256.

    ``file`` is the published file; None looks for it in the caches. Raises InputError (codes ``no-clip-weights``,
    ``other-clip-weights``) when there is none, or when it is not the published one.
    """
    found = file or _cached()
    if found is None or not found.is_file():
        reason = f"neither {FILE} nor the hub's copy is in a cache" if found is None else f"there is no {found.name}"
        raise InputError(
            f"The weights of CLIP's ViT-L/14 by OpenAI are not on this machine: {reason}.",
            code="no-clip-weights",
            hint=f"Give the file {FILE}, or begin from a model that holds the tower.",
            field="clip_weights",
        )
    digest = sha256_of(found)
    name = found.resolve().name  # in the hub's cache a link leads to a file that is named by its content
    expected = name if found.suffix == ".safetensors" and re.fullmatch("[0-9a-f]{64}", name) else SHA256
    if digest != expected:
        raise _other(found, f"its SHA256 begins with {digest[:12]}")
    try:
        tower.load_state_dict({name: tensor.float() for name, tensor in _visual_tensors(found).items()})
    except RuntimeError as error:
        raise _other(found, "its tensors do not fit the tower") from error
    return digest


def _cached() -> Path | None:
    """The published file in open_clip's cache, or the hub's copy in the hub's cache."""
    own = Path.home() / ".cache" / "clip" / FILE
    if own.is_file():
        return own
    from huggingface_hub import try_to_load_from_cache

    copy = try_to_load_from_cache(*_HUB)
    return Path(copy) if isinstance(copy, str) else None


def _visual_tensors(file: Path) -> dict[str, Tensor]:
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        tensors = load_file(file)
    else:
        tensors = torch.jit.load(file, map_location="cpu").state_dict()
    return {name[len(_PREFIX) :]: tensor for name, tensor in tensors.items() if name.startswith(_PREFIX)}


def _other(file: Path, reason: str) -> InputError:
    return InputError(
        f"The file {file.name} is not the published {FILE}: {reason}.",
        code="other-clip-weights",
        hint=f"Fetch {FILE} again from its source.",
        field="clip_weights",
    )
