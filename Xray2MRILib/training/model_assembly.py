"""The networks of two training runs put together as one model that ``--model`` and ``from_pretrained`` accept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..shipped_weights import sha256_of
from .initial_weights import model_part


def assemble_model(
    autoencoder: Path, diffusion: Path, output: Path, recipe: dict[str, Any], *, half_precision: bool = True
) -> Path:
    """Write ``output`` as a model folder from what ``train autoencoder`` and ``train diffusion`` left.

    Weights are stored as float16 unless told otherwise. The card records recipe, seed and the training metrics. Raises
    InputError when a part is missing.
    """
    from diffusers import AutoencoderKL, DDIMScheduler

    from ..methods.registry import OURS, method_named, unet_class_in
    from ..models.radiograph_encoder import RadiographEncoder
    from ..pipeline import Xray2MRIPipeline

    try:
        parts = {
            "autoencoder": AutoencoderKL.from_pretrained(
                autoencoder, local_files_only=True, use_safetensors=True
            ),
            "unet": unet_class_in(diffusion / "unet").from_pretrained(diffusion / "unet", local_files_only=True),
            "radiograph_encoder": RadiographEncoder.from_pretrained(
                diffusion / "radiograph_encoder", local_files_only=True
            ),
            "scheduler": DDIMScheduler.from_pretrained(diffusion / "scheduler", local_files_only=True),
        }
        metrics = json.loads((diffusion / "diffusion_metrics.json").read_text())
    except (OSError, ValueError) as error:
        raise InputError(
            f"The folders {autoencoder.name} and {diffusion.name} do not hold a finished training run.",
            code="incomplete-training",
            hint="Run xray2mri train autoencoder and xray2mri train diffusion to their ends first.",
        ) from error
    beside = autoencoder.parent / "autoencoder_metrics.json"
    method = recipe.get("method", OURS)
    card = {
        "preset": recipe["preset"],
        "method": {"name": method, "title": method_named(method).title},
        "training_data": "simulated knees made by this project; no patient's MRI",
        "licence": "Apache-2.0",
        "intended_use": "research and teaching; synthetic pictures, not for diagnosis",
        "autoencoder_metrics": json.loads(beside.read_text()) if beside.exists() else {},
        "diffusion_metrics": metrics,
        "sampling": recipe.get("sampling") or {},
        "recipe": {
            key: value
            for key, value in recipe.items()
            if key not in ("data", "held_out", "autoencoder", "latents", "initial", "sampling")
        },
        "trained_from": {"autoencoder_sha256": _weights_hash(autoencoder)} | _initial_hash(recipe.get("initial")),
    }
    pipeline = Xray2MRIPipeline(**parts)
    pipeline.save_pretrained(output, half_precision=half_precision, card=card)
    return output


def _weights_hash(folder: Path) -> str:
    return sha256_of(next(iter(sorted(folder.glob("*.safetensors")))))


def _initial_hash(initial: str | None) -> dict[str, str]:
    """What the U-Net began from, when it did not begin from chance."""
    return {"initial_unet_sha256": _weights_hash(model_part(initial, "unet"))} if initial else {}
