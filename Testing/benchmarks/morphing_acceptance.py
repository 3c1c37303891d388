"""Does the morphing model reach a severe knee? Its measures on held-out radiographs, and what was wanted of it.

    python Testing/benchmarks/morphing_acceptance.py --data FOLDER --morphing-model runs/morphing/model \
        --early-oa runs/siamese-gap/average -o runs/acceptance.json

``--data`` is the folder of graded radiographs that it learnt from (its test split is used). Simulated knees of held-out
seeds are made in a folder beside the output and kept there. Without ``--early-oa`` the shipped Siamese-GAP judges.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from result_file import write_result

from Xray2MRILib.baselines.morphing import MorphingModel, frame, load_morphing_model
from Xray2MRILib.baselines.siamese_gap import load_siamese_gap
from Xray2MRILib.baselines.velocity_field import exponential, jacobian_determinant
from Xray2MRILib.conditions.koa_classifier import grade_probabilities, load_classifier
from Xray2MRILib.progression.radiograph_series import severities, shipped_model
from Xray2MRILib.reprojection.knee_outline import KneeOutline
from Xray2MRILib.reprojection.radiograph_outline import radiograph_outline
from Xray2MRILib.simulation.pairs.population import HELD_OUT_OFFSET
from Xray2MRILib.simulation.pairs.radiograph_pairs import read_radiograph_pair, simulate_radiograph_pairs
from Xray2MRILib.training.data.graded_radiographs import from_bytes
from Xray2MRILib.training.morphing import radiographs_of_two_grades

FRAMES = 8
OUTSIDE = (0.36, 0.76)  # shares of the height: the joint lies between
WANTED = {
    "expected_grade_at_the_end": "at least 2.5",
    "kl2_probability_at_the_end": "that of real KL-4, by a network that never trained it; 2.0 as a grade",
    "rising": "at least 0.95",
    "ssim_outside_the_joint": "at least 0.9",
    "smallest_determinant": "above 0",
    "joint_space_r": "at least 0.7",
}


@torch.no_grad()
def on_real_radiographs(model: MorphingModel, data: Path, count: int, early: Path | None) -> dict[str, Any]:
    """Grades, SSIM and folding of ``count`` healthy radiographs of the test split."""
    from skimage.metrics import structural_similarity

    healthy, severe = radiographs_of_two_grades(data, "test")
    classifier, temperature = load_classifier()
    judge, numbers = load_siamese_gap(early), torch.arange(5.0)
    grades, judged, ssim, determinants = [], [], [], []
    for image in healthy.images[:: max(1, len(healthy) // count)][:count]:
        one = from_bytes(image[None])
        changes = model.changes_of(one)
        series = torch.cat([frame(one, *changes, g) if g else one for g in severities(4, FRAMES)]).clamp(-1, 1)
        grades.append((grade_probabilities(classifier, series, temperature) @ numbers).numpy())
        judged.append(torch.softmax(judge(series), dim=1)[:, 1].numpy())
        determinants.append(float(jacobian_determinant(exponential(changes[0])).min()))
        first, last = (series[place, 0].numpy() for place in (0, -1))
        similar = structural_similarity(first, last, data_range=2.0, full=True)[1]
        rows = (np.arange(len(first)) + 0.5) / len(first)
        ssim.append(float(similar[(rows < OUTSIDE[0]) | (rows > OUTSIDE[1])].mean()))
    expected, early_share = np.stack(grades), np.stack(judged)
    real = torch.cat([torch.softmax(judge(from_bytes(part)), dim=1)[:, 1] for part in severe.images.split(16)])
    return {
        "radiographs": len(expected),
        "expected_grade": expected.mean(axis=0).round(3).tolist(),
        "expected_grade_at_the_end": round(float(expected[:, -1].mean()), 3),
        "rising": round(float((np.diff(expected, axis=1) > 0).all(axis=1).mean()), 3),
        "kl2_probability": early_share.mean(axis=0).round(3).tolist(),
        "kl2_probability_at_the_end": round(float(early_share[:, -1].mean()), 3),
        "kl2_probability_of_real_kl4": round(float(real.mean()), 3),
        "ssim_outside_the_joint": round(float(np.mean(ssim)), 3),
        "smallest_determinant": round(min(determinants), 3),
    }


@torch.no_grad()
def on_simulated_knees(model: MorphingModel, folder: Path, count: int) -> dict[str, Any]:
    """How the joint space falls in held-out simulated knees, with each pair's own code, against the truth."""
    found, true = [], []
    for path in simulate_radiograph_pairs(folder, count, seed=HELD_OUT_OFFSET + 5000):
        pair = read_radiograph_pair(path)
        healthy, severe = (torch.from_numpy(crop)[None, None] for crop in pair.crops())
        end = frame(healthy, *model.changes_of(healthy, severe), 1.0).clamp(-1, 1)
        before, after = (joint_space_mm(radiograph_outline(p[0, 0].numpy())) for p in (healthy, end))
        for side in before.keys() & after.keys():
            found.append(before[side] - after[side])
            true.append(pair.joint_space_mm[0][side] - pair.joint_space_mm[1][side])
    r = float(np.corrcoef(found, true)[0, 1]) if len(found) > 2 else float("nan")
    return {
        "simulated_knees": count,
        "compartments": len(found),
        "joint_space_r": round(r, 3),
        "joint_space_fall_mm": {"mean": round(float(np.mean(found)), 2), "true": round(float(np.mean(true)), 2)},
    }


def joint_space_mm(outline: KneeOutline) -> dict[str, float]:
    """Smallest height in mm between femur and tibia in each compartment, of places that both outlines show."""
    widths = {}
    for side in ("medial", "lateral"):
        curves = [outline.curves.get(f"{bone} {side} joint") for bone in ("femur", "tibia")]
        if any(curve is None for curve in curves):
            continue
        femur, tibia = ({round(float(x), 2): float(z) for x, z in curve} for curve in curves if curve is not None)
        heights = [tibia[x] - femur[x] for x in femur.keys() & tibia.keys()]
        if len(heights) >= 8:
            widths[side] = float(np.percentile(heights, 10))
    return widths


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--morphing-model", type=Path)
    parser.add_argument("--early-oa", type=Path)
    parser.add_argument("--radiographs", type=int, default=100)
    parser.add_argument("--simulated", type=int, default=30)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    weights = options.morphing_model or shipped_model()
    model = load_morphing_model(weights)
    found = on_real_radiographs(model, options.data, options.radiographs, options.early_oa)
    found |= on_simulated_knees(model, options.output.parent / "simulated_held_out", options.simulated)
    write_result(
        options.output,
        command="python Testing/benchmarks/morphing_acceptance.py --data FOLDER --morphing-model MODEL -o FILE",
        settings={
            "frames": FRAMES,
            "split": "test",
            "morphing_checksums": json.loads((weights / "checksums.json").read_text(encoding="utf-8")),
        },
        figures={"measured": found, "wanted": WANTED},
    )
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
