"""Many pseudo-MRIs against many references: is each volume closer to its own knee than to other people's?

Every volume is measured against every reference. The references are brought into one frame by aligning each with the
mean of training knees, so that no volume has a part in where a reference lies. All is compared in right-knee space.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import Cancelled, InputError
from ..metrics.canny_edges import canny_edges
from ..metrics.intensity_range import unit_range
from ..metrics.specificity import specificity
from ..metrics.summary import summarise
from ..volume.provenance import creation_time, notice, plain
from ..volume.pseudo_mri import PseudoMRI
from ..volume.writing import FURTHER_VOXELS
from .alignment import align
from .compare import NOISE_MEASURED
from .controls import on_grid, shipped_mean
from .evaluation import MEASURES, Target, score
from .preconditions import check_comparable, check_not_the_same
from .reference_volume import read_reference, sitk_voxels

_ENDINGS = (".nii.gz", ".nrrd", ".nii", ".mha")
_DECISIVE = "edge_mm"
_NO_QUALITY = "paper_psnr_db_artefact"


def matched_pairs(pseudo: Path, references: Path) -> tuple[dict[str, tuple[Path, Path]], list[str]]:
    """Stem -> (pseudo-MRI, reference) of two folders, and the stems that have no partner.

    A reference may be a volume, a simulated pair (.npz) or a folder of DICOM slices. Raises InputError for a path that
    is no folder, two files of one stem, or fewer than two pairs.
    """
    volumes = _by_stem(pseudo, _ENDINGS)
    real = _by_stem(references, (*_ENDINGS, ".npz"), folders=True)
    common = sorted(volumes.keys() & real.keys())
    if len(common) < 2:
        raise InputError(
            f"The folders {pseudo.name} and {references.name} have {len(common)} names in common; "
            "at least two are needed.",
            code="bad-folder",
            hint="Give each pseudo-MRI and its reference the same name, e.g. 7.nrrd and 7.nii.gz.",
        )
    return {stem: (volumes[stem], real[stem]) for stem in common}, sorted(volumes.keys() ^ real.keys())


def _by_stem(folder: Path, endings: tuple[str, ...], folders: bool = False) -> dict[str, Path]:
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder.name}.", code="bad-folder",
                         hint="Give two folders, or a volume and its reference.")  # fmt: skip
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        ending = next((e for e in endings if path.name.lower().endswith(e)), None)
        if path.is_dir():
            ending = "" if folders else None
        stem = path.name[: len(path.name) - len(ending or "")]
        if ending is None or stem.startswith(".") or stem.endswith(tuple(f"_{what}" for what in FURTHER_VOXELS)):
            continue
        if stem in found:
            raise InputError(f"The folder {folder.name} contains {stem} twice: {found[stem].name} and {path.name}.",
                             code="bad-folder", hint="Remove one of them.")  # fmt: skip
        found[stem] = path
    return found


def compare_folders(
    pseudo: str | Path,
    references: str | Path,
    *,
    method: str = "rigid",
    on_progress: Callable[[dict[str, Any]], None] | None = None,
    should_cancel: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Specificity of a folder of pseudo-MRIs against a folder of references with the same names.

    ``method`` is that of alignment.align, the fixed volume being the mean of training knees. The result is plain
    values: pairs, unmatched, warnings, verdict, and per measure the median of own and of other pairs, rank_1, auc and
    auc_interval (see metrics.specificity), null where the measure is undefined for a pair.

    Raises InputError for folders or volumes that do not do, ProcessingError for a failed alignment, Cancelled.
    """
    pairs, unmatched = matched_pairs(Path(pseudo), Path(references))
    count, steps = len(pairs), 0

    def step(stage: str) -> None:
        nonlocal steps
        if should_cancel():
            raise Cancelled()
        if on_progress is not None:
            of = count + count * count
            on_progress({"stage": stage, "step": steps, "of": of, "fraction": round(steps / of, 4), "eta_s": None})
        steps += 1

    volumes: list[np.ndarray] = []
    edges: list[np.ndarray] = []
    left: list[bool] = []
    warnings: list[str] = []
    for path, _ in pairs.values():
        step("read")
        volume = PseudoMRI.load(path)
        shape = volumes[0].shape if volumes else volume.array.shape
        volumes.append(on_grid(volume.depth_slices(), shape, mirrored=False))
        edges.append(canny_edges(volumes[-1]))
        left.append(volume.mirrored)
        if volume.contains_noise:
            warnings.append(f"{path.name}: {NOISE_MEASURED}")
    scores = {measure: np.full((count, count), np.nan) for measure in MEASURES if measure != _NO_QUALITY}
    for column, (own, path) in enumerate(pairs.values()):
        target = _target(path, own, volumes[0].shape, left[column], method)
        for row in range(count):
            step("measure")
            values = score(target, volumes[row], _covered_edges(target, volumes[row], edges[row]))
            for measure, matrix in scores.items():
                matrix[row, column] = summarise(values[measure]).median
    measures = {measure: _figures(matrix, MEASURES[measure]) for measure, matrix in scores.items()}
    if on_progress is not None:
        on_progress({"stage": "done", "step": 1, "of": 1, "fraction": 1.0, "eta_s": 0.0})
    return plain({
        "schema": "xray2mri-specificity",
        "notice": notice(),
        "created_utc": creation_time(),
        "align": method,
        "pairs": list(pairs),
        "unmatched": unmatched,
        "warnings": warnings,
        "verdict": _verdict(measures[_DECISIVE], count),
        "measures": measures,
    })  # fmt: skip


