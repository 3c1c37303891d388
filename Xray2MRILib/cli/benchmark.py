"""``xray2mri benchmark``: comparison of methods on the same held-out knees, as a report page and tables."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import InputError
from ..generation.settings import SETTINGS
from ..volume.geometry import OAI_FIELD
from .radiograph_arguments import add_json_argument
from .setting_options import add_setting
from .terminal import Terminal

_DENSITIES = (30, 50, 100, 200, 300, 400, 500)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add = parser.add_argument
    add("-o", "--output", metavar="FOLDER", type=Path, required=True,
        help="folder for the results; run again to resume or to add methods")  # fmt: skip
    add("--pairs", metavar="FOLDER", type=Path, required=True, help="held-out pairs of xray2mri simulate --held-out")
    add("--training", metavar="FOLDER", type=Path, help="training pairs, for the control 'training mean'")
    add(
        "--method",
        metavar="TITLE=MODEL",
        action="append",
        default=[],
        help="title of a method and its model (compact or a folder); may be repeated. The first method is tested "
        "against the others",
    )
    add("--knees", type=int, metavar="N", help="use the first N knees (default: all)")
    add(
        "--slices",
        type=int,
        choices=(OAI_FIELD.num_slices, 8),
        default=OAI_FIELD.num_slices,
        help="slices per volume; 8 takes every seventh slice (default: %(default)s)",
    )
    # the same for all models, regardless of their cards
    add_setting(parser, "steps", default=SETTINGS["steps"].fallback)
    add_setting(parser, "seed", help="seed of all volumes")
    add(
        "--grades",
        choices=("truth", "classifier"),
        default="truth",
        help="grade probabilities from the simulation or from the shipped classifier (default: %(default)s)",
    )
    add(
        "--densities",
        metavar="S,S,...",
        default=",".join(str(density) for density in _DENSITIES),
        help="numbers of slices in the correlation curve, empty for no curve (default: %(default)s)",
    )
    add("--density-knees", type=int, default=2, metavar="N",
        help="number of knees in the correlation curve (default: %(default)s)")  # fmt: skip
    add("--specificity-knees", type=int, default=12, metavar="N",
        help="number of knees whose volumes are compared with every reference (default: %(default)s)")  # fmt: skip
    add_setting(parser, "device")
    add_json_argument(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> None:
    """Run or resume the benchmark; the results in sentences and the file names go to stdout."""
    models = {}
    for text in options.method:
        title, equals, model = text.partition("=")
        if not equals or not title.strip() or not model.strip() or title.strip() in models:
            raise InputError(
                f"The method {text[:60]!r} does not have the form TITLE=MODEL with a unique title.", code="bad-option",
                hint="For example --method Xray2MRI=compact --method LDM=runs/ldm/model.",
            )  # fmt: skip
        models[title.strip()] = model.strip()
    densities = _densities(options.densities)
    for name, value, low in (("--knees", options.knees, 1), ("--density-knees", options.density_knees, 0),
                             ("--specificity-knees", options.specificity_knees, 0)):  # fmt: skip
        if value is not None and value < low:
            raise InputError(f"{name} cannot be {value}: choose {low} or more.", code="bad-option")
    from ..benchmark.findings import verdict
    from ..benchmark.plan import BenchmarkPlan
    from ..benchmark.runner import run_benchmark
    from ..benchmark.tables import summary, write_tables
    from ..reports.benchmark_report import write_benchmark_report

    plan = BenchmarkPlan(
        models, options.pairs, options.output, options.training, options.knees, options.slices, options.steps,
        options.seed, options.grades, options.device, densities, options.density_knees, options.specificity_knees,
    )  # fmt: skip
    result = run_benchmark(
        plan,
        lambda done, of: terminal.progress(
            {"stage": "benchmark", "step": done, "of": of, "fraction": done / of, "eta_s": None}
        ),
    )
    found = summary(result)
    page = write_benchmark_report(result, found, options.output / "benchmark.html")
    paths = [page, *write_tables(result, found, options.output)]
    if options.json:
        terminal.print_json({"files": [str(path) for path in paths], "verdict": verdict(result, found), **found})
        return
    for sentence in verdict(result, found):
        terminal.print(sentence)
    for path in paths:
        terminal.print(str(path))


def _densities(text: str) -> tuple[int, ...]:
    try:
        found = tuple(sorted({int(part) for part in text.split(",") if part.strip()}))
    except ValueError:
        found = (0,)
    allowed = SETTINGS["slices"]
    if any(not allowed.low <= density <= allowed.high for density in found):
        raise InputError(
            f"The densities {text[:60]!r} are not numbers from {allowed.low} to {allowed.high} separated by commas.",
            code="bad-option",
        )
    return found
