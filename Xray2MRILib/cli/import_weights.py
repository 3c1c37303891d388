"""``xray2mri import``: published weights as a model to train from."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import InputError
from .radiograph_arguments import add_json_argument
from .terminal import Terminal

KINDS = ("zero123", "vae", "diffusers")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add = parser.add_argument
    add(
        "kind",
        choices=KINDS,
        help="zero123: Zero-123's checkpoint or folder; vae: Stable Diffusion's autoencoder; diffusers: a folder of "
        "Stable Diffusion 1's family",
    )
    add("source", metavar="FILE|FOLDER", type=Path, help="the published file, or a folder in diffusers' layout")
    add("-o", "--output", metavar="FOLDER", type=Path, required=True, help="new folder for the model")
    add(
        "--clip-weights",
        metavar="FILE",
        type=Path,
        help="for diffusers: OpenAI's ViT-L-14.pt, where the folder has no image tower (default: from a cache)",
    )
    add_json_argument(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> None:
    """Convert and write the model; print its folder."""
    if options.clip_weights is not None and options.kind != "diffusers":
        raise InputError(
            f"--clip-weights does not apply to {options.kind}.", code="bad-option", hint="Use it with diffusers."
        )
    if not options.source.exists():
        raise InputError(
            f"There is no file or folder {options.source.name}.", code="no-weights", hint="Give the published weights."
        )
    from ..weight_import import imported_model

    with terminal.prints_as_remarks():
        if options.kind == "zero123":
            notes = imported_model.import_zero123(options.source, options.output)
        elif options.kind == "vae":
            notes = imported_model.import_autoencoder(options.source, options.output)
        else:
            notes = imported_model.import_diffusers(options.source, options.output, options.clip_weights)
    if options.json:
        terminal.print_json({"output": str(options.output), "kind": options.kind, "warnings": notes})
        return
    terminal.warn(notes)
    terminal.print(str(options.output))
