"""``xray2mri train``: training of one of the networks with a recipe."""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path
from typing import Any

from ..baselines.registry import METHOD_NAMES
from ..errors import InputError
from ..training.recipe_files import apply_change, chosen_recipe
from ..training.recipes import RECIPES, recipe_class
from .radiograph_arguments import add_json_argument
from .terminal import Terminal

# network -> module with its ``train`` function
NETWORKS = {network: f"training.{module}" for network, (module, _) in RECIPES.items()}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add = parser.add_argument
    add("network", choices=NETWORKS, help="network to train")
    add("-o", "--output", metavar="FOLDER", type=Path, help="folder for checkpoints and the result (required)")
    add(
        "--recipe-help",
        action="store_true",
        help="print the entries of the network's recipe with their units, ranges and defaults, without training",
    )
    add(
        "--config",
        metavar="FILE.json|NAME",
        help="a recipe, or the name of a shipped one (compact-cpu, compact-gpu, compact-half); missing entries are "
        "taken from the default recipe",
    )
    add(
        "--set",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="change one entry of the recipe, e.g. --set steps=500 --set data=runs/pairs; may be repeated",
    )
    add(
        "--pairs",
        metavar="FOLDER",
        type=Path,
        help="pairs to learn from, simulated or prepared from scans; a folder with the folders training and validation "
        "(as prepare writes) also gives the held-out pairs",
    )
    add(
        "--method",
        metavar="NAME",
        choices=METHOD_NAMES,
        help=f"for diffusion: the system to train, one of {', '.join(METHOD_NAMES)}",
    )
    add("--resume", action="store_true", help="resume from the checkpoint in the folder")
    add_json_argument(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> None:
    """Train; the output of the training goes to stderr, its results to stdout."""
    if options.recipe_help:
        _print_entries(options, terminal)
        return
    if options.output is None:
        raise InputError(
            "The following arguments are required: -o/--output.", code="bad-option", hint="See xray2mri train --help."
        )
    values = chosen_recipe(options.network, options.config)
    if options.method is not None:
        if options.network != "diffusion":
            raise InputError(
                f"--method does not apply to {options.network}.", code="bad-option", hint="Use it with diffusion."
            )
        values["method"] = options.method
    if options.pairs is not None:
        values |= _folders_of_pairs(options.network, values, options.pairs)
    for change in options.set:
        apply_change(options.network, values, change)
    recipe = recipe_class(options.network).from_json(values)
    if options.output.exists() and not options.output.is_dir():
        raise InputError(f"The output {options.output.name} is a file.", code="bad-output", hint="Name a folder.")
    training = importlib.import_module(f"...{NETWORKS[options.network]}", __name__)
    with terminal.prints_as_remarks():
        metrics = training.train(recipe, options.output, resume=options.resume)
    if metrics.get("step", 0) < metrics.get("steps", 0):
        terminal.say("Repeat the command with --resume to continue.")
    from ..volume.provenance import plain

    if options.json:
        terminal.print_json({"network": options.network, "output": str(options.output), "metrics": plain(metrics)})
        return
    terminal.print(json.dumps(plain(metrics), indent=1))


def _folders_of_pairs(network: str, values: dict[str, Any], folder: Path) -> dict[str, str]:
    """The recipe's entries ``data`` and ``held_out`` for a folder of pairs or of a prepared cohort."""
    if not {"data", "held_out"} <= set(values):
        raise InputError(f"--pairs does not apply to {network}.", code="bad-option", hint="See --recipe-help.")
    if (folder / "training").is_dir():
        return {"data": str(folder / "training"), "held_out": str(folder / "validation")}
    return {"data": str(folder)}


def _print_entries(options: argparse.Namespace, terminal: Terminal) -> None:
    from ..training.recipe_help import describe_entries, recipe_help

    if options.json:
        terminal.print_json({"network": options.network, "entries": describe_entries(options.network)})
    else:
        terminal.print(f"{recipe_help(options.network)}\n\n--set NAME=VALUE changes an entry.")
