"""The conditions that a network learns to be told: its configuration, and whether the pairs tell them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..baselines.registry import find_method
from ..conditions.registry import condition, told_conditions
from ..errors import InputError
from .data.pair_data import KneeLatents
from .recipes.diffusion import DiffusionRecipe

_ALWAYS = ("p", "i")


def changes_with_told(recipe: DiffusionRecipe) -> dict[str, Any]:
    """The recipe's changes of components, with its told conditions behind those that the U-Net has anyway.

    Raises InputError for a name that nobody tells, and for a method whose U-Net takes no conditions.
    """
    changes: dict[str, Any] = {name: dict(values) for name, values in recipe.changes.items()}
    if not recipe.told:
        return changes
    for name in recipe.told:
        condition(name)
    foreign = [name for name in recipe.told if name not in told_conditions(recipe.told)]
    if foreign:
        raise _refusal(f"The condition {foreign[0]} is read off the radiograph and not told.", "Leave it out of told.")
    own = find_method(recipe.method).changes(recipe.preset).get("unet", {})
    unet: Mapping[str, Any] = {"condition_names": _ALWAYS, **own, **changes.get("unet", {})}
    before = list(unet["condition_names"])
    if not before:
        raise _refusal(f"The method {recipe.method} takes no conditions.", "Leave told empty, or choose xray2mri.")
    names = [*before, *(name for name in recipe.told if name not in before)]
    sizes = [condition(name).size for name in names]
    changes["unet"] = {**changes.get("unet", {}), "condition_names": names, "condition_sizes": sizes}
    return changes


def check_told(recipe: DiffusionRecipe, knees: KneeLatents, held_out: KneeLatents) -> None:
    """Raise InputError when no pair of one of the two folders knows a condition that the recipe names."""
    for folder, found in ((recipe.data, knees), (recipe.held_out, held_out)):
        missing = [name for name in recipe.told if name not in found.told()]
        if missing:
            raise _refusal(
                f"No pair in {Path(folder).name} tells the condition {missing[0]}.",
                "Use pairs that do, or leave it out of told.",
            )


def _refusal(message: str, hint: str) -> InputError:
    return InputError(message, code="bad-recipe", hint=hint, field="told")


def names_in_words(names: Sequence[str]) -> list[dict[str, Any]]:
    """The conditions for a model's card: name, size, meaning and source of each."""
    return [
        {"name": one.name, "size": one.size, "meaning": one.meaning, "source": one.source}
        for one in (condition(name) for name in names)
    ]
