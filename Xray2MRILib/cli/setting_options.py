"""Command-line options of the generation settings; generation/settings.py defines names, types, defaults and help."""

from __future__ import annotations

import argparse
from typing import Any

from ..generation.settings import SETTINGS, GenerationSettings

_SHORT = {"scanner_noise": "--noise"}  # the protocol's name would be long, and "noise" is that of z_T there
_TYPES = {"integer": int, "number": float}


def numbers(text: str) -> tuple[float, ...]:
    """Parse the comma-separated numbers of an option such as ``--roi 10,20,300,300``."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a list of numbers separated by commas") from None


def option_of(name: str) -> str:
    """The option of a setting, e.g. ``--kl-grade`` for ``kl_grade``."""
    return _SHORT.get(name) or "--" + name.replace("_", "-")


def add_setting(parser: Any, name: str, *, positional: bool = False, **changes: Any) -> None:
    """Add the option of a setting to a parser or group; ``changes`` replaces its ``help`` or ``default``.

    ``positional`` makes it an optional positional argument.
    """
    setting = SETTINGS[name]
    default = changes.get("default", setting.default)
    said = setting.otherwise if setting.otherwise and default == setting.default else default
    text = changes.get("help", setting.meaning if setting.words else setting.description)
    described: dict[str, Any] = {"default": default, "help": f"{text} (default: {said})" if said is not None else text}
    if setting.kind == "flag":
        described = {"action": "store_true", "help": text}
    elif setting.words:
        described["choices"] = setting.words
    else:
        described["type"] = numbers if setting.kind == "numbers" else _TYPES.get(setting.kind, str)
        described["metavar"] = name.upper() if positional else setting.symbol
    if positional:
        parser.add_argument(name, nargs="?", **described)
    else:
        parser.add_argument(option_of(name), dest=name, **described)


def settings_from(options: argparse.Namespace) -> GenerationSettings:
    """The settings from parsed options; others keep their defaults. Raises InputError for values out of range."""
    return GenerationSettings(**{name: getattr(options, name) for name in SETTINGS if hasattr(options, name)})
