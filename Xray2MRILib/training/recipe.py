"""Typed training recipes: frozen dataclasses whose fields know their type, unit, range and help, filled from JSON.

The JSON files own the values: ``Resources/recipes/NETWORK.json`` states every entry of a network's default recipe, and
a named recipe such as compact-cpu or a user's file states what it changes. The dataclasses in ``training/recipes`` own
type, unit, range and help; they have no defaults, so that no value stands in two places.

Nothing here imports torch: the command line prints and checks recipes before it loads anything heavy.
"""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from numbers import Integral, Real
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from ..errors import InputError

R = TypeVar("R", bound="Recipe")


def entry(
    help: str,
    *,
    unit: str = "",
    low: float | None = None,
    above: float | None = None,
    high: float | None = None,
    multiple_of: int = 1,
    words: tuple[str, ...] = (),
    may_be_empty: bool = False,
    key: str = "",
    **default: Any,
) -> Any:
    """A dataclass field that describes one entry of a recipe.

    Parameters
    ----------
    help
        One line, a noun phrase without a full stop.
    unit
        What the number counts or measures, e.g. ``"steps"``.
    low, above, high
        Range of the number, or of each number of a list: at least ``low`` or more than ``above``, at most ``high``.
    multiple_of
        What a whole number has to be divisible by.
    words
        The only texts allowed.
    may_be_empty
        Whether a list may have no element.
    key
        Name of the entry in JSON where it is not the field's name.
    default
        ``default=None`` for an entry of a section that may be left out.
    """
    facts = {"help": help, "unit": unit, "low": low, "above": above, "high": high, "multiple_of": multiple_of}
    return field(metadata={**facts, "words": words, "may_be_empty": may_be_empty, "key": key}, **default)


@dataclass(frozen=True)
class Entry:
    """What is known of one entry: its name in JSON (``key``) and in Python (``name``), type, and the facts of `entry`.

    ``required`` is False for an entry that a section may leave out.
    """

    key: str
    name: str
    type: Any
    help: str
    unit: str
    low: float | None
    above: float | None
    high: float | None
    multiple_of: int
    words: tuple[str, ...]
    may_be_empty: bool
    required: bool

    def rule(self) -> str:
        """What a value has to be, e.g. ``a whole number, at least 1 (steps)``."""
        return _rule(self.type, self)


class Recipe:
    """Base of every recipe and of its sections; subclasses are frozen dataclasses of `entry` fields.

    Values are checked, and converted (lists to tuples, whole numbers to float where the type says so), when an object
    is made. Raises InputError (code ``bad-recipe``, ``field`` is the entry) for a wrong type or a value out of range.
    """

    def __post_init__(self) -> None:
        for known in entries_of(type(self)):
            object.__setattr__(self, known.name, _value(known.type, known, getattr(self, known.name), known.key))

    @classmethod
    def from_json(cls: type[R], values: Mapping[str, Any] | R) -> R:
        """The recipe of a JSON object; a recipe of this class is returned as it is.

        Raises InputError (code ``bad-recipe``) for an unknown, missing or unusable entry.
        """
        return values if isinstance(values, cls) else _section(cls, values, "")

    def to_json(self, *, without: tuple[str, ...] = ()) -> dict[str, Any]:
        """The JSON object that ``from_json`` reads, without the entries of these keys."""
        return {
            known.key: _plain(getattr(self, known.name)) for known in entries_of(type(self)) if known.key not in without
        }


def entries_of(recipe: type[Recipe]) -> tuple[Entry, ...]:
    """The entries of a recipe or section in the order of its fields."""
    hints = get_type_hints(recipe)
    return tuple(
        Entry(
            name=found.name,
            type=hints[found.name],
            required=found.default is MISSING,
            **{**found.metadata, "key": found.metadata["key"] or found.name},
        )
        for found in fields(recipe)  # type: ignore[arg-type]
    )


def is_section(kind: Any) -> bool:
    """Whether a type is a recipe of its own inside another one, such as ``network`` or ``variation``."""
    return isinstance(kind, type) and issubclass(kind, Recipe)


def is_text(kind: Any) -> bool:
    """Whether a type is a text, or a text or null."""
    return kind is str or (_is_union(kind) and _without_none(kind) is str)


def refuse(name: str, value: Any, rule: str, help: str = "") -> InputError:
    """The error of an entry whose value breaks a rule."""
    shown = repr(value) if len(repr(value)) <= 60 else f"{repr(value)[:57]}..."
    return InputError(
        f"The entry {name} of the recipe cannot be {shown}: give {rule}.",
        code="bad-recipe",
        hint=f"Meaning of {name}: {help}." if help else "",
        field=_settable(name),
    )


def _settable(name: str) -> str:
    """The entry that a user sets for an entry of this name: that of the whole list for an element's entry."""
    return name.partition("[")[0]


