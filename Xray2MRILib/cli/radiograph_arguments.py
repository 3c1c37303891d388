"""Arguments shared by the commands that read a radiograph."""

from __future__ import annotations

import argparse
from pathlib import Path

from .setting_options import add_setting


def add_radiograph_argument(parser: argparse.ArgumentParser) -> None:
    """Add the argument for the radiograph."""
    parser.add_argument(
        "radiograph",
        metavar="RADIOGRAPH",
        type=Path,
        help="frontal knee radiograph: DICOM, PNG, JPEG, TIFF, WebP, NRRD, NIfTI, MHA",
    )


def add_knee_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that select the knee on the radiograph."""
    for name in ("side", "roi", "knee"):
        add_setting(parser, name)


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object on stdout")
