"""``xray2mri convert``: conversion of a saved volume to another file, a DICOM series, a report or a table."""

from __future__ import annotations

import argparse
from pathlib import Path

from .radiograph_arguments import add_json_argument
from .terminal import Terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add = parser.add_argument
    add("volume", metavar="VOLUME", type=Path, help="volume from xray2mri generate, with its .json in the same folder")
    add(
        "output",
        metavar="OUTPUT",
        type=Path,
        help=".nrrd, .nii.gz or .mha: a volume file; .html: a report; .csv: a table; a folder: a DICOM series",
    )
    add("--dicom", action="store_true", help="write a DICOM series to the folder OUTPUT, whatever its extension")
    add(
        "--radiograph",
        metavar="FILE",
        type=Path,
        help="the volume's radiograph: shown in a report; referenced in a DICOM series if it is a DICOM file",
    )
    add("--comparison", metavar="FILE.json", type=Path, help="results of a comparison, for a report or table")
    add(
        "--keep-identifiers",
        action="store_true",
        help="copy patient and study of a DICOM radiograph to the DICOM series (never by default)",
    )
    add_json_argument(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> None:
    """Write the files and print their paths."""
    from ..export.convert import convert, format_of
    from ..volume.provenance import notice

    form = "dicom" if options.dicom else format_of(options.output)
    files = convert(
        options.volume,
        options.output,
        form,
        radiograph=options.radiograph,
        comparison=options.comparison,
        keep_identifiers=options.keep_identifiers,
    )
    if options.json:
        terminal.print_json({"files": [str(path) for path in files], "format": form, "notice": notice()})
        return
    terminal.print(f"{len(files)} images in {options.output}" if form == "dicom" else "\n".join(map(str, files)))
    terminal.say(notice())
