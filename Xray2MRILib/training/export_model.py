"""Export the networks of two training runs as one model folder, which ``generate`` and ``from_pretrained`` read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files.checksums import sha256_of
from .data_origin import describe_pairs, describe_training_data
from .recipes.diffusion import DiffusionRecipe
from .told_conditions import names_in_words
from .warm_start import model_part


def origins(autoencoder: Path, initial: str | None) -> dict[str, str]:
    """SHA256 of the weights that a training of U-Net and radiograph encoder begins from."""
    found = {"autoencoder_sha256": _weights_hash(autoencoder)}
    if initial:
        for name in ("unet", "radiograph_encoder"):
            found[f"initial_{name}_sha256"] = _weights_hash(model_part(initial, name))
    return found


def assemble_model(
    autoencoder: Path,
    diffusion: Path,
    output: Path,
    recipe: DiffusionRecipe,
    trained_from: dict[str, str] | None = None,
    learnt: dict[str, str] | None = None,
) -> Path:
    """Write ``output`` as a model folder from the results of the two trainings.

    Weights are stored as float16, or as int8 where the recipe's ``eight_bit`` says so. The card records recipe, seed,
    training metrics, ``trained_from`` (see ``origins``; None: as they are now), and as ``learnt`` the texts
    ``training_data`` and ``licence`` (None: those of the recipe's folders). Raises InputError when a part is
    missing, or when the autoencoder is not the one that the training began with.
    """
    from safetensors import SafetensorError

    from ..baselines.registry import find_method, unet_class_in
    from ..generation.pipeline import Xray2MRIPipeline
    from ..model_store.network_folder import load_network
    from ..models.diffusers_parts import AutoencoderKL, DDIMScheduler
    from ..models.radiograph_encoder import RadiographEncoder

    try:
        parts = {
            "autoencoder": load_network(AutoencoderKL, autoencoder),
            "unet": load_network(unet_class_in(diffusion / "unet"), diffusion / "unet"),
            "radiograph_encoder": load_network(RadiographEncoder, diffusion / "radiograph_encoder"),
            "scheduler": DDIMScheduler.from_pretrained(diffusion / "scheduler", local_files_only=True),
        }
        metrics = json.loads((diffusion / "diffusion_metrics.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise InputError(
            f"The folders {autoencoder.name} and {diffusion.name} do not hold a finished training run.",
            code="incomplete-training",
            hint="Train the autoencoder and the diffusion model to their ends first.",
        ) from error
    now = origins(autoencoder, recipe.initial)
    if trained_from and trained_from["autoencoder_sha256"] != now["autoencoder_sha256"]:
        raise InputError(
            f"The autoencoder in {autoencoder.name} has changed since the training began.",
            code="other-autoencoder",
            hint="Restore it and resume the training, or train again.",
            field="resume",
        )
    if learnt is None:
        origin = describe_training_data(describe_pairs(Path(recipe.data)), autoencoder, recipe.initial)
        learnt = {"training_data": origin.text, "licence": origin.licence}
    card = {
        "preset": recipe.preset,
        "method": {"name": recipe.method, "title": find_method(recipe.method).title},
        **learnt,
        "intended_use": "research and teaching; synthetic pictures, not for diagnosis",
        "autoencoder_metrics": _autoencoder_metrics(autoencoder),
        "diffusion_metrics": metrics,
        "conditions": names_in_words(parts["unet"].config.condition_names),
        "sampling": recipe.sampling or {},
        "recipe": recipe.to_json(
            without=("data", "held_out", "autoencoder", "latents", "initial", "clip_weights", "sampling", "eight_bit")
        ),
        "trained_from": trained_from or now,
    }
    pipeline = Xray2MRIPipeline(**parts)
    pipeline.save_pretrained(output, half_precision=True, eight_bit=recipe.eight_bit, card=card)
    return output


def _weights_hash(folder: Path) -> str:
    return sha256_of(next(iter(sorted(folder.glob("*.safetensors")))))


def _autoencoder_metrics(autoencoder: Path) -> dict[str, Any]:
    """Metrics of the autoencoder's training: from its output folder, or from the card of the model that contains it."""
    measured, card = autoencoder.parent / "autoencoder_metrics.json", autoencoder.parent / "model_card.json"
    if measured.exists():
        return json.loads(measured.read_text(encoding="utf-8"))
    return json.loads(card.read_text(encoding="utf-8")).get("autoencoder_metrics", {}) if card.exists() else {}
