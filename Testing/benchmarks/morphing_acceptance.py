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
from joint_space_fall import on_simulated_knees
from result_file import write_result

from Xray2MRILib.baselines.morphing import MorphingModel, frame, load_morphing_model
from Xray2MRILib.baselines.siamese_gap import load_siamese_gap
from Xray2MRILib.baselines.velocity_field import exponential, jacobian_determinant
from Xray2MRILib.conditions.koa_classifier import grade_probabilities, load_classifier
from Xray2MRILib.progression.radiograph_series import severities, shipped_model
from Xray2MRILib.training.data.graded_radiographs import from_bytes
from Xray2MRILib.training.morphing import radiographs_of_two_grades

FRAMES = 8
OUTSIDE = (0.36, 0.76)  # shares of the height: the joint lies between
OF_OTHER_COURSES = ("expected_grade_at_the_end", "rising", "kl2_probability_at_the_end", "smallest_determinant")
WANTED = {
    "expected_grade_at_the_end": "at least 2.5",
    "kl2_probability_at_the_end": "that of real KL-4, by a network that never trained it; 2.0 as a grade",
    "rising": "at least 0.95",
    "ssim_outside_the_joint": "at least 0.9",
    "smallest_determinant": "above 0",
    "joint_space_r": "at least 0.7",
}


@torch.no_grad()
def on_real_radiographs(
    model: MorphingModel, data: Path, count: int, early: Path | None, course: str | None = None
) -> dict[str, Any]:
    """Grades, SSIM and folding of ``count`` healthy radiographs of the test split on their usual or another course."""
    from skimage.metrics import structural_similarity

    healthy, severe = radiographs_of_two_grades(data, "test")
    classifier, temperature = load_classifier()
    judge, numbers = load_siamese_gap(early), torch.arange(5.0)
    grades, judged, ssim, determinants = [], [], [], []
    for image in healthy.images[:: max(1, len(healthy) // count)][:count]:
        one = from_bytes(image[None])
        changes = model.changes_of(one, course=course)
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
    for course in model.config["courses"][1:]:
        other = on_real_radiographs(model, options.data, options.radiographs, options.early_oa, course)
        found[f"{course}_course"] = {name: other[name] for name in OF_OTHER_COURSES}
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
