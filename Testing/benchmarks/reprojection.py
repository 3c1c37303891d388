"""Reprojection consistency: the bones of volumes against the own film and against other people's films.

    python Testing/benchmarks/reprojection.py --pairs runs/held-out --films FOLDER FOLDER -o runs/reprojection.json

``--pairs`` are simulated held-out pairs: their TRUE volumes say what the measure can tell at best. ``--films`` are
folders of graded real films (index.csv, see reprojection_films.py) from which the model makes volumes. Volumes are kept
in ``--cache`` under the checksum of the model's weights, so that a stopped run goes on. Within each set every volume is
measured against every film; films of the same person are not "others".
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
from reprojection_films import measured_films

from Xray2MRILib.reprojection.bone_projection import volume_outline
from Xray2MRILib.reprojection.consistency import PARTS, compared_outlines
from Xray2MRILib.reprojection.film_outline import film_outline
from Xray2MRILib.reprojection.knee_outline import JOINT_LINE, SIDES, KneeOutline

STAGES = ("as_placed", "after_fit")


def true_pairs(folder: Path, count: int) -> tuple[list[KneeOutline], list[KneeOutline], list[str]]:
    """Outlines of films and of true volumes of simulated knees, and names of the knees."""
    from Xray2MRILib.radiograph.preparation import normalise_crop
    from Xray2MRILib.simulation.film_appearance import expose
    from Xray2MRILib.simulation.film_frame import crop_in_frame, nominal_frame, volume_in_frame
    from Xray2MRILib.simulation.pair_store import list_pairs, read_pair

    films, volumes, names = [], [], []
    for path in list_pairs(folder)[:count]:
        pair = read_pair(path)
        frame = nominal_frame(pair)
        film = expose(pair.bone, pair.soft, np.random.default_rng(pair.parameters.seed))
        films.append(film_outline(normalise_crop(crop_in_frame(film, frame))))
        volumes.append(volume_outline(volume_in_frame(pair, frame)))
        names.append(path.stem)
    return films, volumes, names


def generated(
    folder: Path, per_grade: int, model: str, slices: int, steps: int, cache: Path
) -> tuple[list[KneeOutline], list[KneeOutline], list[str]]:
    """Outlines of real films and of the volumes that the model makes of them, and whose films they are."""
    from Xray2MRILib import Xray2MRIPipeline
    from Xray2MRILib.diffusion.sampling_choices import sampling_of_model
    from Xray2MRILib.generation_settings import GenerationSettings
    from Xray2MRILib.prepared_knee import prepare_knee
    from Xray2MRILib.radiograph.reading import read_radiograph
    from Xray2MRILib.reprojection.shared_frame import why_not_shared

    pipeline = Xray2MRIPipeline.from_pretrained(model)
    if why_not_shared(pipeline):
        raise SystemExit(why_not_shared(pipeline))
    cache.mkdir(parents=True, exist_ok=True)
    films, volumes, people = [], [], []
    for film in measured_films(folder, per_grade):
        knee = prepare_knee(read_radiograph(film.path), GenerationSettings())
        own = sampling_of_model(pipeline.model_card)
        asked = [pipeline.weights_sha256, own, slices, steps, knee.prepared.image.tobytes().hex()]
        kept = cache / f"{hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:24]}.npy"
        if not kept.exists():
            made = pipeline(knee.prepared, num_slices=slices, num_inference_steps=steps, seed=0).depth_slices()
            np.save(kept.with_suffix(".part.npy"), np.round(made * 255).astype(np.uint8))
            kept.with_suffix(".part.npy").replace(kept)
            print(f"{film.path.name}: volume", flush=True)
        films.append(film_outline(knee.prepared.image[0]))
        volumes.append(volume_outline(np.load(kept) / np.float32(255)))
        people.append(film.person)
    return films, volumes, people


def measured(films: list[KneeOutline], volumes: list[KneeOutline], people: list[str]) -> dict:
    """Figures of every part and stage: medians of own and other films, AUC, first ranks, share of knees."""
    count = len(films)
    names = [(stage, part) for stage in STAGES for part in PARTS]
    tables = {name: np.full((count, count), np.nan) for name in names}
    fits = []
    for row, volume in enumerate(volumes):
        for column, film in enumerate(films):
            record = compared_outlines(film, volume)
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
        for where, outlines in (("film", films), ("volume", volumes))
    }
    return report


def _figures(table: np.ndarray, other: np.ndarray) -> dict:
    """Of a table [volume, film] in mm with NaN where nothing was measured."""
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
    parser.add_argument("--films", type=Path, nargs="*", default=[])
    parser.add_argument("--per-grade", type=int, default=5, help="films of each grade in each folder, at most 6")
    parser.add_argument("--model", default="compact")
    parser.add_argument("--slices", type=int, default=25, help="25 give ten in the joint; at least 8")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--cache", type=Path, default=Path("runs/reprojection-volumes"))
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()

    report: dict = {"slices": options.slices, "steps": options.steps}
    if options.pairs:
        report["true volumes"] = measured(*true_pairs(options.pairs, options.knees))
    together: tuple[list, list, list] = ([], [], [])
    for folder in options.films:
        found = generated(folder, options.per_grade, options.model, options.slices, options.steps, options.cache)
        report[f"generated, {folder.name}"] = measured(*found)
        for whole, part in zip(together, found, strict=True):
            whole.extend(part)
    if len(options.films) > 1:
        report["generated, all films"] = measured(*together)
    text = json.dumps(report, indent=1)
    options.output.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
