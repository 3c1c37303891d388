"""Recipes of a few steps on drawn pairs."""

from __future__ import annotations

from pathlib import Path

from Xray2MRILib.training.recipe_files import chosen_recipe


def autoencoder_recipe(pairs: Path, **changes: object) -> dict:
    """Six steps, saved after the third and the sixth."""
    small = {"data": str(pairs), "held_out": str(pairs), "preset": "tiny", "knees": 2, "held_out_knees": 1, "steps": 6,
             "batch_size": 4, "patch": 64, "warm_up_steps": 1, "precision": "float32", "device": "cpu", "threads": 1,
             "log_every": 2, "save_every": 3}  # fmt: skip
    return chosen_recipe("autoencoder") | small | changes


def diffusion_recipe(pairs: Path, autoencoder: Path, **changes: object) -> dict:
    """Six steps, saved after the third and the sixth."""
    small = {"data": str(pairs), "held_out": str(pairs), "autoencoder": str(autoencoder), "preset": "tiny",
             "knees_per_batch": 2, "depths_per_knee": 2, "exposures": 2, "steps": 6, "warm_up_steps": 1,
             "precision": "float32", "device": "cpu", "threads": 1, "log_every": 2, "save_every": 3}  # fmt: skip
    return chosen_recipe("diffusion") | small | changes


def distillation_recipe(pairs: Path, teacher: Path, **changes: object) -> dict:
    """Two rounds of six steps."""
    small = {"data": str(pairs), "held_out": str(pairs), "teacher": str(teacher), "knees_per_batch": 2,
             "depths_per_knee": 2, "variants": 1, "rounds": [4, 2], "updates": [6, 6], "precision": "float32",
             "device": "cpu", "threads": 1, "log_every": 2, "save_every": 3}  # fmt: skip
    return chosen_recipe("distillation") | small | changes


def options(recipe: dict) -> list[str]:
    """A recipe's entries as ``--set`` options of the command."""
    import json

    words = {name: value if isinstance(value, str) else json.dumps(value) for name, value in recipe.items()}
    return [word for name, value in words.items() for word in ("--set", f"{name}={value}")]
