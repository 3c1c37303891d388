"""A model on disk in diffusers' folder layout: find, verify, load and write it, without any pickle files.

model_index.json            which network is in which folder
model_card.json             training data and licence (of this program; optional)
checksums.json              SHA256 of every other file (of this program; optional for models from other sources)
autoencoder/ unet/ radiograph_encoder/    config.json and *.safetensors (eight_bit_weights: *.int8.safetensors)
scheduler/                  scheduler_config.json
"""

from __future__ import annotations

import copy
import hashlib
import inspect
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from ..baselines.registry import unet_class, unet_class_in
from ..diffusion.sampling_settings import check_sampling
from ..diffusion.schedule import check_schedule
from ..errors import InputError, ProcessingError
from ..files.checksums import (
    CHECKSUMS_FILE,
    RESTORE,
    missing_error,
    read_model_json,
    refuse_pickles,
    sha256_of,
    verify_checksums,
    write_checksums,
)
from ..files.json_files import write_json
from ..models.conditional_unet import Xray2MRIUNet
from ..models.diffusers_parts import AutoencoderKL, DDIMScheduler
from ..models.network import WEIGHTS_FILE
from ..models.radiograph_encoder import RadiographEncoder
from .model_location import locate_model as locate_model
from .network_folder import load_network, save_network, weight_files

NETWORKS = {"autoencoder": AutoencoderKL, "unet": Xray2MRIUNet, "radiograph_encoder": RadiographEncoder}
INDEX_FILE = "model_index.json"
CARD_FILE = "model_card.json"


def verify_model(folder: Path) -> dict[str, str]:
    """Check the layout and, if checksums.json exists, every file; returns the SHA256 of each network's weights.

    Raises ProcessingError (codes ``missing-weights``, ``tampered-weights``) and InputError (``pickled-weights``).
    """
    index = read_model_json(folder, INDEX_FILE)
    for name, network in NETWORKS.items():
        entry = index.get(name)
        stored = entry[-1] if isinstance(entry, list) and entry and isinstance(entry[-1], str) else ""
        # the U-Net may be that of the model or of a baseline
        if unet_class(stored) is None if name == "unet" else stored != network.__name__:
            raise ProcessingError(
                f"The model folder {folder.name} does not name a {network.__name__} as its {name}.",
                code="other-model",
                hint="Give a model saved by Xray2MRI.",
            )
        if not weight_files(folder / name):
            refuse_pickles(folder / name)
            raise missing_error(folder, f"{name}/{WEIGHTS_FILE}")
    weights = {name: [f"{name}/{path.name}" for path in weight_files(folder / name)] for name in NETWORKS}
    files = [file for parts in weights.values() for file in parts]
    if (folder / CHECKSUMS_FILE).exists():
        digests = verify_checksums(folder, files)
    else:
        digests = {file: sha256_of(folder / file) for file in files}
    return {name: _digest_of_parts([digests[file] for file in parts]) for name, parts in weights.items()}


def notes_on(folder: Path) -> list[str]:
    """Sentences for the user on the files of a verified model folder."""
    if (folder / CHECKSUMS_FILE).exists():
        return []
    return [f"The model folder {folder.name} has no {CHECKSUMS_FILE}: its files were not checked for damage."]


def _digest_of_parts(digests: list[str]) -> str:
    """The digest of a network's single file, or the digest of the digests of several files."""
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def load_components(folder: Path, dtype: torch.dtype = torch.float32) -> dict[str, Any]:
    """Load the networks (evaluation mode, on the CPU) and the scheduler of a verified model folder.

    Raises ProcessingError when a file cannot be read or lacks tensors, or for another noise schedule.
    """
    components: dict[str, Any] = {}
    try:
        for name, network in NETWORKS.items():
            network = unet_class_in(folder / name) if name == "unet" else network
            components[name] = load_network(network, folder / name, dtype)
        components["scheduler"] = _load_scheduler(folder / "scheduler")
        check_schedule(components["scheduler"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, SafetensorError) as error:
        name = next((name for name in (*NETWORKS, "scheduler") if name not in components), "scheduler")
        raise ProcessingError(
            f"The {name} of the model folder {folder.name} cannot be loaded: its files are damaged or inconsistent.",
            code="damaged-model",
            hint=RESTORE,
        ) from error
    return components


def _load_scheduler(folder: Path) -> DDIMScheduler:
    """The stored noise schedule, as ``from_pretrained`` reads it, which first loads every scheduler of diffusers."""
    stored = DDIMScheduler.load_config(folder, local_files_only=True)
    known = inspect.signature(DDIMScheduler.__init__).parameters
    return DDIMScheduler(**{name: value for name, value in stored.items() if name in known})


def read_card(folder: Path) -> dict[str, Any]:
    """Read the model card: preset, training data, licence; empty for a model without a card."""
    return read_model_json(folder, CARD_FILE) if (folder / CARD_FILE).exists() else {}


def read_checked_card(folder: Path) -> dict[str, Any]:
    """``read_card`` with a check of its sampling settings. Raises ProcessingError for values out of range."""
    card = read_card(folder)
    try:
        check_sampling(card.get("sampling"))
    except InputError as error:
        raise ProcessingError(
            f"The card of the model folder {folder.name} has impossible sampling settings: {error}",
            code="damaged-model",
            hint=RESTORE,
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
    coarse: bool = False,
) -> None:
    """Write a model folder; every file appears under its name only when complete, the checksums last.

    ``half_precision`` stores float16, half the size; ``eight_bit`` stores int8, half of that, with ``coarse``
    such that it compresses well. After an interrupted write the checksums do not match, so loading fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
        draft = Path(temporary)
        for name, component in components.items():
            network = isinstance(component, torch.nn.Module)
            if network and half_precision and not eight_bit:
                component = copy.deepcopy(component).half()
            save_network(component, draft / name, eight_bit=network and eight_bit, coarse=coarse)
        _remove_origin(draft)
        write_json(draft / INDEX_FILE, index)
        write_json(draft / CARD_FILE, card)
        names = sorted(path.relative_to(draft).as_posix() for path in draft.rglob("*") if path.is_file())
        write_checksums(draft, names)
        for name in names:
            shutil.copymode(draft / CHECKSUMS_FILE, draft / name)  # safetensors' files are readable by the owner only
            (folder / name).parent.mkdir(exist_ok=True)
            os.replace(draft / name, folder / name)
        for stale in [path for name in NETWORKS for path in (folder / name).glob("*.safetensors*")]:
            if stale.relative_to(folder).as_posix() not in names:
                stale.unlink()  # a shard of an earlier, larger model
        os.replace(draft / CHECKSUMS_FILE, folder / CHECKSUMS_FILE)


def _remove_origin(draft: Path) -> None:
    """Remove the source folder of each network, which diffusers records and which may identify the user's machine."""
    for path in draft.glob("*/config.json"):
        config = read_model_json(path.parent, path.name)
        if config.pop("_name_or_path", None) is not None:
            write_json(path, dict(sorted(config.items())))