def _target(path: Path, own: Path, shape: tuple[int, ...], left: bool, method: str) -> Target:
    """A reference in right-knee space on the grid of the volumes, with its edges; ``own`` is the volume of its name."""
    nominal = PseudoMRI(on_grid(shipped_mean(), shape, left), mirrored=left)
    reference = read_reference(path).image
    volume = PseudoMRI.load(own)
    for voxels in (volume.array, volume.shown):
        check_not_the_same(voxels, sitk_voxels(reference), path.name)
    found = align(nominal.to_sitk(), reference, method)
    check_comparable(found.volume, found.covered)
    mapped = np.where(found.covered, unit_range(found.volume, found.covered), np.float32(0))
    covered = None if found.covered.all() else found.covered
    if left:
        mapped, covered = mapped[:, :, ::-1], None if covered is None else covered[:, :, ::-1]
    return Target.of(mapped, covered, nominal.spacing[0])


def _covered_edges(target: Target, volume: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The edges of a volume where the target has voxels; found once for a target that has them everywhere."""
    return edges if target.covered is None else canny_edges(volume, target.covered)


def _figures(matrix: np.ndarray, higher: bool) -> dict[str, Any]:
    """Row i is volume i, column j reference j."""
    own = np.eye(len(matrix), dtype=bool)
    medians = {"own": summarise(matrix[own]).median, "others": summarise(matrix[~own]).median}
    if not np.isfinite(matrix).all():
        return {**medians, "rank_1": None, "auc": None, "auc_interval": None}
    found = asdict(specificity(matrix, higher_is_closer=higher))
    return {**medians, **{name: found[name] for name in ("rank_1", "auc", "auc_interval")}}


def _verdict(figures: dict[str, Any], count: int) -> str:
    if figures["auc"] is None:
        return "Nothing can be said: the edge distance is undefined for some pair of volume and reference."
    low, high = figures["auc_interval"]
    text = (
        f"Over {count} knees, a volume's outlines are closer to its own knee than to another in "
        f"{figures['auc']:.0%} of cases (95 % interval {low:.0%} to {high:.0%}; chance 50 %)"
    )
    if low > 0.5:
        return f"{text}: the volumes follow their own knee."
    return f"{text}: that the volumes follow their own knee is not shown."
