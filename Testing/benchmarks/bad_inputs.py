"""Bad inputs counted: how many of each kind were refused, read right, or taken wrongly.

    python Testing/benchmarks/bad_inputs.py -o bad_inputs.json

The inputs are those of the tests: radiographs with damaged bytes, MR series with slices dropped, doubled, swapped, cut,
mixed, stripped or moved, volume files that are cut or have no frame, and impossible command lines. *Refused* is one
sentence that names the file or the option, and nothing written. *Right* is the truth: for an MR series every voxel at
its place. Of a radiograph that is read although bytes are damaged, only that its values are numbers is known: no format
but PNG and gzip has a checksum. *Wrong* is everything else, a traceback too. Returns 1 when there is one.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [
    str(ROOT / name) for name in ("", "Testing/material", "Testing/radiograph", "Testing/comparison", "Testing/cli")
]
from result_file import write_result  # noqa: E402

# what happened, and what was said or found
Outcome = tuple[str, str]
OUTCOMES = ("refused", "right", "wrong")


def main() -> int:
    """Try everything and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--radiographs", type=int, default=30, metavar="N", help="damaged copies of each of 18 files")
    parser.add_argument("--series", type=int, default=360, metavar="N", help="damaged MR series")
    parser.add_argument("--lengths", type=int, default=40, metavar="N", help="lengths that a volume file is cut to")
    parser.add_argument("-o", "--output", type=Path, help="JSON file to write as well")
    options = parser.parse_args()
    sources: dict[str, Callable[[Path], Iterator[Outcome]]] = {
        "radiographs with damaged bytes": lambda folder: radiographs(folder, options.radiographs),
        "MR series, damaged": lambda folder: series(folder, options.series),
        "volume files, cut": lambda folder: cut_volumes(folder, options.lengths),
        "volume files without a usable frame": volumes_without_frame,
        "command lines": command_lines,
    }
    figures: dict[str, dict[str, int]] = {}
    print("| input | tried | refused | read right | wrong | seconds |\n|---|---|---|---|---|---|")
    for name, source in sources.items():
        began, counts = time.monotonic(), Counter()
        with tempfile.TemporaryDirectory() as folder:
            for outcome, said in source(Path(folder)):
                counts[outcome] += 1
                if outcome == "wrong":
                    print(f"wrong: {name}: {said}", file=sys.stderr)
        figures[name] = {"tried": sum(counts.values()), **{outcome: counts[outcome] for outcome in OUTCOMES}}
        print(_row(name, figures[name], f"{time.monotonic() - began:.0f}"), flush=True)
    total = {column: sum(row[column] for row in figures.values()) for column in ("tried", *OUTCOMES)}
    print(_row("all", total, ""))
    if options.output is not None:
        settings = {"radiographs": options.radiographs, "series": options.series, "lengths": options.lengths}
        write_result(options.output, command="python Testing/benchmarks/bad_inputs.py", settings=settings,
                     figures={**figures, "all": total})  # fmt: skip
    return 1 if total["wrong"] else 0


def _row(name: str, counts: dict[str, int], seconds: str) -> str:
    return f"| {name} | {' | '.join(str(counts[column]) for column in ('tried', *OUTCOMES))} | {seconds} |"


def radiographs(folder: Path, copies: int) -> Iterator[Outcome]:
    """The damaged files of the fuzz test."""
    from test_reading_fuzz import KINDS, damage, whole_file

    from Xray2MRILib.errors import InputError, ProcessingError
    from Xray2MRILib.radiograph.reading import read_radiograph

    for kind in KINDS:
        whole, path, rng = whole_file(kind, folder), folder / f"film.{kind}", random.Random(f"{kind} 2026")
        for number in range(copies):
            path.write_bytes(damage(whole, rng))
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    pixels = read_radiograph(path).pixels
            except (InputError, ProcessingError) as error:
                yield ("refused" if path.name in error.message else "wrong"), f"{kind} {number}: {error.message}"
            except Exception as error:  # whatever else comes out is what is looked for
                yield "wrong", f"{kind} {number}: {type(error).__name__}: {error}"
            else:
                sound = np.isfinite(pixels).all() and pixels.max() > pixels.min()
                yield ("right" if sound else "wrong"), f"{kind} {number}"


