"""``xray2mri train``: fit one of the networks by a recipe."""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path
from typing import Any

from ..baselines.registry import METHOD_NAMES
from ..errors import InputError
from ..files.resources import resource_path
from .radiograph_arguments import add_json_argument
from .terminal import Terminal

# what can be trained -> the module whose ``train`` does it; the recipe has its name
NETWORKS = {
    "autoencoder": "training.autoencoder",
    "diffusion": "training.diffusion",
    "classifier": "training.classifier",
    "film_check": "training.view_check",
    "localizer": "training.localizer",
    "cae": "training.cae",
    "siamese-gap": "training.siamese_gap",
    "morphing": "training.morphing",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    add = parser.add_argument
    add("network", choices=NETWORKS, help="what to train")
    add("-o", "--output", metavar="FOLDER", type=Path, required=True, help="folder for checkpoints and the result")
    add(
        "--config",
        metavar="FILE.json|NAME",
        help="a recipe, or the name of a shipped one (compact-cpu, compact-gpu, compact-half); what it leaves out is "
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
        "--method",
        metavar="NAME",
        choices=METHOD_NAMES,
        help=f"with diffusion: the system to train, one of {', '.join(METHOD_NAMES)}",
    )
    add("--resume", action="store_true", help="go on from the checkpoint in the folder")
    add_json_argument(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> None:
    """Train; what the training says goes to stderr, its measurements to stdout."""
    module = NETWORKS[options.network]
    recipe = chosen_recipe(options.network, options.config)
    if options.method is not None:
        if options.network != "diffusion":
            raise InputError(
                f"--method does not apply to {options.network}.", code="bad-option", hint="It goes with diffusion."
            )
        recipe["method"] = options.method
    for change in options.set:
        _apply(recipe, change)
    if options.output.exists() and not options.output.is_dir():
        raise InputError(f"The output {options.output.name} is a file.", code="bad-output", hint="Name a folder.")
    training = importlib.import_module(f"...{module}", __name__)
    with terminal.prints_as_remarks():
        metrics = training.train(recipe, options.output, resume=options.resume)
    if metrics.get("step", 0) < metrics.get("steps", 0):
        terminal.say("Repeat the command with --resume to continue.")
    from ..volume.provenance import plain

    if options.json:
        terminal.print_json({"network": options.network, "output": str(options.output), "metrics": plain(metrics)})
        return
    terminal.print(json.dumps(plain(metrics), indent=1))


def chosen_recipe(network: str, config: str | None = None) -> dict[str, Any]:
    """The default recipe of a network, changed by the recipe ``config``: the path of a file or a shipped set's name.

    Raises InputError when there is none such, and for an entry that the default does not have.
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
            hint=f"Choose one of {', '.join(sets)}, or give a file." if sets else "Give a file, or no --config.",
        )
    changes = _read_recipe(named if is_name else path)
    unknown = sorted(set(changes) - set(recipe))
    if unknown:
        raise InputError(
            f"The recipe {path.name} has an entry {unknown[0][:60]!r}, which {network} does not know.",
            code="bad-recipe",
            hint=f"It knows {', '.join(recipe)}.",
        )
    return recipe | changes


def _read_recipe(path: Path) -> dict[str, Any]:
    """The recipe in a JSON file. Raises InputError when it is none."""
    try:
        recipe = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else "cannot be read as JSON"
        raise InputError(
            f"The recipe {path.name} {reason}.", code="bad-recipe", hint="See Resources/recipes."
        ) from error
    if not isinstance(recipe, dict):
        raise InputError(
            f"The recipe {path.name} is not a JSON object.", code="bad-recipe", hint="See Resources/recipes."
        )
    return recipe


def _apply(recipe: dict[str, Any], change: str) -> None:
    """Apply ``name=value`` or ``outer.inner=value``; only entries that the recipe has can be changed."""
    name, equals, text = change.partition("=")
    *outer, last = name.split(".")
    entries: Any = recipe
    for part in outer:
        entries = entries.get(part) if isinstance(entries, dict) else None
    if not equals or not isinstance(entries, dict) or last not in entries:
        raise InputError(
            f"The recipe has no entry {name[:60]!r} to set.",
            code="bad-option",
            hint=f"It has {', '.join(entries if isinstance(entries, dict) else recipe)}.",
        )
    try:
        entries[last] = json.loads(text)
    except ValueError:
        entries[last] = text
