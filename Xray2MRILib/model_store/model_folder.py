"""A model on disk in diffusers' folder layout: found, verified, loaded and written without ever unpickling anything.

model_index.json            which network is in which folder
model_card.json             what the model was trained on, its licence (ours; may be absent)
checksums.json              SHA256 of every other file (ours; may be absent for models from elsewhere)
autoencoder/ unet/ radiograph_encoder/    config.json and *.safetensors (eight_bit_weights: *.int8.safetensors)
scheduler/                  scheduler_config.json
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler
from safetensors import SafetensorError

from ..baselines.registry import unet_class, unet_class_in
from ..diffusion.sampling_settings import check_sampling
from ..diffusion.schedule import check_schedule
from ..errors import InputError, ProcessingError
from ..files.shipped_weights import CHECKSUMS_FILE, sha256_of, write_json
from ..models.conditional_unet import Xray2MRIUNet
from ..models.radiograph_encoder import RadiographEncoder
from .model_location import PICKLED, pickled_weights
from .model_location import locate_model as locate_model
from .network_folder import load_network, save_network, weight_files

NETWORKS = {"autoencoder": AutoencoderKL, "unet": Xray2MRIUNet, "radiograph_encoder": RadiographEncoder}
INDEX_FILE = "model_index.json"
CARD_FILE = "model_card.json"
_RESTORE = "Restore the folder from its source, or install Xray2MRI again for the shipped model."


def verify_model(folder: Path) -> dict[str, str]:
    """Check the layout and, where checksums.json is present, every file against it; SHA256 of each network's weights.

    Raises ProcessingError (codes ``missing-weights``, ``tampered-weights``) and InputError (``pickled-weights``).
    """
    index = _read_json(folder / INDEX_FILE)
    for name, network in NETWORKS.items():
        entry = index.get(name)
        known = isinstance(entry, list) and entry and isinstance(entry[-1], str)
        if known and name == "unet":
            known = unet_class(entry[-1]) is not None  # of the model or of a system it is compared with
        elif known:
            known = entry[-1] == network.__name__
        if not known:
            raise ProcessingError(
                f"The model folder {folder.name} names no {network.__name__} as its {name}.",
                code="other-model",
                hint="Give a model that Xray2MRI saved.",
            )
        if not weight_files(folder / name):
            pickled = [path for path in (folder / name).glob("*") if path.suffix.lower() in PICKLED]
            if pickled:
                raise pickled_weights(f"{name}/{pickled[0].name}")
            raise ProcessingError(
                f"The weights of the {name} are missing from the model folder {folder.name}.",
                code="missing-weights",
                hint=_RESTORE,
            )
    weights = {name: weight_files(folder / name) for name in NETWORKS}
    found = {path.relative_to(folder).as_posix(): sha256_of(path) for paths in weights.values() for path in paths}
    if (folder / CHECKSUMS_FILE).exists():
        _compare(folder, found)
    # a network in several files is named by the digest of their digests
    digests = {name: [found[path.relative_to(folder).as_posix()] for path in paths] for name, paths in weights.items()}
    return {
        name: parts[0] if len(parts) == 1 else hashlib.sha256("".join(parts).encode()).hexdigest()
        for name, parts in digests.items()
    }


def notes_on(folder: Path) -> list[str]:
    """What the user should know about the files of a verified model folder."""
    if (folder / CHECKSUMS_FILE).exists():
        return []
    return [f"The model folder {folder.name} has no {CHECKSUMS_FILE}: its files were not checked for damage."]


def _compare(folder: Path, weights: dict[str, str]) -> None:
    expected = _read_json(folder / CHECKSUMS_FILE)
    unlisted = set(weights) - set(expected)
    if unlisted:
        raise _altered(folder, sorted(unlisted)[0])
    for name, digest in expected.items():
        path = folder / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise _altered(folder, CHECKSUMS_FILE)
        if not path.is_file():
            raise ProcessingError(
                f"The file {name} is missing from the model folder {folder.name}.",
                code="missing-weights",
                hint=_RESTORE,
            )
        if (weights.get(name) or sha256_of(path)) != digest:
            raise _altered(folder, name)


def load_components(folder: Path, dtype: torch.dtype = torch.float32) -> dict[str, Any]:
    """The networks (evaluation mode, on the CPU) and the scheduler of a verified model folder.

    Raises ProcessingError when a file cannot be read, lacks tensors, or the noise schedule is another one.
    """
    components: dict[str, Any] = {}
    try:
        for name, network in NETWORKS.items():
            network = unet_class_in(folder / name) if name == "unet" else network
            components[name] = load_network(network, folder / name, dtype)
        components["scheduler"] = DDIMScheduler.from_pretrained(folder / "scheduler", local_files_only=True)
        check_schedule(components["scheduler"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, SafetensorError) as error:
        name = next((name for name in (*NETWORKS, "scheduler") if name not in components), "scheduler")
        raise ProcessingError(
            f"The {name} of the model folder {folder.name} cannot be loaded: its files are damaged or do not fit.",
            code="damaged-model",
            hint=_RESTORE,
        ) from error
    return components


def read_card(folder: Path) -> dict[str, Any]:
    """What the model says about itself: preset, training data, licence; empty when it has no card."""
    return _read_json(folder / CARD_FILE) if (folder / CARD_FILE).exists() else {}


def checked_card(folder: Path) -> dict[str, Any]:
    """``read_card`` of a model that can be sampled. Raises ProcessingError for a card that asks for the impossible."""
    card = read_card(folder)
    try:
        check_sampling(card.get("sampling"))
    except InputError as error:
        raise ProcessingError(
            f"The card of the model folder {folder.name} asks for an impossible sampling: {error}",
            code="damaged-model",
            hint=_RESTORE,
        ) from error
    return card


def write_model(
    folder: Path,
    components: dict[str, Any],
    index: dict[str, Any],
    card: dict[str, Any],
    *,
    half_precision: bool = False,
    eight_bit: bool = False,
) -> None:
    """Write a model folder; every file appears complete under its name, the checksums last.

    ``half_precision`` stores float16, half the size; ``eight_bit`` int8, half of that. A write that breaks off is
    noticed on loading by its checksums.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
        draft = Path(temporary)
        for name, component in components.items():
            network = isinstance(component, torch.nn.Module)
            if network and half_precision and not eight_bit:
                component = copy.deepcopy(component).half()
            save_network(component, draft / name, eight_bit=network and eight_bit)
        _forget_origin(draft)
        write_json(draft / INDEX_FILE, index)
        write_json(draft / CARD_FILE, card)
        names = sorted(path.relative_to(draft).as_posix() for path in draft.rglob("*") if path.is_file())
        write_json(draft / CHECKSUMS_FILE, {name: sha256_of(draft / name) for name in names})
        for name in names:
            shutil.copymode(draft / CHECKSUMS_FILE, draft / name)  # safetensors lets only the owner read its files
            (folder / name).parent.mkdir(exist_ok=True)
            os.replace(draft / name, folder / name)
        for stale in [path for name in NETWORKS for path in (folder / name).glob("*.safetensors*")]:
            if stale.relative_to(folder).as_posix() not in names:
                stale.unlink()  # a shard of an earlier, larger model
        os.replace(draft / CHECKSUMS_FILE, folder / CHECKSUMS_FILE)


def _forget_origin(draft: Path) -> None:
    """diffusers notes the folder that a network was loaded from; that path tells of the machine and of its user."""
    for path in draft.glob("*/config.json"):
        config = _read_json(path)
        if config.pop("_name_or_path", None) is not None:
            path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("not a JSON object")
    except FileNotFoundError as error:
        raise ProcessingError(
            f"The model folder {path.parent.name} has no {path.name}.", code="missing-weights", hint=_RESTORE
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise _altered(path.parent, path.name) from error
    return content


def _altered(folder: Path, name: str) -> ProcessingError:
    return ProcessingError(
        f"The file {name} of the model folder {folder.name} is damaged or has been altered.",
        code="tampered-weights",
        hint=_RESTORE,
    )
