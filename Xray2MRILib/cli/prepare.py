"""``xray2mri prepare``: training pairs from the archive of a cohort, radiograph and MR scan of real knees."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from ..errors import InputError
from .radiograph_arguments import add_json_argument
from .setting_options import numbers
from .terminal import Terminal

_FRAMES = ("scan", "film")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add = parser.add_argument
    add(
        "cohort",
        metavar="COHORT",
        type=Path,
        help="table of the knees (CSV: participant, side, radiograph, series, and where known visit, kl_grade, age, "
        "sex, bmi, box), or a folder laid out as the OAI's archive (participant / date / series)",
    )
    add("-o", "--output", metavar="FOLDER", type=Path, required=True,
        help="folder for the pairs; a stopped run continues")  # fmt: skip
    add("--clinical", metavar="TABLE", type=Path, action="append", default=[],
        help="for a folder: text table of the archive with grades, age, sex or BMI; may be repeated")  # fmt: skip
    add("--visit", default="V00", metavar="VISIT", help="columns of these tables to read (default: %(default)s)")
    add(
        "--frame",
        choices=_FRAMES,
        default="scan",
        help="scan: scan and radiograph as they are, as in the paper; film: also find where the scan lies on the "
        "radiograph, for models that place it there (default: %(default)s)",
    )
    add("--first-slice", type=int, default=13, metavar="K",
        help="first of the 50 slices, counted from 0 at the posterior end (default: %(default)s)")  # fmt: skip
    add("--split", type=numbers, default=(0.7, 0.15, 0.15), metavar="A,B,C",
        help="shares of training, validation and test, by participant (default: 0.7,0.15,0.15)")  # fmt: skip
    add("--split-seed", type=int, default=0, metavar="N", help="another split of the same shares (default: 0)")
    add("--workers", type=int, default=max(1, min(4, (os.cpu_count() or 2) - 1)), metavar="N",
        help="processes, about 1 GB each; 0 works in this one (default: %(default)s)")  # fmt: skip
    add("--strict", action="store_true",
        help="refuse radiographs that do not look like a frontal knee, instead of noting a doubt")  # fmt: skip
    add("--source-name", default="", metavar="TEXT",
        help="what the data are, for the cards of models trained on them, for example 'OAI, baseline'")  # fmt: skip
    add("--private", metavar="FOLDER", type=Path,
        help="folder for the salt of the keys and for the table with participants (default: beside "
        "the output)")  # fmt: skip
    add("--keep-identifiers", action="store_true", help="name the pairs by participant instead of a salted key")
    add_json_argument(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> None:
    """Prepare; progress on stderr, the folder and what was refused on stdout."""
    if options.workers < 0:
        raise InputError("The option --workers cannot be below 0.", code="bad-option", hint="Choose 0 or more.")
    if options.output.exists() and not options.output.is_dir():
        raise InputError(f"The output {options.output.name} is a file.", code="bad-output", hint="Name a folder.")
    if not options.cohort.exists():
        raise InputError(f"There is no {options.cohort.name}.", code="missing-cohort", hint="Check the path.")
    from ..generation.job_progress import JobProgress
    from ..real_pairs.cohort import prepare_cohort
    from ..real_pairs.cohort_settings import CohortSettings
    from ..real_pairs.studies import studies_of

    settings = CohortSettings(
        frame=options.frame,
        first_slice=options.first_slice,
        shares=options.split,
        split_seed=options.split_seed,
        strict=options.strict,
        keep_identifiers=options.keep_identifiers,
        source=options.source_name,
    )
    studies, left_out = studies_of(options.cohort, options.clinical, options.visit)
    bar = JobProgress({"prepare": 1.0}, "prepare", terminal.progress, proportions_only=True)
    bar.at("prepare", 0.0, of=len(studies))
    result = prepare_cohort(
        studies, options.output, settings, left_out=left_out, private=options.private, workers=options.workers,
        progress=lambda done, of: bar.at("prepare", done / of, step=done, of=of),
    )  # fmt: skip
    bar.finished()
    if options.json:
        terminal.print_json(
            {"output": str(options.output), "prepared": result.prepared, "refused": result.refused,
             "report": str(result.report)}
        )  # fmt: skip
        return
    terminal.print(str(options.output))
    for part, count in result.prepared.items():
        terminal.print(f"{part:<11} {count}")
    terminal.print(f"{'refused':<11} {result.refused}")
    terminal.say(f"Reasons are in {result.report}. The private folder tells who the knees are: do not pass it on.")
