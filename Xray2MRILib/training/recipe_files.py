"""Recipes by name or file: a network's default recipe, changed by a named recipe or a file, then entry by entry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files.resources import resource_path
from .recipe import Entry, entries_of, is_section, is_text
from .recipes import recipe_class


def chosen_recipe(network: str, config: str | None = None) -> dict[str, Any]:
    """The default recipe of a network, changed by the recipe ``config``: the path of a file or a shipped set's name.

    A section that is an object of known entries (``network``, ``variation``) keeps what the recipe does not name.
    Raises InputError (code ``bad-recipe``) when there is no such recipe, and for an entry that the network does not
    know. Values are checked when the recipe's dataclass is made of the result.
    """
    file = f"{network.replace('-', '_')}.json"
    default = resource_path(f"recipes/{file}")
    recipe = _read_recipe(default)
    if config is None:
        return recipe
    path, named = Path(config), default.parent / config / file
    is_name = path.name == config and not path.suffix and not path.is_file()
    if is_name and not named.is_file():
        sets = sorted(found.parent.name for found in default.parent.glob(f"*/{file}"))
        raise InputError(
            f"There is no recipe named {config[:60]!r} for {network}.",
            code="bad-recipe",
            hint=f"Choose one of {', '.join(sets)}, or give a file." if sets else "Give a file.",
            field="config",
        )
    changes = _read_recipe(named if is_name else path)
    known = _entries(network)
    unknown = sorted(set(changes) - set(known))
    if unknown:
        raise InputError(
            f"The recipe {path.name} has an entry {unknown[0][:60]!r}, which {network} does not know.",
            code="bad-recipe",
            hint=f"It knows {', '.join(known)}.",
        )
    return recipe | {key: _merge(known[key], recipe[key], value) for key, value in changes.items()}


def apply_change(network: str, recipe: dict[str, Any], change: str) -> None:
    """Apply ``name=value`` or ``outer.inner=value`` to a recipe of ``chosen_recipe``; the value is JSON, or a text.

    Raises InputError (code ``bad-option``) for a name that the recipe does not have.
    """
    name, equals, text = change.partition("=")
    if not equals:
        raise InputError(f"The change {name[:60]!r} gives no value.", code="bad-option", hint="Give NAME=VALUE.")
    *outer, last = name.split(".")
    values: Any = recipe
    for part in outer:
        values = values.get(part) if isinstance(values, dict) else None
    if not isinstance(values, dict) or last not in values:
        raise InputError(
            f"The recipe has no entry {name[:60]!r} to set.",
            code="bad-option",
            hint=f"It has {', '.join(values if isinstance(values, dict) else recipe)}.",
        )
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    known = None if outer else _entries(network).get(last)
    if known is not None and is_text(known.type) and isinstance(value, int | float):
        value = text  # a folder may be named 2024
    values[last] = value if known is None else _merge(known, values[last], value)


def _entries(network: str) -> dict[str, Entry]:
    return {known.key: known for known in entries_of(recipe_class(network))}


def _merge(known: Entry, earlier: Any, value: Any) -> Any:
    """The new value of an entry; a section keeps the entries that the new value leaves out."""
    return earlier | value if is_section(known.type) and isinstance(value, dict) else value


def _read_recipe(path: Path) -> dict[str, Any]:
    """The recipe in a JSON file. Raises InputError when it is none."""
    try:
        recipe = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else "cannot be read as JSON"
        raise InputError(
            f"The recipe {path.name} {reason}.", code="bad-recipe", hint="See Resources/recipes.", field="config"
        ) from error
    if not isinstance(recipe, dict):
        raise InputError(
            f"The recipe {path.name} is not a JSON object.",
            code="bad-recipe",
            hint="See Resources/recipes.",
            field="config",
        )
    return recipe
