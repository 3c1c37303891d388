"""Runs the benchmark: generation, scores, correlations. Each result is a file, so an interrupted run resumes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..comparison.evaluation import Target, score
from ..errors import InputError
from ..files.json_files import write_json
from ..generation.pipeline_cache import PipelineCache
from ..metrics.canny_edges import EdgeMap, canny_edges
from ..metrics.edge_distance import edge_distance_mm
from ..metrics.joint_region import find_joint_region, nominal_box
from ..metrics.summary import summarise
from ..volume.geometry import OAI_FIELD
from .density_curves import load_correlations, measure_correlation
from .held_out import HeldOutKnee, load_held_out_knee, select_depths, select_files, training_mean
from .plan import BenchmarkPlan, correlation_file, method_folder, volume_file

BLANK, CONSTANT, MEAN, OTHER_KNEE = "blank", "constant 10 %", "training mean", "another knee's MRI"
OTHER_RADIOGRAPH = " with another radiograph"
CONSTANT_GREY = 0.1


@dataclass
class BenchmarkResult:
    """All results for the tables and the report page.

    ``scores``: column -> metric -> [knees] medians over slices. ``correlation``: column -> density -> [knees] mean
    adjacent-slice correlation over whole slices; ``correlation_in_leg`` within the leg. ``specificity``: title ->
    [N, N] edge distances. ``cards``: title -> model card. ``seconds``: title -> median time per volume.
    ``without_region``: [knees] slices of the reference without a joint line, where RSSIM is undefined.
    """

    plan: BenchmarkPlan
    knees: list[str]
    grades: list[int]
    without_region: list[int] = field(default_factory=list)
    scores: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    correlation: dict[str, dict[int, np.ndarray]] = field(default_factory=dict)
    correlation_in_leg: dict[str, dict[int, np.ndarray]] = field(default_factory=dict)
    specificity: dict[str, np.ndarray] = field(default_factory=dict)
    cards: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def run_benchmark(plan: BenchmarkPlan, progress: Callable[[int, int], None] = lambda done, of: None) -> BenchmarkResult:
    """Compute the missing results and return all of them. Raises InputError for an unusable plan or folder."""
    files = select_files(plan.pairs, plan.knees)
    _checkmethod_folder(plan)
    pipelines = PipelineCache()
    result = BenchmarkResult(plan, [path.stem for path in files], [])
    curves = [density for density in plan.densities if plan.density_knees]
    of = len(plan.models) * (len(files) + len(curves) * min(plan.density_knees, len(files))) + len(files)
    done = 0
    for title, model in plan.models.items():
        pipeline = pipelines.get(model, plan.device)
        result.cards[title] = _load_checked_card(pipeline, plan, title)
        for place, path in enumerate(files):
            file = volume_file(plan, title, path.stem)
            if not file.exists():
                _generate(pipeline, load_held_out_knee(path), plan, file)
            done += 1
            progress(done, of)
            if place < plan.density_knees:
                for density in curves:
                    file = correlation_file(plan, title, path.stem, density)
                    measure_correlation(file, pipeline, path, plan, density)
                    done += 1
                    progress(done, of)
        times = [float(np.load(volume_file(plan, title, p.stem))["seconds"]) for p in files]
        result.seconds[title] = float(np.median(times))
    rows: list[dict[str, dict[str, float]]] = []
    for place, path in enumerate(files):
        other = choose_other_knee(files, place)
        rows.append(_score_knee(plan, path, other))
        about = rows[-1].pop("knee")
        result.grades.append(int(about["grade"]))
        result.without_region.append(int(about["slices_without_region"]))
        done += 1
        progress(done, of)
    for column in rows[0]:
        result.scores[column] = {m: np.array([row[column][m] for row in rows]) for m in rows[0][column]}
    if curves:
        result.correlation, result.correlation_in_leg = load_correlations(plan, files[: plan.density_knees])
    if min(plan.specificity_knees, len(files)) >= 2:
        result.specificity = _specificity_matrices(plan, files[: plan.specificity_knees])
    return result


def choose_other_knee(files: list[Path], place: int) -> Path | None:
    """The other knee for the one at ``place``: the fifth after it, which has the same grade in a simulated population.

    None if there is only one knee.
    """
    step = 5 if len(files) > 5 else 1
    return files[(place + step) % len(files)] if len(files) > 1 else None


def load_stored_volume(file: Path) -> np.ndarray:
    """Load a volume file as float32 [S, 256, 256] in [0, 1]."""
    with np.load(file, allow_pickle=False) as content:
        return content["volume"].astype(np.float32) / 255


def _load_stored(plan: BenchmarkPlan, title: str, path: Path) -> np.ndarray:
    return load_stored_volume(volume_file(plan, title, path.stem))


def build_target(knee: HeldOutKnee, slices: int) -> Target:
    """The reference at the compared slices, with the joint region from all 50 slices."""
    chosen, whole = select_depths(slices), find_joint_region(knee.volume)
    parts = {n: getattr(whole, n)[chosen] for n in ("joint_row", "femur_row", "tibia_row", "rows", "valid")}
    volume, box = knee.volume[chosen], whole.box or nominal_box(*knee.volume.shape[1:])
    edges = EdgeMap(canny_edges(volume), box)
    return Target(np.asarray(volume, np.float64), None, replace(whole, **parts), box, edges, OAI_FIELD.pixel_mm)


def _checkmethod_folder(plan: BenchmarkPlan) -> None:
    if not plan.models:
        raise InputError("No method was given.", code="bad-option", hint="Give at least one.", field="method")
    if len({method_folder(plan, title) for title in plan.models}) < len(plan.models):
        raise InputError("Two methods have the same title.", code="bad-option", hint="Use different titles.")
    plan.output.mkdir(parents=True, exist_ok=True)
    kept = plan.output / "plan.json"
    if kept.exists() and json.loads(kept.read_text(encoding="utf-8")) != plan.signature():
        raise InputError(
            f"The folder {plan.output.name} contains a benchmark with other knees or settings.",
            code="bad-output",
            hint="Give a new folder, or repeat the options of the first run.",
        )
    write_json(kept, plan.signature())


def _load_checked_card(pipeline: Any, plan: BenchmarkPlan, title: str) -> dict[str, Any]:
    """Store the model's card next to its volumes; InputError if these have other weights or sampling settings."""
    from ..diffusion.sampling_settings import sampling_of_model

    card = method_folder(plan, title) / "model.json"
    about = {**pipeline.model_card, "weights_sha256": pipeline.weights_sha256}
    known = json.loads(card.read_text(encoding="utf-8")) if card.exists() else about
    if known["weights_sha256"] != about["weights_sha256"] or sampling_of_model(known) != sampling_of_model(about):
        raise InputError(
            f"The folder {plan.output.name} contains results of another model with the title {title}.",
            code="bad-output",
            hint="Give a new folder, or give the model another title.",
        )
    card.parent.mkdir(parents=True, exist_ok=True)
    write_json(card, about)
    return about


