"""A cache of encoded knees: computed once because E1 is frozen, and refused when it does not belong to the training."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from ..errors import InputError
from .data.pair_data import KneeLatents, encode_pairs, knee_preparation
from .data.training_knee import list_training_pairs
from .recipes.diffusion import DiffusionRecipe
from .recipes.distillation import DistillationRecipe

GROWN = "latents-grown.safetensors"  # of a training with ``growing``
_HINT = "Delete the file, or let 'latents' name another folder."
VARIATION = 2  # increased when crop_frame.varied_frame or appearance.expose draw differently
# entries of the radiograph encoder that determine its latent
_VIEW = ("slice_size", "field_placement", "span_mm", "field_mm", "centre_row", "centre_column", "local_normalisation",
         "local_sigma_px", "radiograph_latent_scale")  # fmt: skip


def encode_knees(
    recipe: DiffusionRecipe | DistillationRecipe, output: Path, *, device: torch.device, **encoding: Any
) -> tuple[KneeLatents, KneeLatents]:
    """The knees to learn from, in all their variants, and the held-out knees, in the memory of ``device``."""
    held_out = encode_held_out(recipe, output, device=device, **encoding)
    latents = Path(recipe.latents or output)
    grown = latents / GROWN
    if recipe.growing and grown.exists():
        parts = {name: encoding[name] for name in ("vae", "encoder")}
        return load_grown(grown, Path(recipe.data), grown_origin(recipe, **parts))[0].to(device), held_out
    encode = partial(load_or_encode, recipe=recipe, device=device, **encoding)
    variants = [
        encode(folder=Path(recipe.data), file=latents / f"latents-{v}.safetensors", variant=v)
        for v in range(recipe.variants)
    ]
    return KneeLatents.concatenate(variants).to(device), held_out


def encode_held_out(
    recipe: DiffusionRecipe | DistillationRecipe, output: Path, *, device: torch.device, **encoding: Any
) -> KneeLatents:
    """The held-out knees in the memory of ``device``."""
    latents = Path(recipe.latents or output)
    latents.mkdir(parents=True, exist_ok=True)
    file = latents / "latents-held_out.safetensors"
    found = load_or_encode(Path(recipe.held_out), file, variant=None, recipe=recipe, device=device, **encoding)
    return found.to(device)


def load_or_encode(
    folder: Path, file: Path, *, variant: int | None, vae: nn.Module, encoder: nn.Module,
    recipe: DiffusionRecipe | DistillationRecipe, cast: Any, device: torch.device,
) -> KneeLatents:  # fmt: skip
    """The latents of a folder of pairs, read from ``file``, or encoded and written there; variant None is unbent.

    Raises InputError (code ``other-latents``) for a file that is damaged, or that holds knees of other pairs, another
    autoencoder, resolution or bend than this training's.
    """
    paths = list_training_pairs(folder)[: recipe.knees]
    origin = {"pairs": hashlib.sha256("\n".join(map(_told_apart, paths)).encode()).hexdigest(), "knees": len(paths)}
    origin |= _origin(recipe, variant, vae, encoder)
    seed, bend_mm, unreadable = _variation(recipe, variant)
    if not file.exists():
        latents = encode_pairs(
            folder, vae, encoder, recipe.exposures, seed, bend_mm=bend_mm, unreadable_share=unreadable,
            count=recipe.knees, cast=cast, device=device, workers=recipe.workers,
        )  # fmt: skip
        _save(file, latents, {"made_of": json.dumps(origin)})
    return _read(file, origin)


def _told_apart(path: Path) -> str:
    """A pair by name and size."""
    return f"{path.name} {path.stat().st_size}"


def _variation(
    recipe: DiffusionRecipe | DistillationRecipe, variant: int | None
) -> tuple[int, float | None, float]:  # fmt: skip
    """Seed, bend and share of unreadable radiographs of a variant; of held-out knees for None."""
    if variant is None:
        return recipe.seed, None, 0.0
    return recipe.seed + 7919 * variant, recipe.bend_mm, recipe.unreadable_share


def _origin(
    recipe: DiffusionRecipe | DistillationRecipe, variant: int | None, vae: nn.Module, encoder: nn.Module
) -> dict[str, Any]:
    """What encoded knees depend on besides the pairs."""
    seed, bend_mm, unreadable = _variation(recipe, variant)
    origin = {
        "autoencoder": _digest(vae, ("encoder.", "quant_conv.")), "variation": VARIATION,
        "exposures": recipe.exposures, "seed": seed, "bend_mm": bend_mm,
    } | {name: encoder.config[name] for name in _VIEW}  # fmt: skip
    if unreadable:
        origin["unreadable_share"] = unreadable
    if not encoder.config.field_placement:
        origin["frame"] = "scan"
    if encoder.config.token_encoder == "clip":
        origin["clip"] = _digest(encoder.clip_visual)
    return origin


def knee_variants(
    recipe: DiffusionRecipe | DistillationRecipe, encoder: nn.Module
) -> list[Callable[[Path], tuple[Any, ...]]]:
    """What prepares each variant of a pair, see ``pair_data.knee_preparation``."""
    found = []
    for variant in range(recipe.variants):
        seed, bend_mm, unreadable = _variation(recipe, variant)
        found.append(
            knee_preparation(
                encoder, exposures=recipe.exposures, seed=seed, bend_mm=bend_mm, unreadable_share=unreadable
            )
        )
    return found


def grown_origin(
    recipe: DiffusionRecipe | DistillationRecipe, vae: nn.Module, encoder: nn.Module
) -> dict[str, Any]:  # fmt: skip
    """What the knees of a growing set depend on besides the pairs."""
    return _origin(recipe, 0, vae, encoder) | {"variants": recipe.variants}


def save_grown(file: Path, knees: KneeLatents, folder: Path, names: list[str], origin: dict[str, Any]) -> None:
    """Write a growing set as it is now; ``names`` are its pairs in ``folder`` in the order of the rows."""
    pairs = [_told_apart(folder / name) for name in names]
    _save(file, knees, {"made_of": json.dumps(origin), "pairs": json.dumps(pairs)})


def load_grown(file: Path, folder: Path, origin: dict[str, Any]) -> tuple[KneeLatents, list[str]]:
    """What ``save_grown`` wrote, and the names. Raises InputError as ``load_or_encode``, also for changed pairs."""
    latents = _read(file, origin)
    with safe_open(file, "pt") as stream:
        pairs = json.loads((stream.metadata() or {}).get("pairs", "[]"))
    there = {_told_apart(path) for path in list_training_pairs(folder)}
    if not there.issuperset(pairs):
        raise _other_latents(file, "pairs", 1)
    return latents, [pair.rpartition(" ")[0] for pair in pairs]


def _save(file: Path, latents: KneeLatents, metadata: dict[str, str]) -> None:
    temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")  # another training may be encoding the same
    tensors = {name: tensor.cpu().contiguous() for name, tensor in latents.tensors().items()}
    save_file(tensors, temporary, metadata)
    temporary.replace(file)


def _digest(network: nn.Module, parts: tuple[str, ...] = ("",)) -> str:
    """SHA256 of the weights of the named parts; training the decoder further leaves the latents unchanged."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        if name.startswith(parts):
            digest.update(name.encode() + tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _read(file: Path, origin: dict[str, Any]) -> KneeLatents:
    try:
        with safe_open(file, "pt") as stream:
            found = json.loads((stream.metadata() or {}).get("made_of", "{}"))
            known = [name for name in KneeLatents.__dataclass_fields__ if name in stream.keys()]
            latents = KneeLatents(**{name: stream.get_tensor(name) for name in known})
    except (OSError, SafetensorError, ValueError, TypeError) as error:
        raise InputError(
            f"The encoded knees {file.name} in {file.parent.name} cannot be read.",
            code="other-latents",
            hint=_HINT,
            field="latents",
        ) from error
    differing = [name for name, value in json.loads(json.dumps(origin)).items() if found.get(name) != value]
    if differing:
        raise _other_latents(file, ", ".join(differing), len(differing))
    return latents


def _other_latents(file: Path, what: str, count: int) -> InputError:
    return InputError(
        f"The encoded knees {file.name} in {file.parent.name} do not fit this training: "
        f"{what} differ{'s' if count == 1 else ''}.",
        code="other-latents",
        hint=_HINT,
        field="latents",
    )
