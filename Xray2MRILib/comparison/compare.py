"""From two volumes to a report: the one procedure behind ``xray2mri evaluate`` and the worker's request ``compare``.

The noise-free voxels of a pseudo-MRI are measured; without their file those with scanner noise, and a warning says so.

The result is a dictionary of plain values (JSON)::

    transform   16 numbers, 4 x 4 row by row, LPS mm: points of the reference to points of the pseudo-MRI
    per_slice   [{index, depth_mm, psnr_db, ssim, rssim, edge_mm, f1, correlation, correlation_reference}], index in the
                volume file, correlations with the next slice; null where undefined
    summary     measure -> {pseudo, blank, ...}: medians; undefined: measure -> {name: slices without a value}
    closer_than measure -> [other knees that are farther from the reference, of how many]
    lags        pseudo, reference, the same "in leg" -> [correlation at lag 1, 2, ... 10]
    calibration null, or spearman, ratio, predicted and observed (10 bins)
    difference_noise    differences of outlines below this are noise of the reference (metrics.sobel_difference)
    voxels_sha256    which volume was compared
    verdict, warnings, joint_box, bright_bone, notice, controls (name -> what it is)
    aligned, difference, difference_paper, report, table, record    paths, where written
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..files.atomic_write import check_place
from ..generation.job_progress import StageTimer
from ..volume import geometry
from ..volume.intensity_mapping import STANDARD_MAPPING
from ..volume.provenance import creation_time, notice, plain
from ..volume.pseudo_mri import PseudoMRI
from ..volume.writing import VolumeFiles, read_record, voxels_sha256
from .alignment import ALIGNMENTS, Alignment, align
from .controls import (
    OTHER,
    Control,
    control_files,
    empty_controls,
    mean_control,
    measured_file,
    shipped_other_knee,
)
from .evaluation import PSEUDO, REFERENCE, Evaluation, evaluate
from .preconditions import check_comparable, check_not_a_copy, check_not_the_same, warnings_about
from .reference_volume import ReferenceVolume, read_reference, sitk_voxels
from .verdict import verdict

if TYPE_CHECKING:
    import SimpleITK

NOISE_MEASURED = (
    "The pseudo-MRI was measured with its scanner noise, because the file of its noise-free voxels is missing."
)
_ENDINGS = (".nrrd", ".nii.gz", ".mha")
_EXPECTED_SECONDS = {"read": 0.5, "align": 1.5, "controls": 2.5, "measure": 6.0, "report": 1.0}
_MOST_WRITTEN_BYTES = 60_000_000
_MEASURES_PER_SLICE = ("psnr_db", "ssim", "rssim", "edge_mm", "f1")


@dataclass(frozen=True)
class Comparison:
    """A finished comparison: the pseudo-MRI, the aligned reference, the figures, and the result for the caller."""

    volume: PseudoMRI
    reference: ReferenceVolume
    alignment: Alignment
    evaluation: Evaluation
    result: dict[str, Any]


def compare(
    volume: str | Path,
    reference: str | Path,
    *,
    method: str = "rigid",
    initial: Sequence[float] | None = None,
    controls: str | Path | None = None,
    report: str | Path | None = None,
    table: str | Path | None = None,
    output_folder: str | Path | None = None,
    write: Callable[[Comparison, dict[str, Path]], None] | None = None,
    on_progress: Callable[[dict[str, Any]], None] | None = None,
    should_cancel: Callable[[], bool] | None = None,
) -> Comparison:
    """Compare a pseudo-MRI with a reference and write what is asked for.

    Parameters
    ----------
    volume
        A file of this program with its side-car.
    reference
        See reference_volume.read_reference.
    method, initial
        See alignment.align.
    controls
        Folder with other people's volumes in place of the shipped simulated knee.
    report, table
        ``.html`` and ``.csv`` to write.
    output_folder
        Existing folder that receives aligned.nrrd, difference.nrrd, difference_paper.nrrd, report.html, table.csv and
        comparison.json.
    write
        Writes the files (reports.comparison_files.write_comparison); needed where files are asked for. It receives
        the comparison and name -> path.

    Raises InputError for what cannot be read or compared, ProcessingError when the alignment goes astray or writing
    fails, Cancelled. Nothing is written then.
    """
    targets = _targets(report, table, output_folder)
    if targets and write is None:
        raise ValueError("give write: files are requested, but nothing writes them")
    if method not in ALIGNMENTS:
        raise InputError(f"There is no alignment {method!r}.", code="bad-option",
                         hint="Choose rigid, similarity or none.", field="align")  # fmt: skip
    course = StageTimer(_EXPECTED_SECONDS, "measure", on_progress, should_cancel)
    course.enter("read")
    pseudo, real = _pseudo(Path(volume), Path(reference)), read_reference(reference)
    name = Path(reference).name
    for voxels in (pseudo.array, pseudo.acquired):
        if voxels is not None:
            check_not_the_same(voxels, sitk_voxels(real.image), name)
    course.enter("align")
    fixed = pseudo.to_sitk()
    alignment = align(fixed, real.image, method, initial)
    check_comparable(alignment.volume, alignment.covered)
    check_not_a_copy(pseudo.array, alignment.volume, alignment.covered, name)
    course.enter("controls")
    beside = _controls(pseudo, alignment, method, controls)
    course.enter("measure")
    evaluation = evaluate(
        alignment.volume,
        pseudo.array,
        beside,
        covered=alignment.covered,
        deviation=pseudo.deviation,
        pixel_mm=pseudo.spacing[0],
        check=lambda what: course.enter("measure"),
    )
    course.enter("report")
    result = _result(pseudo, real, alignment, evaluation)
    comparison = Comparison(pseudo, real, alignment, evaluation, result)
    if write is not None:
        write(comparison, targets)
    course.finished()
    return comparison


def _pseudo(path: Path, reference: Path) -> PseudoMRI:
    """The pseudo-MRI of a file; says so when the two volumes were given in the wrong order."""
    if path.exists() and not path.name.lower().endswith(_ENDINGS):
        raise InputError(f"The file {path.name} is not a volume.", code="bad-volume",
                         hint="Give a .nrrd, .nii.gz or .mha file that Xray2MRI wrote.")  # fmt: skip
    try:
        return PseudoMRI.load(path)
    except InputError as error:
        if reference.name.lower().endswith(_ENDINGS) and read_record(VolumeFiles.of(reference).record):
            raise InputError(f"The first volume, {path.name}, is not a pseudo-MRI, but the second one is.",
                             code=error.code, hint="Give the pseudo-MRI first.") from error  # fmt: skip
        raise


def _targets(report: Any, table: Any, output_folder: Any) -> dict[str, Path]:
    """Name -> path of every file to write, refused before any work is spent."""
    targets: dict[str, Path] = {}
    if output_folder is not None:
        folder = Path(output_folder)
        names = ("aligned.nrrd", "difference.nrrd", "difference_paper.nrrd", "report.html", "table.csv")
        targets = {Path(name).stem: folder / name for name in names} | {"record": folder / "comparison.json"}
    for name, path, endings in (("report", report, (".html", ".htm")), ("table", table, (".csv",))):
        if path is not None:
            targets[name] = Path(path)
            if targets[name].suffix.lower() not in endings:
                raise InputError(f"The {name} {targets[name].name} must end in {endings[0]}.", code="bad-output",
                                 hint="Choose another name.")  # fmt: skip
    for path in targets.values():
        check_place(path, _MOST_WRITTEN_BYTES // max(len(targets), 1))
    return targets


def _controls(pseudo: PseudoMRI, alignment: Alignment, method: str, folder: str | Path | None) -> list[Control]:
    """All controls on the grid. Those that show a knee are aligned with the reference as the pseudo-MRI is."""
    shape, mirrored = pseudo.array.shape, pseudo.mirrored
    knees = [shipped_other_knee(shape, mirrored)] if folder is None else _other_knees(pseudo, Path(folder))
    if method != "none":
        aligned = pseudo.to_sitk(alignment.volume)
        knees = [_aligned(control, aligned, pseudo, method) for control in knees]
    return [*empty_controls(shape), mean_control(shape, mirrored), *knees]


def _aligned(control: Control, fixed: SimpleITK.Image, pseudo: PseudoMRI, method: str) -> Control:
    from ..errors import ProcessingError

    try:
        found = align(fixed, pseudo.to_sitk(control.volume), method)
    except (InputError, ProcessingError):  # then it stays in the nominal frame
        return control
    return Control(control.name, f"{control.description}, aligned as well", np.clip(found.volume, 0, 1), True)


def _other_knees(pseudo: PseudoMRI, folder: Path) -> list[Control]:
    """Other people's volumes on the grid of the pseudo-MRI, each brought there rigidly."""
    from ..metrics.intensity_range import unit_range

    files = control_files(folder)
    knees = []
    for number, path in enumerate(files, 1):
        found = align(pseudo.to_sitk(), read_reference(measured_file(path)).image, "rigid")
        mapped = np.where(found.covered, unit_range(found.volume, found.covered), np.float32(0))
        name = OTHER if len(files) == 1 else f"{OTHER} {number}"
        knees.append(Control(name, "another person's volume", mapped, True))
    return knees


