"""The model that a student learns from, and the autoencoder that encodes its knees."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ..diffusion.sampling_settings import SamplingSettings, is_printed
from ..errors import InputError
from ..model_store.model_folder import load_components, locate_model, read_checked_card, verify_model
from ..models.conditional_unet import Xray2MRIUNet
from ..models.diffusers_parts import AutoencoderKL
from .diffusion import load_autoencoder
from .recipes.distillation import DistillationRecipe
from .warm_start import autoencoder_folder


def load_teacher(model: str) -> tuple[Path, dict[str, str], dict[str, Any], dict[str, Any]]:
    """Folder, hashes of the weights, components and card of a teacher.

    Raises InputError for a model that cannot be distilled: one that does not predict velocities from pure noise, a
    student, and one whose student could not tell its two modes apart.
    """
    folder = locate_model(model)
    hashes = verify_model(folder)
    parts, card = load_components(folder), read_checked_card(folder)
    if not isinstance(parts["unet"], Xray2MRIUNet) or not parts["scheduler"].config.rescale_betas_zero_snr:
        raise InputError(
            f"The model {folder.name} cannot be distilled: it does not predict velocities from pure noise.",
            code="bad-recipe",
            hint="Name a model trained with zero_terminal_snr, such as the result of train diffusion.",
            field="teacher",
        )
    _check_teacher(folder.name, parts["unet"], SamplingSettings().for_model(card))
    return folder, hashes, parts, card


def encoding_autoencoder(recipe: DistillationRecipe, own: AutoencoderKL) -> AutoencoderKL:
    """The autoencoder that the recipe names, or the teacher's own. Raises InputError for one of another teacher."""
    if recipe.autoencoder is None:
        return own
    found = load_autoencoder(autoencoder_folder(recipe.autoencoder))
    if found.config.latents_mean != own.config.latents_mean:
        raise InputError(
            f"The autoencoder in {Path(recipe.autoencoder).name} is not the one of the teacher.",
            code="bad-recipe",
            hint="Give the autoencoder that the teacher was trained with, or null.",
            field="autoencoder",
        )
    return found


def _check_teacher(name: str, unet: Xray2MRIUNet, sampling: SamplingSettings) -> None:
    """Raise InputError for a student, and for a teacher whose student could not tell its two modes apart."""
    if getattr(unet.config, "two_modes", False):
        raise InputError(
            f"The model {name} is a student itself and cannot be a teacher.",
            code="bad-recipe",
            hint="Name the model that it was distilled from, or the result of train diffusion.",
            field="teacher",
        )
    if sampling.guidance_scale != 1 and is_printed(replace(sampling, guidance_scale=1.0)):
        raise InputError(
            f"The model {name} is guided, but begins with as much noise as the printed algorithm and renews none.",
            code="bad-recipe",
            hint="Set renewed_noise or a noise_scale of at most 0.75 under 'sampling' of the recipe that trains it.",
            field="teacher",
        )
