"""The benchmark itself: generate, score, correlate; every finished piece is a file, so that a broken run goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..comparison.evaluation import Target, score
from ..errors import InputError
from ..generation import PipelineCache
from ..metrics.adjacent_correlation import adjacent_correlation
from ..metrics.canny_edges import EdgeMap, canny_edges
from ..metrics.edge_distance import edge_distance_mm
from ..metrics.leg_mask import leg_mask
from ..metrics.summary import summarise
from ..shipped_weights import write_json
from .held_out import HeldOutKnee, chosen_files, depth_choice, held_out_knee, training_mean

BLANK, CONSTANT, MEAN, OTHER_KNEE = "blank", "constant 10 %", "training mean", "another knee's MRI"
REFERENCE, INTERPOLATED = "reference", "linear interpolation of 50"
OTHER_FILM = " with another film"
CONSTANT_GREY = 0.1


@dataclass(frozen=True)
class BenchmarkPlan:
    """What is compared, and on what.

    Attributes
    ----------
    models
        Title -> model folder or shipped name, in the order of the table; the first is tested against the others.
    pairs, training
        Held-out pairs, and training pairs for the mean volume (None: no such control).
    output
        Folder of all results; one that holds a run of another plan is refused.
    knees, slices, steps, seed, grades, device
        As in held_out and GenerationSettings; None knees takes all.
    densities, density_knees
        Numbers of slices of the correlation curve, and on how many knees.
    specificity_knees
        Every volume is compared with the references of that many knees.
    """

    models: dict[str, str]
    pairs: Path
    output: Path
    training: Path | None = None
    knees: int | None = None
    slices: int = 50
    steps: int = 20
    seed: int = 0
    grades: str = "truth"
    device: str = "auto"
    densities: tuple[int, ...] = (30, 50, 100, 200, 300, 400, 500)
    density_knees: int = 2
    specificity_knees: int = 12

    def signature(self) -> dict[str, Any]:
        """What two runs must share to share results."""
        return {"slices": self.slices, "steps": self.steps, "seed": self.seed, "grades": self.grades,
                "pairs": [path.name for path in chosen_files(self.pairs, self.knees)]}  # fmt: skip


@dataclass
class BenchmarkResult:
    """All that the tables and the page are made from.

    ``scores``: column -> measure -> [knees] medians over slices. ``correlation``: column -> density -> [knees] mean
    adjacent-slice correlation over whole slices; ``correlation_in_leg`` within the leg. ``specificity``: title ->
    [N, N] edge distances. ``cards``: title -> model card. ``seconds``: title -> median time of a volume.
    """

    plan: BenchmarkPlan
    knees: list[str]
    grades: list[int]
    scores: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    correlation: dict[str, dict[int, np.ndarray]] = field(default_factory=dict)
    correlation_in_leg: dict[str, dict[int, np.ndarray]] = field(default_factory=dict)
    specificity: dict[str, np.ndarray] = field(default_factory=dict)
    cards: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def run_benchmark(plan: BenchmarkPlan, progress: Callable[[int, int], None] = lambda done, of: None) -> BenchmarkResult:
    """Do what the plan's folder lacks and return everything. Raises InputError for an unusable plan or folder."""
    files = chosen_files(plan.pairs, plan.knees)
    _check_folder(plan)
    pipelines = PipelineCache()
    result = BenchmarkResult(plan, [path.stem for path in files], [])
    curves = [density for density in plan.densities if plan.density_knees]
    of = len(plan.models) * (len(files) + len(curves) * min(plan.density_knees, len(files))) + len(files)
    done = 0
    for title, model in plan.models.items():
        for place, path in enumerate(files):
            file = volume_file(plan, title, path.stem)
            if not file.exists():
                _generate(pipelines.get(model, plan.device), held_out_knee(path), plan, file)
            done += 1
            progress(done, of)
            if place < plan.density_knees:
                for density in curves:
                    _correlate(pipelines, title, model, path, plan, density)
                    done += 1
                    progress(done, of)
        result.cards[title] = json.loads((_folder(plan, title) / "model.json").read_text(encoding="utf-8"))
        times = [float(np.load(volume_file(plan, title, p.stem))["seconds"]) for p in files]
        result.seconds[title] = float(np.median(times))
    mean = None if plan.training is None else training_mean(plan.training)[depth_choice(plan.slices)]
    rows: list[dict[str, dict[str, float]]] = []
    for place, path in enumerate(files):
        other = files[(place + 5) % len(files)] if len(files) > 1 else None  # in a drawn population, the same grade
        rows.append(_scored(plan, path, other, mean))
        result.grades.append(int(rows[-1].pop("grade")["grade"]))
        done += 1
        progress(done, of)
    for column in rows[0]:
        result.scores[column] = {m: np.array([row[column][m] for row in rows]) for m in rows[0][column]}
    _gather_correlations(result, files)
    for title in plan.models:
        if min(plan.specificity_knees, len(files)) >= 2:
            result.specificity[title] = _specificity_matrix(plan, title, files[: plan.specificity_knees])
    return result


