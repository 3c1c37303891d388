"""``xray2mri evaluate``: comparison of a pseudo-MRI with a real MRI, next to control volumes.

With two folders instead of two files, every volume is compared with every reference, to see whether each is closest to
its own.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..errors import InputError
from .radiograph_arguments import add_json_argument
from .setting_options import numbers
from .terminal import Terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add = parser.add_argument
    add(
        "pseudo",
        metavar="PSEUDO",
        type=Path,
        help="volume from xray2mri generate, with its side-car; or a folder of such volumes",
    )
    add(
        "reference",
        metavar="REFERENCE",
        type=Path,
        help="MRI of the same knee: NRRD, NIfTI, MHA, a folder of DICOM slices, or a simulated pair (.npz); "
        "with a folder of volumes, a folder of references with the same names",
    )
    add(
        "--align",
        choices=("rigid", "similarity", "none"),
        default="rigid",
        help="registration of the reference to the pseudo-MRI (default: %(default)s)",
    )
    add(
        "--initial",
        type=numbers,
        metavar="M00,M01,...,M33",
        help="initial 4 x 4 matrix from reference to pseudo-MRI, 16 numbers row by row, LPS mm",
    )
    add(
        "--controls",
        type=Path,
        metavar="DIR",
        help="folder of other patients' volumes (default: one simulated knee that ships with the program)",
    )
    add("-o", "--output", type=Path, metavar="REPORT.html", help="file for the report: one page with embedded images")
    add("--csv", type=Path, metavar="OUT.csv", help="file for the results per slice")
    add_json_argument(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> None:
    """Compare; progress and warnings on stderr, the table (or JSON) on stdout."""
    terminal.progress({"stage": "start", "step": 0, "of": 1, "fraction": 0.0, "eta_s": None})
    if options.pseudo.is_dir():
        _run_folders(options, terminal)
        return
    from ..comparison.compare import compare
    from ..reports.comparison_files import write_comparison

    result = compare(
        options.pseudo,
        options.reference,
        method=options.align,
        initial=options.initial,
        controls=options.controls,
        report=options.output,
        table=options.csv,
        write=write_comparison,
        on_progress=terminal.progress,
    ).result
    terminal.warn(result["warnings"])
    if options.json:
        terminal.print_json(result)
        return
    terminal.print(result["verdict"])
    terminal.print("")
    for line in table_lines(result):
        terminal.print(line)
    for name in ("report", "table"):
        if result.get(name):
            terminal.print(f"{name:<11} {result[name]}")
    terminal.say(result["notice"])


def _run_folders(options: argparse.Namespace, terminal: Terminal) -> None:
    """Compare a folder of volumes with a folder of references."""
    for name in ("initial", "controls", "output", "csv"):
        if getattr(options, name) is not None:
            raise InputError(f"The option --{name} is for one volume, not for folders.", code="bad-option",
                             hint="Leave it out; --json prints all results.")  # fmt: skip
    from ..comparison.folder_comparison import compare_folders

    result = compare_folders(options.pseudo, options.reference, method=options.align, on_progress=terminal.progress)
    terminal.warn(result["warnings"])
    if result["unmatched"]:
        terminal.warn([f"Left out, because the other folder has no such file: {', '.join(result['unmatched'])}."])
    if options.json:
        terminal.print_json(result)
        return
    terminal.print(result["verdict"])
    terminal.print("")
    for line in specificity_lines(result):
        terminal.print(line)
    terminal.say(result["notice"])


def specificity_lines(result: dict[str, Any]) -> list[str]:
    """One metric per line: medians of own and other pairs, share of own references ranked first, AUC with interval."""
    from ..reports.measure_text import metric_label

    lines = [f"{'':<34}{'own':>10}{'others':>10}{'own first':>11}{'AUC':>7}   95 % interval"]
    for measure, found in result["measures"].items():
        cells = f"{_format_value(found['own']):>10}{_format_value(found['others']):>10}"
        if found["auc"] is None:
            cells += f"{'-':>11}{'-':>7}   undefined for some pairs"
        else:
            low, high = found["auc_interval"]
            cells += f"{found['rank_1']:>11.0%}{found['auc']:>7.2f}   {low:.2f} to {high:.2f}"
        lines.append(f"{metric_label(measure):<34}{cells}")
    lines.append(f"{'chance':<34}{'':>20}{1 / len(result['pairs']):>11.0%}{0.5:>7.2f}")
    return lines


def table_lines(result: dict[str, Any]) -> list[str]:
    """The medians as lines of a table: one metric per line, the pseudo-MRI in the first column."""
    from ..comparison.evaluation import MEASURES
    from ..reports.measure_text import metric_label

    names = list(result["summary"]["edge_mm"])
    lines = [" " * 34 + "".join(f"{name:>18}" for name in names)]
    for measure in MEASURES:
        values = result["summary"][measure]
        cells = "".join(f"{_format_value(values.get(name)):>18}" for name in names)
        missing = result["undefined"][measure]["pseudo"]
        remark = f"   undefined in {missing} of {len(result['per_slice'])} slices" if missing else ""
        lines.append(f"{metric_label(measure):<34}{cells}{remark}")
    correlation = result["summary"]["correlation"]
    lines.append(
        f"{'Correlation of neighbouring slices':<34}{_format_value(correlation['pseudo']):>18}"
        f"   reference {_format_value(correlation['reference'])}; closer to it is better, higher is not"
    )
    calibration = result["calibration"]
    if calibration is not None:
        lines.append(
            f"{'Standard deviation and error':<34}{_format_value(calibration['spearman']):>18}"
            f"   rank correlation; the error is {_format_value(calibration['ratio'])} times the deviation over seeds"
        )
    return lines


def _format_value(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
