"""``xray2mri generate``: a pseudo-MRI volume from one radiograph."""

from __future__ import annotations

import argparse
from pathlib import Path

from .radiograph_arguments import add_json_argument, add_knee_arguments, add_radiograph_argument
from .setting_options import add_setting, settings_from
from .terminal import Terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add = parser.add_argument
    add_radiograph_argument(parser)
    add(
        "-o",
        "--output",
        metavar="OUT",
        type=Path,
        required=True,
        help="file for the volume: .nrrd, .nii.gz or .mha; the provenance is written as .json in the same folder",
    )
    add("--montage", metavar="OUT.png", type=Path,
        help="file for an overview image: radiograph, grade, slices, 3-D view")  # fmt: skip
    add_generation_settings(parser)
    add_json_argument(parser)


def add_generation_settings(parser: argparse.ArgumentParser) -> None:
    """Add the options of all settings of a generation."""
    for name in ("slices", "steps", "model", "device", "precision", "seed", "samples"):
        add_setting(parser, name)
    add_knee_arguments(parser)
    add_setting(parser, "photometric")
    grade = parser.add_mutually_exclusive_group()
    for name in ("kl", "kl_grade"):
        add_setting(grade, name)
    for name in ("age", "sex", "bmi"):
        add_setting(parser, name)
    for name in ("guidance_scale", "noise_scale", "sampler", "scanner_noise", "keep_identifiers"):
        add_setting(parser, name)


def run(options: argparse.Namespace, terminal: Terminal) -> None:
    """Generate the volume; progress on stderr, paths (or JSON) on stdout."""
    settings = settings_from(options)
    terminal.progress({"stage": "start", "step": 0, "of": 1, "fraction": 0.0, "eta_s": None})
    from ..generation.volume_from_radiograph import generate

    generation = generate(
        options.radiograph, options.output, settings, montage=options.montage, on_progress=terminal.progress
    )
    result = generation.result
    terminal.warn(result["warnings"])
    if options.json:
        terminal.print_json(result)
        return
    for name in ("volume", "noise_free", "deviation", "montage", "provenance"):
        if result[name]:
            terminal.print(f"{name.replace('_', '-'):<11} {result[name]}")
    terminal.say(f"Agreement with the radiograph. {result['reprojection']['summary']}")
    terminal.say(result["notice"])
