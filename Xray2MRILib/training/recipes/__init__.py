"""The recipes by network: one frozen dataclass each, in a file without torch."""

from __future__ import annotations

import importlib

from ..recipe import Recipe

# what ``xray2mri train`` can train -> the module here and in ``training``, and the class of its recipe
RECIPES = {
    "autoencoder": ("autoencoder", "AutoencoderRecipe"),
    "diffusion": ("diffusion", "DiffusionRecipe"),
    "distillation": ("distillation", "DistillationRecipe"),
    "model": ("whole_model", "WholeModelRecipe"),
    "classifier": ("classifier", "ClassifierRecipe"),
    "film_check": ("view_check", "ViewCheckRecipe"),
    "localizer": ("localizer", "LocalizerRecipe"),
    "cae": ("cae", "CaeRecipe"),
    "siamese-gap": ("siamese_gap", "SiameseGapRecipe"),
    "morphing": ("morphing", "MorphingRecipe"),
    "super-resolution": ("super_resolution", "SuperResolutionRecipe"),
    "super-resolution-student": ("super_resolution_student", "SuperResolutionStudentRecipe"),
}


def recipe_class(network: str) -> type[Recipe]:
    """The recipe's dataclass of a network of RECIPES."""
    module, name = RECIPES[network]
    return getattr(importlib.import_module(f".{module}", __name__), name)
