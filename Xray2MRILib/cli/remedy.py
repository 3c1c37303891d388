"""The command-line option for the setting that an error or a warning names."""

from __future__ import annotations

import argparse


def append_option(sentence: str, field: str, parser: argparse.ArgumentParser | None) -> str:
    """The sentence, followed by the option for ``field``; unchanged if the command has no such option."""
    option = option_of(parser, field) if parser is not None and field else ""
    return f"{sentence} Option: {option}." if option else sentence


def option_of(parser: argparse.ArgumentParser, field: str) -> str:
    """The option for a field as the user types it, e.g. ``--roi X,Y,W,H``; empty if the command has no such option.

    The names come from the parser itself. If the command has ``--set``, a field without its own option is an entry of
    the recipe.
    """
    actions = {action.dest: action for action in parser._actions}  # argparse has no public list of them
    action = actions.get(field)
    if action is None:
        return f"--set {field}=VALUE" if "set" in actions else ""
    if not action.option_strings:
        return ""  # the sentence itself names a positional argument
    name = max(action.option_strings, key=len)
    if action.nargs == 0:
        return name
    choices = "|".join(map(str, action.choices)) if action.choices else field.upper()
    return f"{name} {action.metavar or choices}"
