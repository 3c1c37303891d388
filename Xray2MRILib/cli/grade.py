"""``xray2mri grade``: Kellgren-Lawrence probabilities and the intensity histogram of a radiograph."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..conditions.koa_probabilities import GRADE_NAMES
from ..errors import InputError
from ..files.atomic_write import check_place
from .radiograph_arguments import add_json_argument, add_knee_arguments, add_radiograph_argument
from .setting_options import add_setting, settings_from
from .terminal import Terminal

if TYPE_CHECKING:
    import numpy as np

    from ..baselines.class_activation import EarlyEvidence
    from ..preparation.joint_crop import PreparedRadiograph

SHIPPED = Path()  # --early-oa without a folder
_BAR_WIDTH = 40
_HISTOGRAM_LINES = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    add_radiograph_argument(parser)
    add_knee_arguments(parser)
    add_setting(parser, "photometric")
    parser.add_argument(
        "--early-oa",
        metavar="FOLDER",
        type=Path,
        nargs="?",
        const=SHIPPED,
        help="also KL-2 against KL-0, by the network in a folder average or max of xray2mri train siamese-gap "
        "(default: the one that ships); give it after the radiograph",
    )
    parser.add_argument(
        "--map",
        metavar="FILE.png",
        type=Path,
        help="draw which places of the joint speak for KL-2, at each depth of the network of --early-oa",
    )
    add_json_argument(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> None:
    """Print the probabilities of the five grades and the grey-level distribution of the prepared crop."""
    settings = settings_from(options)
    if options.map is not None:
        _check_map(options)
    from ..conditions.intensity_histogram import intensity_histogram
    from ..conditions.koa_classifier import classify_koa
    from ..generation.prepared_knee import describe_knee, prepare_knee
    from ..radiograph.reading import read_radiograph

    knee = prepare_knee(read_radiograph(options.radiograph, photometric=settings.photometric), settings)
    koa = classify_koa(knee.prepared.image)
    histogram = [float(share) for share in intensity_histogram(knee.prepared.image)]
    early = None
    if options.early_oa is not None:
        from ..baselines.class_activation import evidence_of

        early = evidence_of(knee.prepared.image, None if options.early_oa == SHIPPED else options.early_oa)
        if options.map is not None:
            _draw_map(options.map, knee.prepared, early)
    terminal.warn(knee.warnings)
    if options.json:
        terminal.print_json(
            {
                "kl_probabilities": list(koa.values),
                "kl_grade": koa.grade,
                "source": koa.source,
                "early_osteoarthritis": None if early is None else early.probability,
                "early_osteoarthritis_places": None if early is None else early.compartment_shares,
                "early_osteoarthritis_map": None if options.map is None else str(options.map),
                "intensity_histogram": histogram,
                **describe_knee(knee),
                "warnings": knee.warnings,
            }
        )
        return
    terminal.print(f"{knee.prepared.side} knee (side from: {describe_knee(knee)['side_source']})")
    for grade, (probability, meaning) in enumerate(zip(koa.values, GRADE_NAMES, strict=True)):
        terminal.print(f"KL-{grade}  {probability:5.1%}  {_bar(probability, 1.0)}  {meaning}")
    if early is not None:
        terminal.print(f"KL-2 rather than KL-0, if it is one of them: {early.probability:.1%}")
        places = ", ".join(f"{share:.0%} {name}" for name, share in early.compartment_shares.items())
        terminal.print(f"Where the map speaks for KL-2: {places}")
    terminal.print("Grey levels of the crop, dark to bright:")
    per_line = len(histogram) // _HISTOGRAM_LINES
    shares = [sum(histogram[first : first + per_line]) for first in range(0, len(histogram), per_line)]
    for line, share in enumerate(shares):
        terminal.print(f"{-1 + 2 * line / len(shares):+.3f}  {share:5.1%}  {_bar(share, max(shares))}")
    terminal.say("Computed by a small network for research; a radiologist may grade this knee differently.")


def _check_map(options: argparse.Namespace) -> None:
    if options.early_oa is None:
        raise InputError(
            "--map needs --early-oa, whose network it explains.", code="bad-option", hint="Give --early-oa as well."
        )
    if options.map.suffix.lower() != ".png":
        raise InputError(
            f"The map {options.map.name!r} is not a PNG file name.", code="bad-output", hint="End the name in .png."
        )
    check_place(options.map, 1_000_000)


def _draw_map(path: Path, prepared: PreparedRadiograph, early: EarlyEvidence) -> None:
    """Draw the maps in the orientation of the radiograph, from which a left knee was mirrored."""
    from ..rendering.activation_picture import write_activation_picture

    def shown(picture: np.ndarray) -> np.ndarray:
        return picture[:, ::-1] if prepared.mirrored else picture

    highest = early.maps.max(axis=(1, 2))
    depths = [shown(found / (most or 1.0)) for found, most in zip(early.maps, highest, strict=True)]
    headline = f"KL-2 rather than KL-0, if it is one of them: {early.probability:.0%}"
    write_activation_picture(path, shown(prepared.image[0]), shown(early.combined), depths, headline)


def _bar(value: float, full: float) -> str:
    return ("#" * round(_BAR_WIDTH * value / full if full else 0)).ljust(_BAR_WIDTH)
