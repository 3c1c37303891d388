"""``xray2mri simulate``: simulated pairs of MR volume and radiograph for training."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..errors import InputError
from .terminal import Terminal

_LARGEST_COUNT = 1_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add = parser.add_argument
    add(
        "-o",
        "--output",
        metavar="FOLDER",
        type=Path,
        required=True,
        help="folder for the pairs; existing ones are kept",
    )
    add("--count", type=int, default=100, metavar="N", help="number of knees (default: %(default)s)")
    add("--seed", type=int, default=0, help="knee k has the seed SEED + k (default: %(default)s)")
    add("--held-out", action="store_true", help="use seeds that no training set uses")
    add("--first", type=int, default=0, metavar="K", help="start with knee K (default: %(default)s)")
    add("--stride", type=int, default=1, metavar="M",
        help="simulate every M-th knee, to split the work between processes")  # fmt: skip
    add("--regraded-every", type=int, default=0, metavar="M",
        help="make every M-th knee a second time at a grade far from its own, for trainings with regraded_share "
        "(default: none)")  # fmt: skip
    add(
        "--labels",
        metavar="DIR",
        type=Path,
        action="append",
        help="folder with your own labels.nrrd and labels.json (docs/label-maps.md), whose knee gets soft tissue of "
        "those that ship; may be repeated (default: the five knees that ship with Xray2MRI, docs/image-templates.md)",
    )
    add(
        "--high-resolution",
        action="store_true",
        help="make isotropic volumes of 0.625 mm for super-resolution instead of pairs, 16 MB each "
        "(docs/super-resolution.md)",
    )
    add(
        "--image-templates",
        action="store_true",
        help="accepted for older scripts; knees are always drawn from image-based templates now",
    )
    add(
        "--export",
        metavar="FOLDER",
        type=Path,
        help="also write every knee of the output folder as a radiograph (PNG) and an MR volume (NRRD) for viewers",
    )
    add(
        "--preview", metavar="PNG", type=Path, help="write a contact sheet of radiographs and slices for every KL grade"
    )


def run(options: argparse.Namespace, terminal: Terminal) -> None:
    """Simulate the knees missing from the folder; progress on stderr, the folder on stdout."""
    from ..simulation.pairs.population import HELD_OUT_OFFSET, REGRADED_OFFSET, simulate_population

    if not 1 <= options.count <= _LARGEST_COUNT or not 0 <= options.first < options.count or options.stride < 1:
        raise InputError(
            "The options --count, --first and --stride select no knees.",
            code="bad-option",
            hint=f"Choose --count from 1 to {_LARGEST_COUNT}, --first below it and --stride of 1 or more.",
        )
    if not 0 <= options.seed < 2**31:
        raise InputError(f"The option --seed cannot be {options.seed}.", code="bad-option", hint="Choose 0 or more.")
    if not 0 <= options.regraded_every <= _LARGEST_COUNT or (options.regraded_every and options.high_resolution):
        raise InputError(
            f"The option --regraded-every cannot be {options.regraded_every} here.",
            code="bad-option",
            hint="Choose 1 or more, 0 for none, and leave it out with --high-resolution.",
        )
    if options.regraded_every and options.count > REGRADED_OFFSET:
        raise InputError(
            f"With --regraded-every there is room for {REGRADED_OFFSET} knees, not for {options.count}.",
            code="bad-option",
            hint="Choose a smaller --count.",
        )
    if options.output.exists() and not options.output.is_dir():
        raise InputError(f"The output {options.output.name} is a file.", code="bad-output", hint="Name a folder.")
    if options.export is not None and options.export.exists() and not options.export.is_dir():
        raise InputError(f"The output {options.export.name} is a file.", code="bad-output", hint="Name a folder.")
    if options.high_resolution and (options.export is not None or options.preview is not None):
        raise InputError(
            "The options --export and --preview are for pairs.",
            code="bad-option",
            hint="Leave them out with --high-resolution.",
        )
    if options.preview is not None:
        from ..simulation.pairs.pair_preview import check_preview_path, write_preview

        check_preview_path(options.preview)
    from ..generation.job_progress import JobProgress
    from ..simulation.pairs.template_library import TemplateLibrary

    if not options.held_out and options.seed + options.count > HELD_OUT_OFFSET:
        raise InputError(
            f"The seeds {options.seed} to {options.seed + options.count - 1} overlap those of held-out knees.",
            code="bad-option",
            hint=f"Stay below {HELD_OUT_OFFSET}, or give --held-out.",
        )
    if options.image_templates:
        terminal.say("--image-templates is no longer needed: knees are always drawn from image-based templates.")
    missing = TemplateLibrary(options.labels).missing()
    if missing:
        terminal.say(
            f"{len(missing)} parts of the knees' templates are built first where a knee needs them, and kept in "
            f"{missing[0].parent}: some minutes, once."
        )
    progress_bar = JobProgress({"simulate": 1.0}, "simulate", terminal.progress, proportions_only=True)
    progress_bar.at("simulate", 0.0, of=options.count)
    if options.high_resolution:
        from ..simulation.high_resolution.fine_population import simulate_fine_population
    simulate: Any = simulate_fine_population if options.high_resolution else simulate_population
    more = {"regraded_every": options.regraded_every} if options.regraded_every else {}
    simulate(
        options.output,
        options.count,
        seed=options.seed + (HELD_OUT_OFFSET if options.held_out else 0),
        first=options.first,
        stride=options.stride,
        label_maps=options.labels,
        **more,
        progress=lambda done, of: progress_bar.at("simulate", done / of, step=done, of=of),
    )
    progress_bar.finished()
    terminal.print(str(options.output))
    if options.export is not None:
        from ..simulation.pairs.pair_export import export_pairs

        export_pairs(options.output, options.export)
        terminal.print(str(options.export))
    if options.preview is not None:
        write_preview(options.output, options.preview)
        terminal.print(str(options.preview))
