"""``xray2mri grade``: Kellgren-Lawrence probabilities and the intensity histogram of a radiograph."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..conditions.koa_probabilities import GRADE_NAMES
from .radiograph_arguments import add_json_argument, add_knee_arguments, add_radiograph_argument
from .setting_options import add_setting, settings_from
from .terminal import Terminal

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
        help="also KL-2 against KL-0, by a network of xray2mri train siamese-gap (its folder average or max)",
    )
    add_json_argument(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> None:
    """Print the probabilities of the five grades and the grey-level distribution of the prepared crop."""
    settings = settings_from(options)
    from ..conditions.intensity_histogram import intensity_histogram
    from ..conditions.koa_classifier import classify_koa
    from ..generation.prepared_knee import describe_knee, prepare_knee
    from ..radiograph.reading import read_radiograph

    knee = prepare_knee(read_radiograph(options.radiograph, photometric=settings.photometric), settings)
    koa = classify_koa(knee.prepared.image)
    histogram = [float(share) for share in intensity_histogram(knee.prepared.image)]
    early = None
    if options.early_oa is not None:
        from ..baselines.siamese_gap import early_osteoarthritis

        early = early_osteoarthritis(knee.prepared.image, options.early_oa)
    terminal.warn(knee.warnings)
    if options.json:
        terminal.print_json(
            {
                "kl_probabilities": list(koa.values),
                "kl_grade": koa.grade,
                "source": koa.source,
                "early_osteoarthritis": early,
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
        terminal.print(f"KL-2 rather than KL-0, if it is one of them: {early:.1%}")
    terminal.print("Grey levels of the crop, dark to bright:")
    per_line = len(histogram) // _HISTOGRAM_LINES
    shares = [sum(histogram[first : first + per_line]) for first in range(0, len(histogram), per_line)]
    for line, share in enumerate(shares):
        terminal.print(f"{-1 + 2 * line / len(shares):+.3f}  {share:5.1%}  {_bar(share, max(shares))}")
    terminal.say("Computed by a small network for research; a radiologist may grade this knee differently.")


def _bar(value: float, full: float) -> str:
    return ("#" * round(_BAR_WIDTH * value / full if full else 0)).ljust(_BAR_WIDTH)
