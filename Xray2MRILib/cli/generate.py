"""``xray2mri generate``: radiograph in, pseudo-MRI volume out."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..generation.settings import DEVICES, SAMPLERS
from .radiograph_arguments import (
    DEFAULTS,
    add_json_argument,
    add_knee_arguments,
    add_photometric_argument,
    add_radiograph_argument,
    numbers,
    settings_from,
)
from .terminal import Terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    add = parser.add_argument
    add_radiograph_argument(parser)
    add(
        "-o",
        "--output",
        metavar="OUT",
        type=Path,
        required=True,
        help="volume to write: .nrrd, .nii.gz or .mha; the provenance goes beside it as .json",
    )
    add("--montage", metavar="OUT.png", type=Path, help="overview picture: radiograph, grade, slices, 3D rendering")
    add(
        "--slices",
        type=int,
        default=DEFAULTS.slices,
        metavar="S",
        help="number of depths over 73.5 mm, 2 to 500 (default: %(default)s)",
    )
    add("--steps", type=int, default=DEFAULTS.steps, metavar="T", help="denoising steps (default: %(default)s)")
    add(
        "--model",
        default=DEFAULTS.model,
        metavar="compact|DIR|HUB-ID",
        help="the shipped model, a model folder or one on the Hugging Face hub (default: %(default)s)",
    )
    add("--device", choices=DEVICES, default=DEFAULTS.device, help="where to compute (default: %(default)s)")
    add("--seed", type=int, default=DEFAULTS.seed, help="the same seed gives the same volume (default: %(default)s)")
    add(
        "--samples",
        type=int,
        default=DEFAULTS.samples,
        metavar="K",
        help="also write the voxel-wise standard deviation over K seeds, sampled without guidance and with all noise",
    )
    add_knee_arguments(parser)
    add_photometric_argument(parser)
    grade = parser.add_mutually_exclusive_group()
    grade.add_argument(
        "--kl",
        type=numbers,
        metavar="P0,P1,P2,P3,P4",
        help="probabilities of the Kellgren-Lawrence grades (default: from the classifier)",
    )
    grade.add_argument("--kl-grade", type=int, metavar="G", help="a reader's Kellgren-Lawrence grade, 0 to 4")
    add(
        "--guidance-scale",
        type=float,
        default=DEFAULTS.guidance_scale,
        metavar="W",
        help="classifier-free guidance, in the share of steps that the model asks for; 1 is off (default: the model's)",
    )
    add(
        "--noise-scale",
        type=float,
        default=DEFAULTS.noise_scale,
        metavar="S",
        help="spread of the noise that sampling begins with, 0.01 to 1: less keeps nearer to what is likely and makes "
        "seeds differ less (default: the model's)",
    )
    add(
        "--sampler",
        choices=SAMPLERS,
        default=DEFAULTS.sampler,
        help="ddim as in the paper, or dpm, which needs fewer steps (default: %(default)s)",
    )
    add(
        "--keep-identifiers",
        action="store_true",
        help="record the path of the radiograph in the provenance (never by default)",
    )
    add_json_argument(parser)  # fmt: skip


def run(options: argparse.Namespace, terminal: Terminal) -> None:
    """Make the volume; progress on stderr, paths (or JSON) on stdout."""
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
    for name in ("volume", "deviation", "montage", "provenance"):
        if result[name]:
            terminal.print(f"{name:<11} {result[name]}")
    terminal.say(f"Agreement with the radiograph. {result['reprojection']['summary']}")
    terminal.say(result["notice"])