def volume_file(plan: BenchmarkPlan, title: str, knee: str) -> Path:
    """Where a method's volume of a knee is kept: uint8 [S, 256, 256], posterior slice first."""
    return _folder(plan, title) / f"{knee}.npz"


def stored_volume(file: Path) -> np.ndarray:
    """The kept volume as float32 in [0, 1]."""
    with np.load(file, allow_pickle=False) as content:
        return content["volume"].astype(np.float32) / 255


def target_of(knee: HeldOutKnee, slices: int) -> Target:
    """The reference with its joint region found on all 50 slices, cut down to those that are compared."""
    whole, chosen = Target.of(knee.volume), depth_choice(slices)
    region = whole.region
    parts = {n: getattr(region, n)[chosen] for n in ("joint_row", "femur_row", "tibia_row", "rows", "valid")}
    return Target(
        whole.volume[chosen], None, replace(region, **parts), whole.box,
        EdgeMap(whole.edges.edges[chosen], whole.box), whole.pixel_mm,
    )  # fmt: skip


def _folder(plan: BenchmarkPlan, title: str) -> Path:
    return plan.output / "volumes" / "".join(c if c.isalnum() else "-" for c in title.lower())


def _check_folder(plan: BenchmarkPlan) -> None:
    if not plan.models:
        raise InputError("No method was named.", code="bad-option", hint="Give --method TITLE=MODEL.")
    if len({_folder(plan, title) for title in plan.models}) < len(plan.models):
        raise InputError("Two methods have the same title.", code="bad-option", hint="Give each its own.")
    plan.output.mkdir(parents=True, exist_ok=True)
    kept = plan.output / "plan.json"
    if kept.exists() and json.loads(kept.read_text(encoding="utf-8")) != plan.signature():
        raise InputError(
            f"The folder {plan.output.name} holds a benchmark with other knees or settings.",
            code="bad-output",
            hint="Name a new folder, or repeat the options of the first run.",
        )
    write_json(kept, plan.signature())


def _generate(pipeline: Any, knee: HeldOutKnee, plan: BenchmarkPlan, file: Path) -> None:
    volume = pipeline(
        knee.crop, num_slices=plan.slices, num_inference_steps=plan.steps, koa=knee.probabilities(plan.grades),
        seed=plan.seed,
    )  # fmt: skip
    file.parent.mkdir(parents=True, exist_ok=True)
    card = file.parent / "model.json"
    about = {**pipeline.model_card, "weights_sha256": pipeline.weights_sha256}
    if card.exists() and json.loads(card.read_text(encoding="utf-8"))["weights_sha256"] != about["weights_sha256"]:
        raise InputError(
            f"The folder {plan.output.name} holds volumes of another model in place of {pipeline.model_name}.",
            code="bad-output",
            hint="Name a new folder, or give the model another title.",
        )
    write_json(card, about)
    temporary = file.with_name(file.name + ".tmp")
    with temporary.open("wb") as stream:
        stored = np.rint(volume.depth_slices() * 255).astype(np.uint8)
        np.savez_compressed(stream, volume=stored, seconds=volume.provenance["run"]["seconds"])
    temporary.replace(file)


def _scored(plan: BenchmarkPlan, path: Path, other: Path | None, mean: np.ndarray | None) -> dict[str, dict]:
    """Column -> measure -> median over slices, for one knee; kept per column, since methods may be added later."""
    knee = held_out_knee(path)
    file = plan.output / "scores" / f"{path.stem}.json"
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"grade": {"grade": knee.grade}}
    target = None
    for column, volume in _candidates(plan, knee, path, other, mean):
        if column in known:
            continue
        target = target or target_of(knee, plan.slices)
        image = volume()
        values = score(target, image, canny_edges(image))
        known[column] = {measure: summarise(per_slice).median for measure, per_slice in values.items()}
    file.parent.mkdir(exist_ok=True)
    write_json(file, known)
    columns = [column for column, _ in _candidates(plan, knee, path, other, mean)]
    return {column: known[column] for column in ("grade", *columns)}


