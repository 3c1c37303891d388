"""The methods by name: the U-Net of each and how it differs from the preset; methods are imported on first use.

All of them share autoencoder, radiograph frame, depths, schedule, sampler and training loop, so that a table of them
compares conditioning alone.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError

if TYPE_CHECKING:
    from ..models.conditional_unet import Xray2MRIUNet

OURS = "xray2mri"

# name -> module that holds it in METHODS
_MODULES = {
    "ldm": "latent_diffusion",
    "x-diffusion": "x_diffusion",
    "cola-diff": "cola_diff",
    OURS: "ablations",
    "without-p": "ablations",
    "without-i": "ablations",
    "without-p-and-i": "ablations",
    "without-adaptive-weight": "ablations",
    "broadcast-weight": "ablations",
    "without-depth": "ablations",
    "without-token": "ablations",
    "without-features": "ablations",
}
METHOD_NAMES = tuple(_MODULES)

# class in model_index.json -> module
_UNETS = {
    "Xray2MRIUNet": "..models.conditional_unet",
    "LatentDiffusionUNet": ".latent_diffusion",
    "XDiffusionUNet": ".x_diffusion",
    "ColaDiffUNet": ".cola_diff",
}


@dataclass(frozen=True)
class Method:
    """One system.

    Attributes
    ----------
    title
        Name in tables.
    description
        How it differs from the others, in one sentence.
    changes
        Preset -> changes of the preset's components, as ``model_store.assembly.build_components`` takes them.
    unet
        Class name of its U-Net.
    """

    title: str
    description: str
    changes: Callable[[str], dict[str, dict[str, Any]]]
    unet: str = "Xray2MRIUNet"


def find_method(name: str) -> Method:
    """The method of a name. Raises InputError for an unknown one."""
    if name not in _MODULES:
        raise InputError(
            f"There is no method named {str(name)[:60]!r}.",
            code="bad-method",
            hint=f"Choose one of {', '.join(METHOD_NAMES)}.",
        )
    return importlib.import_module(f".{_MODULES[name]}", __package__).METHODS[name]


def unet_class(name: str) -> type[Xray2MRIUNet] | None:
    """The U-Net class of that name, None when this package has none."""
    return getattr(importlib.import_module(_UNETS[name], __package__), name) if name in _UNETS else None


def unet_class_in(folder: Path) -> type[Xray2MRIUNet]:
    """The class of the U-Net saved in a folder, by its config.json. Raises ValueError for a foreign one, OSError."""
    name = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("_class_name")
    found = unet_class(name)
    if found is None:
        raise ValueError(f"{folder.name} holds a {name}, which is no U-Net of this package")
    return found
