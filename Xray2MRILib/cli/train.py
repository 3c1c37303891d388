"""``xray2mri train``: training of one of the networks with a recipe."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import io
import json
import os
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
        help="a recipe, or the name of a shipped one (compact-cpu, compact-gpu, compact-half, paper, tiny); missing "
        "entries are taken from the default recipe",
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
    add(
        "--processes",
        metavar="N",
        type=int,
        default=1,
        help="for diffusion: number of processes that train together, one per GPU (needs accelerate; default 1)",
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
    started_together = int(os.environ.get("WORLD_SIZE", "1"))
    _check_processes(options, started_together)
    training = importlib.import_module(f"...{NETWORKS[options.network]}", __name__)
    if started_together > 1 and os.environ.get("RANK", "0") != "0":
        with contextlib.redirect_stdout(io.StringIO()):  # the first process speaks for all
            training.train(recipe, options.output, resume=options.resume)
        return
    with terminal.prints_as_remarks():
        if options.processes > 1:
            from ..training.launch import train_in_processes

            metrics = train_in_processes(
                training.__name__, recipe.to_json(), options.output, count=options.processes, resume=options.resume
            )
        else:
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


def _check_processes(options: argparse.Namespace, started_together: int) -> None:
    """Refuse several processes where they cannot be. Raises InputError."""
    if options.processes < 1:
        raise InputError(f"--processes cannot be {options.processes}.", code="bad-option", hint="Give 1 or more.")
    if max(options.processes, started_together) > 1 and options.network != "diffusion":
        raise InputError(
            f"Several processes do not apply to {options.network}.",
            code="bad-option",
            hint="Use them with diffusion.",
        )
    if options.processes > 1 and started_together > 1:
        raise InputError(
            "--processes cannot be used in a process that was started together with others.",
            code="bad-option",
            hint="Leave it out with accelerate launch and torchrun.",
        )
    if options.processes > 1 and importlib.util.find_spec("accelerate") is None:
        raise InputError(
            "Training in several processes needs the package accelerate, which is not installed.",
            code="missing-package",
            hint="Install it with: pip install 'xray2mri[train]', or train in one process.",
        )


def _print_entries(options: argparse.Namespace, terminal: Terminal) -> None:
    from ..training.recipe_help import describe_entries, recipe_help

    if options.json:
        terminal.print_json({"network": options.network, "entries": describe_entries(options.network)})
    else:
        terminal.print(f"{recipe_help(options.network)}\n\n--set NAME=VALUE changes an entry.")
