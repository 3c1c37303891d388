"""Reprojection consistency: the bones of volumes against the own radiograph and against other people's radiographs.

    python Testing/benchmarks/reprojection.py --pairs runs/held-out --radiographs FOLDER FOLDER -o reprojection.json

``--pairs`` are simulated held-out pairs: their TRUE volumes say what the measure can tell at best. ``--radiographs``
are folders of graded real radiographs (index.csv, see reprojection_radiographs.py) from which the model makes volumes.
The result belongs in docs/results/reprojection.json; fill_result_tables.py then fills the tables of the docs. Volumes
are kept in ``--cache`` under the checksum of the model's weights, so that an interrupted run resumes. Within each set
every volume is measured against every radiograph; radiographs of the same person are not "others".
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
from reprojection_radiographs import measured_radiographs
from result_file import write_result

from Xray2MRILib.reprojection.bone_projection import volume_outline
from Xray2MRILib.reprojection.consistency import PARTS, compare_outlines
from Xray2MRILib.reprojection.knee_outline import JOINT_LINE, SIDES, KneeOutline
from Xray2MRILib.reprojection.radiograph_outline import radiograph_outline

STAGES = ("as_placed", "after_fit")


def true_pairs(folder: Path, count: int) -> tuple[list[KneeOutline], list[KneeOutline], list[str]]:
    """Outlines of radiographs and of true volumes of simulated knees, and names of the knees."""
    from Xray2MRILib.preparation.joint_crop import normalise_crop
    from Xray2MRILib.simulation.pairs.crop_frame import crop_in_frame, nominal_frame, volume_in_frame
    from Xray2MRILib.simulation.pairs.pair_store import list_pairs, read_pair
    from Xray2MRILib.simulation.radiograph.appearance import expose

    radiographs, volumes, names = [], [], []
    for path in list_pairs(folder)[:count]:
        pair = read_pair(path)
        frame = nominal_frame(pair)
        radiograph = expose(pair.bone, pair.soft, np.random.default_rng(pair.parameters.seed))
        radiographs.append(radiograph_outline(normalise_crop(crop_in_frame(radiograph, frame))))
        volumes.append(volume_outline(volume_in_frame(pair, frame)))
        names.append(path.stem)
    return radiographs, volumes, names


def generated(
    folder: Path, per_grade: int, model: str, slices: int, steps: int, cache: Path
) -> tuple[list[KneeOutline], list[KneeOutline], list[str]]:
    """Outlines of real radiographs and of the volumes that the model makes of them, and whose radiographs they are."""
    from Xray2MRILib import Xray2MRIPipeline
    from Xray2MRILib.diffusion.sampling_settings import sampling_of_model
    from Xray2MRILib.generation.prepared_knee import prepare_knee
    from Xray2MRILib.generation.settings import GenerationSettings
    from Xray2MRILib.radiograph.reading import read_radiograph
    from Xray2MRILib.reprojection.registration_frame import find_mismatch

    pipeline = Xray2MRIPipeline.from_pretrained(model)
    if find_mismatch(pipeline):
        raise SystemExit(find_mismatch(pipeline))
    cache.mkdir(parents=True, exist_ok=True)
    radiographs, volumes, people = [], [], []
    for radiograph in measured_radiographs(folder, per_grade):
        knee = prepare_knee(read_radiograph(radiograph.path), GenerationSettings())
        own = sampling_of_model(pipeline.model_card)
        asked = [pipeline.weights_sha256, own, slices, steps, knee.prepared.image.tobytes().hex()]
        kept = cache / f"{hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:24]}.npy"
        if not kept.exists():
            made = pipeline(knee.prepared, num_slices=slices, num_inference_steps=steps, seed=0).depth_slices()
            np.save(kept.with_suffix(".part.npy"), np.round(made * 255).astype(np.uint8))
            kept.with_suffix(".part.npy").replace(kept)
            print(f"{radiograph.path.name}: volume", flush=True)
        radiographs.append(radiograph_outline(knee.prepared.image[0]))
        volumes.append(volume_outline(np.load(kept) / np.float32(255)))
        people.append(radiograph.person)
    return radiographs, volumes, people


def measured(radiographs: list[KneeOutline], volumes: list[KneeOutline], people: list[str]) -> dict:
    """Figures of every part and stage: medians of own and other radiographs, AUC, first ranks, share of knees."""
    count = len(radiographs)
    names = [(stage, part) for stage in STAGES for part in PARTS]
    tables = {name: np.full((count, count), np.nan) for name in names}
    fits = []
    for row, volume in enumerate(volumes):
        for column, radiograph in enumerate(radiographs):
            record = compare_outlines(radiograph, volume)
            for stage, part in names:
                value = record[stage][f"{part}_mm"]
                tables[stage, part][row, column] = np.nan if value is None else value
            if row == column and record["fit"]:
                fits.append([*record["fit"]["shift_mm"], record["fit"]["turn_deg"], record["fit"]["scale"]])
    other = np.array([[a != b for b in people] for a in people])
    report: dict = {"knees": count}
    for (stage, part), table in tables.items():
        report[f"{part}, {stage.replace('_', ' ')}"] = _figures(table, other)
    if fits:
        report["own fit: x mm, z mm, turn deg, scale"] = {
            "median": np.round(np.median(fits, axis=0), 3).tolist(),
            "standard deviation": np.round(np.std(fits, axis=0), 3).tolist(),
            "fitted": len(fits),
        }
    report["found"] = {
        f"{part}, {where}": round(float(np.mean([o.share(curves) for o in outlines])), 3)
        for part, curves in (("outline", SIDES), ("joint line", JOINT_LINE))
        for where, outlines in (("film", radiographs), ("volume", volumes))
    }
    return report


def _figures(table: np.ndarray, other: np.ndarray) -> dict:
    """Of a table [volume, radiograph] in mm with NaN where nothing was measured."""
    own, medians, areas, first, nearer = [], [], [], [], []
    for k in range(len(table)):
        beside = table[k, other[k]]
        beside = beside[np.isfinite(beside)]
        if np.isnan(table[k, k]) or not len(beside):
            continue
        own.append(table[k, k])
        medians.append(float(np.median(beside)))
        areas.append(float(np.mean((beside > table[k, k]) + 0.5 * (beside == table[k, k]))))
        first.append(bool(beside.min() > table[k, k]))
        nearer.append(medians[-1] > own[-1])
    if not own:
        return {"measured": 0}
    return {
        "measured": len(own),
        "own_mm": [round(float(np.percentile(own, q)), 2) for q in (50, 25, 75)],
        "other_mm": [round(float(np.percentile(medians, q)), 2) for q in (50, 25, 75)],
        "auc": round(float(np.mean(areas)), 3),
        "own_ranks_first": round(float(np.mean(first)), 3),
        "own_closer_than_median_other": round(float(np.mean(nearer)), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--knees", type=int, default=60)
    parser.add_argument("--radiographs", type=Path, nargs="*", default=[])
    parser.add_argument("--per-grade", type=int, default=5, help="radiographs of each grade in each folder, at most 6")
    parser.add_argument("--model", default="compact")
    parser.add_argument("--slices", type=int, default=25, help="25 give ten in the joint; at least 8")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--cache", type=Path, default=Path("runs/reprojection-volumes"))
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()

    report: dict = {}
    if options.pairs:
        report["true volumes"] = measured(*true_pairs(options.pairs, options.knees))
    together: tuple[list, list, list] = ([], [], [])
    for folder in options.radiographs:
        found = generated(folder, options.per_grade, options.model, options.slices, options.steps, options.cache)
        report[f"generated, {folder.name}"] = measured(*found)
        for whole, part in zip(together, found, strict=True):
            whole.extend(part)
    if len(options.radiographs) > 1:
        report["generated, all radiographs"] = measured(*together)
    settings = {
        "slices": options.slices, "steps": options.steps, "seed": 0, "per_grade": options.per_grade,
        "folders": len(options.radiographs),
    }  # fmt: skip
    command = "python Testing/benchmarks/reprojection.py --pairs HELD-OUT --radiographs FOLDER FOLDER -o FILE"
    weights = weights_of(options.model) if options.radiographs else None
    record = write_result(options.output, command=command, settings=settings, figures=report, weights=weights)
    print(json.dumps(record, indent=1))


def weights_of(model: str) -> dict[str, str]:
    """Network -> SHA-256 of the weights of a model."""
    from Xray2MRILib import Xray2MRIPipeline

    return Xray2MRIPipeline.from_pretrained(model).weights_sha256


if __name__ == "__main__":
    main()