def _candidates(
    plan: BenchmarkPlan, knee: HeldOutKnee, path: Path, other: Path | None, mean: np.ndarray | None
) -> Sequence[tuple[str, Callable[[], np.ndarray]]]:
    """The columns of the table with what stands in each: methods, the first with a wrong film, and controls."""
    shape = (plan.slices, *knee.volume.shape[1:])
    found = [(t, lambda t=t: stored_volume(volume_file(plan, t, path.stem))) for t in plan.models]
    if other is not None:
        first = next(iter(plan.models))
        found.append((first + OTHER_FILM, lambda: stored_volume(volume_file(plan, first, other.stem))))
        found.append((OTHER_KNEE, lambda: held_out_knee(other).volume[depth_choice(plan.slices)]))
    if mean is not None:
        found.append((MEAN, lambda: mean))
    found.append((CONSTANT, lambda: np.full(shape, CONSTANT_GREY, np.float32)))
    found.append((BLANK, lambda: np.zeros(shape, np.float32)))
    return found


def _correlate(pipelines: PipelineCache, title: str, model: str, path: Path, plan: BenchmarkPlan, density: int) -> None:
    file = plan.output / "correlation" / _folder(plan, title).name / f"{path.stem}-{density}.json"
    if file.exists():
        return
    knee = held_out_knee(path)
    volume = pipelines.get(model, plan.device)(
        knee.crop, num_slices=density, num_inference_steps=plan.steps, koa=knee.probabilities(plan.grades),
        seed=plan.seed,
    ).depth_slices()  # fmt: skip
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, _correlations(volume))


def _correlations(volume: np.ndarray) -> dict[str, float]:
    whole, in_leg = adjacent_correlation(volume), adjacent_correlation(volume, leg_mask(volume))
    return {"whole": float(np.nanmean(whole)), "leg": float(np.nanmean(in_leg))}


def _gather_correlations(result: BenchmarkResult, files: list[Path]) -> None:
    plan = result.plan
    files = files[: plan.density_knees]
    if not files:
        return
    for title in plan.models:
        folder = plan.output / "correlation" / _folder(plan, title).name
        found = {
            density: [json.loads((folder / f"{p.stem}-{density}.json").read_text(encoding="utf-8")) for p in files]
            for density in plan.densities
        }
        result.correlation[title] = {d: np.array([row["whole"] for row in rows]) for d, rows in found.items()}
        result.correlation_in_leg[title] = {d: np.array([row["leg"] for row in rows]) for d, rows in found.items()}
    volumes = [held_out_knee(path).volume for path in files]
    columns = {
        REFERENCE: {50: [_correlations(volume) for volume in volumes]},
        INTERPOLATED: {d: [_correlations(interpolated(volume, d)) for volume in volumes] for d in plan.densities},
    }
    for name, curve in columns.items():
        result.correlation[name] = {d: np.array([row["whole"] for row in rows]) for d, rows in curve.items()}
        result.correlation_in_leg[name] = {d: np.array([row["leg"] for row in rows]) for d, rows in curve.items()}


def interpolated(volume: np.ndarray, slices: int) -> np.ndarray:
    """A volume [S, H, W] at ``slices`` evenly spaced depths over the same extent, linearly between its slices."""
    places = np.linspace(0, len(volume) - 1, slices)
    below = np.minimum(places.astype(int), len(volume) - 2)
    share = (places - below)[:, None, None].astype(np.float32)
    return volume[below] * (1 - share) + volume[below + 1] * share


def _specificity_matrix(plan: BenchmarkPlan, title: str, files: list[Path]) -> np.ndarray:
    """[N, N] median edge distance of each generated volume (row) to each reference (column)."""
    file = plan.output / "specificity" / f"{_folder(plan, title).name}-{len(files)}.json"
    if not file.exists():
        edges = [canny_edges(stored_volume(volume_file(plan, title, path.stem))) for path in files]
        matrix = np.zeros((len(files), len(files)))
        for column, path in enumerate(files):
            target = target_of(held_out_knee(path), plan.slices)
            for row, found in enumerate(edges):
                matrix[row, column] = np.median(edge_distance_mm(target.edges, EdgeMap(found, target.box)))
        file.parent.mkdir(exist_ok=True)
        write_json(file, matrix.tolist())
    return np.array(json.loads(file.read_text(encoding="utf-8")))
