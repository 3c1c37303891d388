"""Options shared by the commands that read a radiograph, and how their values become settings."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..generation.settings import PHOTOMETRIC, SIDES, GenerationSettings

DEFAULTS = GenerationSettings()


def numbers(text: str) -> tuple[float, ...]:
    """Comma-separated numbers of an option such as ``--roi 10,20,300,300``."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a list of numbers separated by commas") from None


def add_radiograph_argument(parser: argparse.ArgumentParser) -> None:
    """The radiograph itself."""
    parser.add_argument(
        "radiograph",
        metavar="RADIOGRAPH",
        type=Path,
        help="frontal knee radiograph: DICOM, PNG, JPEG, TIFF, WebP, NRRD, NIfTI, MHA",
    )


def add_photometric_argument(parser: argparse.ArgumentParser, name: str = "--photometric", of: str = "") -> None:
    """Whether bone is bright or dark in the file."""
    parser.add_argument(
        name,
        choices=PHOTOMETRIC,
        default=DEFAULTS.photometric,
        help=f"bone in the file{of}: bright (normal) or dark (inverted) (default: from the header, then the picture)",
    )


def add_knee_arguments(parser: argparse.ArgumentParser) -> None:
    """Which knee of the radiograph is meant."""
    parser.add_argument(
        "--side",
        choices=SIDES,
        default=DEFAULTS.side,
        help="which knee it is (default: from the header, the file name, then the picture)",
    )
    parser.add_argument(
        "--roi",
        type=numbers,
        metavar="X,Y,W,H",
        help="rectangle of the knee in radiograph pixels",
    )
    parser.add_argument(
        "--knee",
        type=int,
        metavar="N",
        help="which knee of a radiograph with several, counted from the left edge (default: the clearest)",
    )


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """``--json``."""
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object on stdout")


def settings_from(options: argparse.Namespace) -> GenerationSettings:
    """The settings among parsed options; the others keep their defaults. Raises InputError for values out of range."""
    names = [name for name in GenerationSettings.__dataclass_fields__ if hasattr(options, name)]
    return GenerationSettings(**{name: getattr(options, name) for name in names})
