"""``xray2mri generate``: radiograph in, pseudo-MRI volume out."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..generation_settings import DEVICES, SAMPLERS, SIDES, GenerationSettings
from .terminal import Terminal

_DEFAULTS = GenerationSettings()


def numbers(text: str) -> tuple[float, ...]:
    """Comma-separated numbers of an option such as ``--roi 10,20,300,300``."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a list of numbers separated by commas") from None


def add_film_arguments(parser: argparse.ArgumentParser) -> None:
    """The radiograph, and which knee on it: shared by all commands that read a radiograph."""
    parser.add_argument(
        "radiograph",
        metavar="RADIOGRAPH",
        type=Path,
        help="frontal knee radiograph: DICOM, PNG, JPEG, TIFF, WebP, NRRD, NIfTI, MHA",
    )
    parser.add_argument(
        "--side",
        choices=SIDES,
        default=_DEFAULTS.side,
        help="which knee it is (default: from the header, the file name, then the picture)",
    )
    parser.add_argument("--roi", type=numbers, metavar="X,Y,W,H", help="rectangle of the knee in film pixels")
    parser.add_argument(
        "--knee",
        type=int,
        metavar="N",
        help="which knee of a film with several, counted from the left edge (default: the clearest)",
    )


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """``--json``."""
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object on stdout")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    add_film_arguments(parser)
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        type=Path,
        required=True,
        help="volume to write: .nrrd, .nii.gz or .mha; the provenance goes beside it as .json",
    )
    parser.add_argument(
        "--slices",
        type=int,
        default=_DEFAULTS.slices,
        metavar="S",
        help="number of depths over 73.5 mm, 2 to 500 (default: %(default)s)",
    )
    parser.add_argument(
        "--steps", type=int, default=_DEFAULTS.steps, metavar="T", help="denoising steps (default: %(default)s)"
    )
    parser.add_argument(
        "--model",
        default=_DEFAULTS.model,
        metavar="compact|DIR|HUB-ID",
        help="the shipped model, a model folder, or a model on the Hugging Face hub (default: %(default)s)",
    )
    parser.add_argument("--device", choices=DEVICES, default=_DEFAULTS.device, help="(default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=_DEFAULTS.seed, help="same seed, same volume (default: %(default)s)"
    )
    parser.add_argument(
        "--samples",
        type=int,
        default=_DEFAULTS.samples,
        metavar="K",
        help="volumes from K seeds; the first is written, and the voxel-wise standard deviation of all",
    )
    grade = parser.add_mutually_exclusive_group()
    grade.add_argument(
        "--kl", type=numbers, metavar="P0,P1,P2,P3,P4", help="probabilities of the Kellgren-Lawrence grades"
    )
    grade.add_argument("--kl-grade", type=int, metavar="G", help="a reader's Kellgren-Lawrence grade, 0 to 4")
    parser.add_argument(
        "--guidance-scale",
        type=float,
        default=_DEFAULTS.guidance_scale,
        metavar="W",
        help="classifier-free guidance; 1 is off (default: %(default)s)",
    )
    parser.add_argument(
        "--sampler",
        choices=SAMPLERS,
        default=_DEFAULTS.sampler,
        help="ddim as in the paper, or dpm, which needs fewer steps (default: %(default)s)",
    )
    parser.add_argument(
        "--montage", metavar="OUT.png", type=Path, help="overview picture: radiograph, grade, slices, 3D rendering"
    )
    parser.add_argument(
        "--keep-identifiers",
        action="store_true",
        help="record the name of the radiograph in the provenance (never by default)",
    )
    add_json_argument(parser)


def settings_from(options: argparse.Namespace) -> GenerationSettings:
    """The settings among parsed options. Raises InputError for values out of range."""
    names = [name for name in GenerationSettings.__dataclass_fields__ if hasattr(options, name)]
    return GenerationSettings(**{name: getattr(options, name) for name in names})


def run(options: argparse.Namespace, terminal: Terminal) -> None:
    """Make the volume; progress on stderr, paths (or JSON) on stdout."""
    settings = settings_from(options)
    terminal.progress({"stage": "start", "step": 0, "of": 1, "fraction": 0.0, "eta_s": None})
    from ..generation import generate

    result = generate(
        options.radiograph, options.output, settings, montage=options.montage, on_progress=terminal.progress
    ).result
    for warning in result["warnings"]:
        terminal.say(f"Warning: {warning}")
    if options.json:
        terminal.print_json(result)
        return
    for name in ("volume", "deviation", "montage", "provenance"):
        if result[name]:
            terminal.print(f"{name:<11} {result[name]}")
    terminal.say("Synthetic: a plausible guess for research, not for diagnosis.")
