"""The entries of a network's recipe as text and as data: type, unit, range, default and help."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any

from .recipe import Recipe, entries_of, is_section
from .recipe_files import chosen_recipe
from .recipes import recipe_class


def describe_entries(network: str) -> list[dict[str, Any]]:
    """One {"name", "rule", "default", "help"} per entry; those of a section are named ``section.entry``."""
    return list(_described(recipe_class(network), chosen_recipe(network), ""))


def recipe_help(network: str, width: int = 100) -> str:
    """The same as lines of at most about ``width`` characters."""
    lines = [f"Entries of a recipe for {network}, with their defaults", ""]
    for found in describe_entries(network):
        help, rule = found["help"], found["rule"]
        lines.append(f"{found['name']} = {json.dumps(found['default'])}")
        text = f"{help[:1].upper()}{help[1:]}: {rule}."
        lines += textwrap.wrap(text, width, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)


def _described(kind: type[Recipe], defaults: dict[str, Any], within: str) -> Iterator[dict[str, Any]]:
    for known in entries_of(kind):
        default = defaults.get(known.key)
        if is_section(known.type):
            yield from _described(known.type, default or {}, f"{within}{known.key}.")
        else:
            yield {
                "name": f"{within}{known.key}", "rule": known.rule(), "default": default, "help": known.help,
            }  # fmt: skip