def _generate(pipeline: Any, knee: HeldOutKnee, plan: BenchmarkPlan, file: Path) -> None:
    volume = pipeline(
        knee.crop, num_slices=plan.slices, num_inference_steps=plan.steps, koa=knee.probabilities(plan.grades),
        seed=plan.seed,
    )  # fmt: skip
    temporary = file.with_name(file.name + ".tmp")
    with temporary.open("wb") as stream:
        stored = np.rint(volume.depth_slices() * 255).astype(np.uint8)
        np.savez_compressed(stream, volume=stored, seconds=volume.provenance["run"]["seconds"])
    temporary.replace(file)


def _score_knee(plan: BenchmarkPlan, path: Path, other: Path | None) -> dict[str, dict[str, float]]:
    """Column -> metric -> median over slices for one knee; stored per column, so that methods can be added later."""
    file = plan.output / "scores" / f"{path.stem}.json"
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    columns = _columns(plan, path, other)
    if not known.keys() >= {"knee", *columns}:
        knee = load_held_out_knee(path)
        target = build_target(knee, plan.slices)
        known["knee"] = {"grade": knee.grade, "slices_without_region": int((~target.region.valid).sum())}
        for column, volume in columns.items():
            if column not in known:
                image = volume()
                values = score(target, image, canny_edges(image))
                known[column] = {measure: summarise(per_slice).median for measure, per_slice in values.items()}
        file.parent.mkdir(exist_ok=True)
        write_json(file, known)
    return {column: known[column] for column in ("knee", *columns)}


def _columns(plan: BenchmarkPlan, path: Path, other: Path | None) -> dict[str, Callable[[], np.ndarray]]:
    """Column of the table -> function for its volume: methods, first method with another radiograph, controls."""
    shape, chosen = (plan.slices, *OAI_FIELD.slice_shape), select_depths(plan.slices)
    found: dict[str, Callable[[], np.ndarray]] = {
        title: partial(_load_stored, plan, title, path) for title in plan.models
    }
    if other is not None:
        first = next(iter(plan.models))
        found[first + OTHER_RADIOGRAPH] = partial(_load_stored, plan, first, other)
        found[OTHER_KNEE] = lambda: load_held_out_knee(other).volume[chosen]
    if plan.training is not None:
        found[MEAN] = lambda: training_mean(plan.training)[chosen]
    found[CONSTANT] = lambda: np.full(shape, CONSTANT_GREY, np.float32)
    found[BLANK] = lambda: np.zeros(shape, np.float32)
    return found


def _specificity_matrices(plan: BenchmarkPlan, files: list[Path]) -> dict[str, np.ndarray]:
    """Title -> [N, N] median edge distance of each generated volume (row) to each reference (column)."""
    kept = {t: plan.output / "specificity" / f"{method_folder(plan, t).name}-{len(files)}.json" for t in plan.models}
    missing = [title for title, file in kept.items() if not file.exists()]
    edges = {title: [canny_edges(_load_stored(plan, title, path)) for path in files] for title in missing}
    matrices = {title: np.zeros((len(files), len(files))) for title in missing}
    for column, path in enumerate(files if missing else ()):
        target = build_target(load_held_out_knee(path), plan.slices)  # once for all methods
        for title, volumes in edges.items():
            for row, found in enumerate(volumes):
                distances = edge_distance_mm(target.edges, EdgeMap(found, target.box))
                matrices[title][row, column] = np.median(distances)
    for title, matrix in matrices.items():
        kept[title].parent.mkdir(exist_ok=True)
        write_json(kept[title], matrix.tolist())
    return {title: np.array(json.loads(file.read_text(encoding="utf-8"))) for title, file in kept.items()}