def series(folder: Path, count: int) -> Iterator[Outcome]:
    """The damaged MR series of the fuzz test."""
    from damaged_mri_series import damaged_series
    from mri_series import outcome

    for seed in range(count):
        place = folder / str(seed) / "scan"
        kind, truth = damaged_series(seed, place)
        yield _guarded(lambda truth=truth, place=place: outcome(truth, place), f"{seed} {kind}")


def _guarded(ask: Callable[[], Outcome], case: str) -> Outcome:
    try:
        found, said = ask()
    except Exception as error:  # whatever else comes out is what is looked for
        return "wrong", f"{case}: {type(error).__name__}: {error}"
    return found, f"{case}: {said}"


def _reference(path: Path) -> Outcome:
    """A volume file that must be refused, or be the volume of the tests in its place."""
    from test_reference_frame import assert_in_place

    from Xray2MRILib.comparison.reference_volume import read_reference
    from Xray2MRILib.errors import InputError

    try:
        image = read_reference(path).image
    except InputError as error:
        return ("refused" if path.name in error.message and error.hint else "wrong"), error.message
    assert_in_place(image)
    return "right", ""


def cut_volumes(folder: Path, lengths: int) -> Iterator[Outcome]:
    """Volume files that end too early, and whole ones."""
    import SimpleITK as sitk
    from test_reference_frame import _image

    for ending in ("nii", "nii.gz", "nrrd", "mha", "packed.nrrd", "packed.mha"):
        path = folder / f"scan.{ending}"
        sitk.WriteImage(_image(), str(path), useCompression="packed" in ending)
        whole = path.read_bytes()
        for number in range(lengths + 1):
            path.write_bytes(whole[: len(whole) * number // lengths])
            yield _guarded(lambda path=path: _reference(path), f"{ending} {number}/{lengths}")
        path.unlink()


def volumes_without_frame(folder: Path) -> Iterator[Outcome]:
    """The headers of the tests that no frame can be taken from; reading one is wrong."""
    import test_reference_frame as tests

    for test, made, ending in ((tests.test_nifti_that_is_refused, tests.nifti, "nii"),
                               (tests.test_nrrd_that_is_refused, tests.nrrd, "nrrd"),
                               (tests.test_metaimage_that_is_refused, tests.metaimage, "mha")):  # fmt: skip
        for changes, _ in next(mark.args[1] for mark in test.pytestmark if "changes" in mark.args[0]):
            path = folder / f"scan.{ending}"
            path.write_bytes(made(**changes))
            found, said = _guarded(lambda path=path: _reference(path), f"{ending} {changes}")
            yield ("wrong" if found == "right" else found), said


def command_lines(folder: Path) -> Iterator[Outcome]:
    """Impossible options, one at a time, beside a generation that would succeed."""
    import torch
    from test_bad_input import BAD_VALUES

    from Xray2MRILib.generation.pipeline import Xray2MRIPipeline
    from Xray2MRILib.model_store.assembly import build_components

    torch.manual_seed(0)
    Xray2MRIPipeline(**build_components("tiny")).save_pretrained(folder / "tiny", card={"preset": "tiny"})
    radiograph = ROOT / "Testing/localization/radiographs/0075.webp"
    output = folder / "out"
    output.mkdir()
    quick = ["generate", str(radiograph), "-o", str(output / "v.nrrd"), "--model", str(folder / "tiny"), "--slices=2",
             "--steps=1", "--device=cpu"]  # fmt: skip
    for option, values in BAD_VALUES.items():
        for value in values:
            grade = [] if option.startswith("--kl") else ["--kl-grade", "2"]
            yield _command([*quick, *grade, f"{option}={value}"], output)


def _command(given: list[str], output: Path) -> Outcome:
    from Xray2MRILib.cli import main as command

    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.redirect_stderr(said):
        code = command(given)
    sentences = [line for line in said.getvalue().splitlines() if line.startswith("xray2mri: ")]
    clean = code in (1, 2) and len(sentences) == 1 and "unforeseen" not in sentences[0] and not printed.getvalue()
    left = [path for path in output.iterdir()]
    for path in left:
        path.unlink()
    return ("refused" if clean and not left else "wrong"), f"{given[-1]}: exit {code}, {sentences}"


if __name__ == "__main__":
    sys.exit(main())
