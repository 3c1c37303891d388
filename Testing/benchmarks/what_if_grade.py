"""Does a volume change as its grade would? The grade alone, the radiograph kept, beside the same knee at that grade.

    xray2mri simulate -o runs/held-out --count 60 --held-out --regraded-every 3
    python Testing/benchmarks/what_if_grade.py --pairs runs/held-out -o docs/results/what_if_grade.json

Every held-out knee that was simulated at two grades is generated from its own radiograph twice: with a reader's p of
its own grade, and with that of the other one. Reported are the heights of the bright joint band of both volumes and of
both true volumes, and whether the what-if volume is nearer than the first to the true volume at the other grade.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from held_out_knees import COMPARTMENTS, compare, joint_band_mm, radiograph_and_truth
from result_file import write_result

from Xray2MRILib.metrics.joint_region import find_joint_region

SLICES = 25
DEPTHS = np.arange(0, 50, 2)[:SLICES]


def two_grades(folder: Path) -> list[tuple[Path, Path]]:
    """Files of the knees that were simulated at two grades: at their own and at the other."""
    from Xray2MRILib.simulation.pairs.pair_store import list_pairs, pair_path
    from Xray2MRILib.simulation.pairs.population import REGRADED_OFFSET

    found = []
    for path in list_pairs(folder):
        other = pair_path(folder, int(path.stem.removeprefix("knee-")) + REGRADED_OFFSET)
        if other.exists():
            found.append((path, other))
    return found


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Change of the band from the lower to the higher grade, generated and true, and nearness to the other truth."""
    report: dict[str, Any] = {"knees": len(rows)}
    for side in COMPARTMENTS:
        made, true = (np.array([row[kind][side] for row in rows]) for kind in ("generated", "true"))
        report[side] = {
            "generated narrower by, mm": round(float(made.mean()), 2),
            "true narrower by, mm": round(float(true.mean()), 2),
            "share of the true change": round(float(made.mean() / true.mean()), 2),
            "narrower in": round(float((made > 0).mean()), 2),
        }
    for name, higher in (("edge_mm", False), ("ssim", True)):
        before, after = (np.array([row[kind][name] for row in rows]) for kind in ("as shown", "what if"))
        report[name] = {
            "as shown, to the other truth": round(float(np.median(before)), 3),
            "what if, to the other truth": round(float(np.median(after)), 3),
            "nearer in": round(float((after > before if higher else after < before).mean()), 2),
        }
    return report


def main() -> None:
    """Generate, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--model", default="compact")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()

    from Xray2MRILib import Xray2MRIPipeline
    from Xray2MRILib.conditions.koa_probabilities import KoaProbabilities
    from Xray2MRILib.diffusion.sampling_settings import SamplingSettings, sampling_of_model
    from Xray2MRILib.simulation.pairs.pair_store import read_pair

    pipeline = Xray2MRIPipeline.from_pretrained(options.model)
    sampling = sampling_of_model(pipeline.model_card)
    steps = SamplingSettings().for_model(pipeline.model_card).num_inference_steps
    rows = []
    for own_path, other_path in two_grades(options.pairs):
        own, other = read_pair(own_path), read_pair(other_path)
        crop, truth = radiograph_and_truth(own)
        other_truth = radiograph_and_truth(other)[1]
        grades = (own.parameters.kl_grade, other.parameters.kl_grade)
        made = [
            pipeline(
                crop, num_slices=50, num_inference_steps=steps, koa=KoaProbabilities.reader(grade), seed=0, **sampling
            ).depth_slices()[DEPTHS]
            for grade in grades
        ]
        sign = 1 if grades[0] < grades[1] else -1
        bands = [joint_band_mm(volume, DEPTHS) for volume in (*made, truth[DEPTHS], other_truth[DEPTHS])]
        joint = find_joint_region(other_truth).rows[DEPTHS]
        rows.append(
            {
                "generated": {side: sign * (bands[0][side] - bands[1][side]) for side in COMPARTMENTS},
                "true": {side: sign * (bands[2][side] - bands[3][side]) for side in COMPARTMENTS},
                "as shown": compare(other_truth[DEPTHS], made[0], joint),
                "what if": compare(other_truth[DEPTHS], made[1], joint),
            }
        )
        print(own_path.name, grades, rows[-1]["generated"], rows[-1]["true"], flush=True)
    settings = {"slices": SLICES, "steps": steps, "seed": 0, "sampling": sampling}
    command = "python Testing/benchmarks/what_if_grade.py --pairs HELD-OUT -o FILE"
    record = write_result(
        options.output, command=command, settings=settings, figures=summary(rows), weights=pipeline.weights_sha256
    )
    print(json.dumps(record["figures"], indent=1))


if __name__ == "__main__":
    main()
