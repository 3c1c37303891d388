"""A cache of encoded knees: computed once because E1 is frozen, and refused when it does not belong to the training."""

from __future__ import annotations

import hashlib
import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from ..errors import InputError
from .data.pair_data import KneeLatents, encode_pairs
from .data.training_knee import list_training_pairs
from .recipes.diffusion import DiffusionRecipe
from .recipes.distillation import DistillationRecipe

VARIATION = 2  # increased when crop_frame.varied_frame or appearance.expose draw differently
# entries of the radiograph encoder that determine its latent
_VIEW = ("slice_size", "field_placement", "span_mm", "field_mm", "centre_row", "centre_column", "local_normalisation",
         "local_sigma_px", "radiograph_latent_scale")  # fmt: skip


def encode_knees(
    recipe: DiffusionRecipe | DistillationRecipe, output: Path, *, device: torch.device, **encoding: Any
) -> tuple[KneeLatents, KneeLatents]:
    """The knees to learn from, in all their variants, and the held-out knees, in the memory of ``device``."""
    latents = Path(recipe.latents or output)
    latents.mkdir(parents=True, exist_ok=True)
    encode = partial(load_or_encode, recipe=recipe, device=device, **encoding)
    held_out = encode(folder=Path(recipe.held_out), file=latents / "latents-held_out.safetensors", variant=None).to(
        device
    )
    variants = [
        encode(folder=Path(recipe.data), file=latents / f"latents-{v}.safetensors", variant=v)
        for v in range(recipe.variants)
    ]
    return KneeLatents.concatenate(variants).to(device), held_out


def load_or_encode(
    folder: Path, file: Path, *, variant: int | None, vae: nn.Module, encoder: nn.Module,
    recipe: DiffusionRecipe | DistillationRecipe, cast: Any, device: torch.device,
) -> KneeLatents:  # fmt: skip
    """The latents of a folder of pairs, read from ``file``, or encoded and written there; variant None is unbent.

    Raises InputError (code ``other-latents``) for a file that is damaged, or that holds knees of other pairs, another
    autoencoder, resolution or bend than this training's.
    """
    pairs = [f"{path.name} {path.stat().st_size}" for path in list_training_pairs(folder)[: recipe.knees]]
    seed = recipe.seed if variant is None else recipe.seed + 7919 * variant
    bend_mm = None if variant is None else recipe.bend_mm
    unreadable = 0.0 if variant is None else recipe.unreadable_share
    origin = {
        "pairs": hashlib.sha256("\n".join(pairs).encode()).hexdigest(), "knees": len(pairs),
        "autoencoder": _digest(vae, ("encoder.", "quant_conv.")), "variation": VARIATION,
        "exposures": recipe.exposures, "seed": seed, "bend_mm": bend_mm,
    } | {name: encoder.config[name] for name in _VIEW}  # fmt: skip
    if unreadable:
        origin["unreadable_share"] = unreadable
    if not encoder.config.field_placement:
        origin["frame"] = "scan"
    if encoder.config.token_encoder == "clip":
        origin["clip"] = _digest(encoder.clip_visual)
    if not file.exists():
        latents = encode_pairs(
            folder, vae, encoder, recipe.exposures, seed, bend_mm=bend_mm, unreadable_share=unreadable,
            count=recipe.knees, cast=cast, device=device, workers=recipe.workers,
        )  # fmt: skip
        temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")  # another training may be encoding the same
        tensors = {name: tensor.contiguous() for name, tensor in latents.tensors().items()}
        save_file(tensors, temporary, {"made_of": json.dumps(origin)})
        temporary.replace(file)
    return _read(file, origin)


def _digest(network: nn.Module, parts: tuple[str, ...] = ("",)) -> str:
    """SHA256 of the weights of the named parts; training the decoder further leaves the latents unchanged."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        if name.startswith(parts):
            digest.update(name.encode() + tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _read(file: Path, origin: dict[str, Any]) -> KneeLatents:
    hint = "Delete the file, or let 'latents' name another folder."
    try:
        with safe_open(file, "pt") as stream:
            found = json.loads((stream.metadata() or {}).get("made_of", "{}"))
            known = [name for name in KneeLatents.__dataclass_fields__ if name in stream.keys()]
            latents = KneeLatents(**{name: stream.get_tensor(name) for name in known})
    except (OSError, SafetensorError, ValueError, TypeError) as error:
        raise InputError(
            f"The encoded knees {file.name} in {file.parent.name} cannot be read.",
            code="other-latents",
            hint=hint,
            field="latents",
        ) from error
    differing = [name for name, value in json.loads(json.dumps(origin)).items() if found.get(name) != value]
    if differing:
        raise InputError(
            f"The encoded knees {file.name} in {file.parent.name} do not fit this training: "
            f"{', '.join(differing)} differ{'s' if len(differing) == 1 else ''}.",
            code="other-latents",
            hint=hint,
            field="latents",
        )
    return latents