def _section(kind: type[R], values: Any, within: str) -> R:
    """An object of ``kind`` from a JSON object; ``within`` is the section's name with a dot, or empty."""
    if not isinstance(values, Mapping):
        raise refuse(within.rstrip(".") or "recipe", values, "an object of entries")
    known = {found.key: found for found in entries_of(kind)}
    for key in values:
        if key not in known:
            raise InputError(
                f"The recipe has an entry {f'{within}{key}'[:60]!r}, which is unknown.",
                code="bad-recipe",
                hint=f"Known are {', '.join(known)}.",
            )
    for key, found in known.items():
        if key not in values and found.required:
            raise InputError(
                f"The recipe lacks the entry {within}{key}: give {found.rule()}.",
                code="bad-recipe",
                hint=f"Meaning of {within}{key}: {found.help}.",
                field=_settable(f"{within}{key}"),
            )
    checked = {
        found.name: _value(found.type, found, values[key], f"{within}{key}")
        for key, found in known.items()
        if key in values
    }
    return kind(**checked)


def _value(kind: Any, known: Entry, value: Any, name: str) -> Any:
    """The value as ``kind`` has it. Raises InputError when it cannot be one."""
    if _is_union(kind):
        if value is None and type(None) in get_args(kind):
            return None
        return _value(_without_none(kind), known, value, name)
    if is_section(kind):
        return value if isinstance(value, kind) else _section(kind, value, f"{name}.")
    if get_origin(kind) is tuple:
        return _list(kind, known, value, name)
    fits = {
        bool: lambda: isinstance(value, bool),
        int: lambda: _is_whole(value) and _in_range(value, known),
        float: lambda: _is_number(value) and _in_range(value, known),
        str: lambda: isinstance(value, str) and (not known.words or value in known.words),
    }.get(kind, lambda: isinstance(value, Mapping))
    if not fits():
        raise refuse(name, value, known.rule(), known.help)
    return kind(value) if kind in (int, float) else value


def _list(kind: Any, known: Entry, value: Any, name: str) -> tuple[Any, ...]:
    kinds = get_args(kind)
    if not isinstance(value, list | tuple) or not (value or known.may_be_empty):
        raise refuse(name, value, known.rule(), known.help)
    if kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(value)
    if len(kinds) != len(value):
        raise refuse(name, value, known.rule(), known.help)
    if kinds and is_section(kinds[0]):
        return tuple(_value(k, known, one, f"{name}[{n}]") for n, (k, one) in enumerate(zip(kinds, value, strict=True)))
    try:
        return tuple(_value(k, known, one, name) for k, one in zip(kinds, value, strict=True))
    except InputError as error:
        raise refuse(name, value, known.rule(), known.help) from error  # the whole list says more than one number


def _is_whole(value: Any) -> bool:
    """An integer, or a float such as 1e3 that is one."""
    return _is_number(value) and (isinstance(value, Integral) or float(value).is_integer())


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _in_range(value: Any, known: Entry) -> bool:
    return (
        (known.low is None or value >= known.low)
        and (known.above is None or value > known.above)
        and (known.high is None or value <= known.high)
        and (known.multiple_of == 1 or value % known.multiple_of == 0)
    )


def _rule(kind: Any, known: Entry) -> str:
    if _is_union(kind):
        return f"{_rule(_without_none(kind), known)}, or null"
    if is_section(kind):
        return f"an object of {', '.join(found.key for found in entries_of(kind))}"
    if get_origin(kind) is tuple:
        kinds = get_args(kind)
        count = "" if kinds[-1] is Ellipsis else f"{len(kinds)} times "
        return f"a list, {count or 'each element '}{_rule(kinds[0], known)}"
    if kind is bool:
        return "true or false"
    if kind is str:
        return f"one of {', '.join(known.words)}" if known.words else "text"
    if kind in (int, float):
        number = "a whole number" if kind is int else "a number"
        number = number if known.multiple_of == 1 else f"a multiple of {known.multiple_of}"
        return f"{number}{_range(known)}{f' ({known.unit})' if known.unit else ''}"
    return "an object"


def _range(known: Entry) -> str:
    if known.low is not None and known.high is not None:
        return f" from {known.low} to {known.high}"
    lower = f", at least {known.low}" if known.low is not None else ""
    lower = f" above {known.above}" if known.above is not None else lower
    return lower + (f", at most {known.high}" if known.high is not None else "")


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in (Union, types.UnionType)


def _without_none(kind: Any) -> Any:
    return next(one for one in get_args(kind) if one is not type(None))


def _plain(value: Any) -> Any:
    if isinstance(value, Recipe):
        return value.to_json()
    return [_plain(one) for one in value] if isinstance(value, tuple) else value
