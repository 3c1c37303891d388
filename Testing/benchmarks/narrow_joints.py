"""KL 4 and narrow joints as a test set of their own: joint spaces by grade, and a sheet for the eye.

    python Testing/benchmarks/narrow_joints.py --pairs runs/held-out --sets FOLDER --unshown FOLDER -o OUTPUT

Simulated: all held-out knees of KL 4 and those whose narrower compartment is below 2.5 mm. Edge distance and joint
spaces of the generated volume against the true one; an open joint beside them (KL 0 and 1) says what is special.
Real: the KL 4 radiographs of every set; spaces of the volume against those of its own radiograph, by the outlines of
reprojection/. Writes ``narrow_joints.json`` (belongs in docs/results) and ``narrow_joints.png``: a row a knee with the
crop (blank for ``--unshown``), three generated slices, and the same slices of the true volume where there is one.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from held_out_knees import compare, radiograph_and_truth
from radiograph_features import SPACES, agreement, of_radiograph, of_volume
from reprojection_radiographs import measured_radiographs
from result_file import write_result

from Xray2MRILib.metrics.joint_region import find_joint_region

NARROW_MM = 2.5
SHOWN = (10, 14, 17)  # of 25 slices, posterior first: behind the middle, the middle, in front of it
TILE, LINE, ROWS = 144, 13, 12
CAUTION = "SYNTHETIC - not for diagnosis. Crop; generated slices, posterior first; the true slices where there are any."
Make = Callable[[Any, int], np.ndarray]


def main() -> None:
    """Generate, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--sets", nargs="*", type=Path, default=[], help="folders of graded radiographs")
    parser.add_argument("--unshown", nargs="*", type=Path, default=[], help="folders of radiographs that are not shown")
    parser.add_argument("--per-grade", type=int, default=6)
    parser.add_argument("--knees", type=int, default=60)
    parser.add_argument("--model", default="compact")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)

    from Xray2MRILib import Xray2MRIPipeline
    from Xray2MRILib.diffusion.sampling_settings import SamplingSettings, sampling_of_model

    pipeline = Xray2MRIPipeline.from_pretrained(options.model)
    sampling = sampling_of_model(pipeline.model_card)
    steps = SamplingSettings().for_model(pipeline.model_card).num_inference_steps

    def make(crop: Any, grade: int) -> np.ndarray:
        from Xray2MRILib.conditions.koa_probabilities import KoaProbabilities

        koa = KoaProbabilities.reader(grade, smear=0.1)
        return pipeline(crop, num_slices=25, num_inference_steps=steps, koa=koa, seed=0, **sampling).depth_slices()

    figures: dict[str, Any] = {}
    simulated, tiles = simulated_knees(options.pairs, options.knees, make)
    for name, chosen in {"narrow": lambda row: row["narrow"], "KL 0 and 1": lambda row: row["grade"] < 2}.items():
        figures[name] = summary([row for row in simulated if chosen(row)], "true")
    for folder in (*options.sets, *options.unshown):
        real, more = real_knees(folder, options.per_grade, make, shown=folder in options.sets)
        figures[folder.name] = summary(real, "film")
        tiles += more
    write_sheet(tiles, options.output / "narrow_joints.png")
    settings = {"knees": options.knees, "slices": 25, "steps": steps, "seed": 0, "sampling": sampling}
    command = "python Testing/benchmarks/narrow_joints.py --pairs HELD-OUT --sets FOLDER --unshown FOLDER -o OUTPUT"
    write_result(options.output / "narrow_joints.json", command=command, settings=settings, figures=figures,
                 weights=pipeline.weights_sha256)  # fmt: skip
    print(figures)


def simulated_knees(folder: Path, count: int, make: Make) -> tuple[list[dict], list[tuple[str, list[np.ndarray]]]]:
    """A row of features for every knee that is narrow or healthy, and the tiles of the narrow ones."""
    from Xray2MRILib.simulation.pairs.pair_store import list_pairs, read_pair

    rows, tiles = [], []
    for path in list_pairs(folder)[:count]:
        pair = read_pair(path)
        grade, narrowest = pair.parameters.kl_grade, min(pair.joint_space_mm.values())
        narrow = grade == 4 or narrowest < NARROW_MM
        if not narrow and grade > 1:
            continue
        crop, whole = radiograph_and_truth(pair)
        truth = whole[::2]
        made = make(crop, grade)
        row = {"narrow": narrow, "grade": grade, "made": of_volume(made), "true": of_volume(truth)}
        rows.append(row | compare(truth, made, find_joint_region(whole).rows[::2]))
        if narrow:
            pictures = [(crop[0] + 1) / 2, *made[list(SHOWN)], *truth[list(SHOWN)]]
            tiles.append((f"simulated, KL {grade}, narrowest space {narrowest:.1f} mm", pictures))
        print(path.name, flush=True)
    return rows, tiles[:ROWS]


def real_knees(
    folder: Path, per_grade: int, make: Make, *, shown: bool
) -> tuple[list[dict], list[tuple[str, list[np.ndarray]]]]:
    """A row of features for each radiograph of KL 4, and its tiles."""
    from Xray2MRILib.generation.prepared_knee import prepare_knee
    from Xray2MRILib.generation.settings import GenerationSettings
    from Xray2MRILib.radiograph.reading import read_radiograph

    rows, tiles = [], []
    for radiograph in measured_radiographs(folder, per_grade):
        if radiograph.grade != 4:
            continue
        prepared = prepare_knee(read_radiograph(radiograph.path), GenerationSettings()).prepared
        made = make(prepared, 4)
        rows.append({"made": of_volume(made), "film": of_radiograph(prepared.image[0])})
        crop = (prepared.image[0] + 1) / 2
        tiles.append((f"{folder.name}, KL 4", [crop if shown else np.zeros_like(crop), *made[list(SHOWN)]]))
        print(radiograph.path.name, flush=True)
    return rows, tiles


def summary(rows: list[dict], beside: str) -> dict[str, Any]:
    """Number of knees, medians of the measures, and joint line and spaces of the volume against ``beside``."""
    found: dict[str, Any] = {"knees": len(rows)}
    for name in ("edge_mm", "f1", "ssim"):
        if rows and name in rows[0]:
            found[name] = round(float(np.median([row[name] for row in rows])), 3)
    made, other = [row["made"] for row in rows], [row[beside] for row in rows]
    for name in ("joint line", *SPACES):
        values = [value for row in made if np.isfinite(value := row[name])]
        found[name] = agreement(made, other, name) | {"mean": round(float(np.mean(values)), 2) if values else None}
    return found


def write_sheet(tiles: list[tuple[str, list[np.ndarray]]], path: Path) -> None:
    """One row a knee, two rows side by side."""
    from PIL import Image, ImageDraw

    width, high = TILE * 7 + 6, -(-len(tiles) // 2)
    sheet = Image.new("L", (width * 2, LINE + high * (TILE + LINE)), 0)
    draw = ImageDraw.Draw(sheet)
    draw.text((4, 1), CAUTION, 255)
    for number, (label, pictures) in enumerate(tiles):
        left, top = width * (number // high), LINE + (number % high) * (TILE + LINE)
        draw.text((left + 4, top + 1), label, 255)
        for column, picture in enumerate(pictures):
            grey = Image.fromarray((np.clip(picture, 0, 1) * 255).astype(np.uint8)).resize((TILE, TILE))
            sheet.paste(grey, (left + column * TILE, top + LINE))
    sheet.save(path)


if __name__ == "__main__":
    main()