def _result(pseudo: PseudoMRI, real: ReferenceVolume, alignment: Alignment, evaluation: Evaluation) -> dict[str, Any]:
    warnings = [*real.warnings, *([NOISE_MEASURED] if pseudo.contains_noise else [])]
    warnings += warnings_about(evaluation, real.image, alignment.matrix, pseudo.spacing[2], real.simulated)
    calibration = evaluation.calibration
    target = evaluation.target
    summary: dict[str, dict[str, Any]] = {
        measure: {name: _rounded(found.median) for name, found in values.items()}
        for measure, values in evaluation.summary.items()
    }
    summary["correlation"] = {name: _rounded(evaluation.lags[name].get(1)) for name in (PSEUDO, REFERENCE)}
    summary["correlation_in_leg"] = {
        name: _rounded(evaluation.lags[f"{name} in leg"].get(1)) for name in (PSEUDO, REFERENCE)
    }
    return plain({
        "schema": "xray2mri-comparison",
        "voxels_sha256": voxels_sha256(STANDARD_MAPPING.to_stored(pseudo.shown)),
        "notice": notice(),
        "created_utc": creation_time(),
        "verdict": verdict(evaluation),
        "warnings": warnings,
        "transform": alignment.matrix.ravel(),
        "joint_box": target.box,
        "joint_found": bool(target.region.valid.any()),
        "bright_bone": target.region.bright_bone,
        "difference_noise": _rounded(evaluation.difference_noise),
        "covered_share": round(float(alignment.covered.mean()), 4),
        "summary": summary,
        "undefined": {
            measure: {name: found.undefined for name, found in values.items()}
            for measure, values in evaluation.summary.items()
        },
        "closer_than": evaluation.closer_than,
        "per_slice": _rows(pseudo, evaluation),
        "lags": {name: [_rounded(value) for value in curve.values()] for name, curve in evaluation.lags.items()},
        "calibration": None if calibration is None else {
            "spearman": _rounded(calibration.spearman),
            "ratio": _rounded(calibration.ratio),
            "predicted": [_rounded(value) for value in calibration.predicted],
            "observed": [_rounded(value) for value in calibration.observed],
        },
        "controls": {control.name: control.description for control in evaluation.controls},
    })  # fmt: skip


def _rows(pseudo: PseudoMRI, evaluation: Evaluation) -> list[dict[str, Any]]:
    """One row a slice of the file."""
    scores = evaluation.per_slice[PSEUDO]
    rows = []
    for index in range(pseudo.num_slices):
        row: dict[str, Any] = {
            "index": index,
            "depth_mm": round(geometry.depth_to_mm(float(pseudo.depth_positions[index])), 4),
        }
        row |= {measure: _rounded(scores[measure][index]) for measure in _MEASURES_PER_SLICE}
        last = index == pseudo.num_slices - 1
        row["correlation"] = None if last else _rounded(evaluation.adjacent[PSEUDO][index])
        row["correlation_reference"] = None if last else _rounded(evaluation.adjacent[REFERENCE][index])
        rows.append(row)
    return rows


def _rounded(value: float | None) -> float | None:
    return round(float(value), 5) if value is not None and np.isfinite(value) else None
