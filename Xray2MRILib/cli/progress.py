"""``xray2mri progress``: a series of radiographs from a healthy to a diseased knee, or towards another radiograph."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import InputError
from ..generation.settings import PHOTOMETRIC
from .radiograph_arguments import add_json_argument, add_knee_arguments, add_radiograph_argument
from .setting_options import add_setting, numbers, settings_from
from .terminal import Terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add = parser.add_argument
    add_radiograph_argument(parser)
    add("-o", "--output", metavar="FOLDER", type=Path, required=True, help="new or empty folder for the series")
    add(
        "--morphing-model",
        metavar="FOLDER",
        type=Path,
        help="model of xray2mri train morphing (its folder model) instead of the shipped one",
    )
    aim = parser.add_mutually_exclusive_group()
    aim.add_argument(
        "--to", type=int, default=4, metavar="G", help="grade of the last frame, 1 to 4 (default: %(default)s)"
    )
    aim.add_argument(
        "--towards", metavar="RADIOGRAPH", type=Path,
        help="target radiograph of the series instead of a grade, e.g. of the same knee at a follow-up visit",
    )  # fmt: skip
    add("--towards-roi", type=numbers, metavar="X,Y,W,H",
        help="rectangle of the knee in pixels of the radiograph of --towards")  # fmt: skip
    add("--towards-photometric", choices=PHOTOMETRIC, default=PHOTOMETRIC[0],
        help="how bone is stored in the radiograph of --towards: normal (bright) or inverted (dark)")  # fmt: skip
    add(
        "--course",
        metavar="NAME",
        help="course of the disease, medial or lateral with the shipped model (default: the usual one)",
    )
    add("--frames", type=int, default=8, metavar="N", help="number of radiographs, 2 to 100 (default: %(default)s)")
    add("--volumes", action="store_true", help="also generate a pseudo-MRI volume from every radiograph")
    add_setting(parser, "slices", help="slices per volume")
    add_setting(parser, "steps")
    add_setting(parser, "seed", help="seed of all volumes")
    add_setting(parser, "model", help="model for --volumes")
    add_setting(parser, "device", help="compute device for --volumes")
    add_setting(parser, "precision")
    add_setting(parser, "scanner_noise")
    add_knee_arguments(parser)
    add_setting(parser, "photometric")
    add_json_argument(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> None:
    """Write the series; the classifier's grade probabilities of its radiographs go to stdout."""
    settings = settings_from(options)
    for name, value, low, high in (("--to", options.to, 1, 4), ("--frames", options.frames, 2, 100)):
        if not low <= value <= high:
            raise InputError(f"{name} cannot be {value}: choose a number from {low} to {high}.", code="bad-option")
    if options.towards_roi is not None and options.towards is None:
        raise InputError(
            "--towards-roi needs the radiograph of --towards.", code="bad-option", hint="Give --towards as well."
        )
    if options.course is not None and options.towards is not None:
        raise InputError(
            "--course has no meaning beside --towards, which gives the course.",
            code="bad-option",
            hint="Give one of the two.",
        )
    if options.towards_photometric != PHOTOMETRIC[0] and options.towards is None:
        raise InputError(
            "--towards-photometric needs the radiograph of --towards.",
            code="bad-option",
            hint="Give --towards as well.",
        )
    from ..generation.prepared_knee import prepare_knee
    from ..progression.follow_up import prepare_follow_up
    from ..progression.radiograph_series import write_radiograph_series
    from ..radiograph.reading import read_radiograph

    knee = prepare_knee(read_radiograph(options.radiograph, photometric=settings.photometric), settings)
    terminal.warn(knee.warnings)
    towards = None
    if options.towards is not None:
        towards, warnings = prepare_follow_up(
            options.towards, knee.prepared, side=settings.side, roi=options.towards_roi,
            photometric=options.towards_photometric,
        )  # fmt: skip
        terminal.warn(warnings)
    stage = "volume" if options.volumes else "film"
    record = write_radiograph_series(
        knee.prepared, options.morphing_model, options.output, to_grade=options.to, frames=options.frames,
        towards=towards, course=options.course, settings=settings if options.volumes else None,
        on_frame=lambda done, of: terminal.progress(
            {"stage": stage, "step": done, "of": of, "fraction": done / of, "eta_s": None}
        ),
    )  # fmt: skip
    terminal.warn(record["warnings"])
    if options.json:
        terminal.print_json({"output": str(options.output), **record})
        return
    for frame in record["frames"]:
        bars = " ".join(f"{probability:4.0%}" for probability in frame["kl_probabilities"])
        terminal.print(f"{frame['film']}  severity {frame['severity']:.2f}  KL-0 to KL-4 by the classifier: {bars}")
    if towards is not None:
        correlation = record["correlation_with_target"]
        terminal.print(f"local correlation with {options.towards.name}: {correlation['film']:.3f} for the radiograph, "
                       f"{correlation['last_frame']:.3f} for the last frame")  # fmt: skip
    terminal.say(record["notice"])
