"""How well does Siamese-GAP tell KL-2 from KL-0, beside the shipped grade classifier and what needs no network?

    python Testing/benchmarks/early_osteoarthritis.py --data FOLDER --network runs/siamese-gap/average \
        --external OTHER-FOLDER -o docs/results/early_osteoarthritis.json

``--data`` is the folder of graded radiographs that the network learnt from; measured is its test split. Without
``--network`` the shipped one is measured. The simple controls are logistic regressions on the intensity histogram and
on the crop at 32 x 32 pixels, whose penalty is chosen on the validation split. Intervals are of 95 %, by a bootstrap
over radiographs. ``--external`` is a folder of single knees of another collection with index.csv (file, kind,
kl_expert_1), from which nothing was learnt; the shipped localizer crops them.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from result_file import write_result
from torch.nn import functional

from Xray2MRILib.baselines.siamese_gap import SHIPPED_FOLDER, load_siamese_gap
from Xray2MRILib.conditions.intensity_histogram import intensity_histogram
from Xray2MRILib.conditions.koa_classifier import load_classifier
from Xray2MRILib.files.resources import resource_path
from Xray2MRILib.generation.prepared_knee import prepare_knee
from Xray2MRILib.generation.settings import GenerationSettings
from Xray2MRILib.radiograph.reading import read_radiograph
from Xray2MRILib.training.data.graded_radiographs import from_bytes, to_bytes
from Xray2MRILib.training.siamese_gap import two_grades

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)


def area(score: np.ndarray, truth: np.ndarray) -> float:
    """Area under the ROC curve by ranks; ties count half."""
    order = np.sort(score[~truth])
    below = np.searchsorted(order, score[truth], "left") + np.searchsorted(order, score[truth], "right")
    return float(below.mean() / 2 / len(order))


def measures(score: np.ndarray, truth: np.ndarray, repetitions: int = 1000) -> dict[str, Any]:
    """Accuracy and balanced accuracy at the threshold 0, the area, and its interval."""
    right, rng = (score > 0) == truth, np.random.default_rng(0)
    draws = (rng.integers(0, len(truth), len(truth)) for _ in range(repetitions))
    areas = [area(score[draw], truth[draw]) for draw in draws]
    return {
        "accuracy": round(float(right.mean()), 3),
        "balanced_accuracy": round(float((right[truth].mean() + right[~truth].mean()) / 2), 3),
        "auc": round(area(score, truth), 3),
        "auc_interval": [round(float(value), 3) for value in np.percentile(areas, (2.5, 97.5))],
    }


def external_crops(folder: Path) -> tuple[torch.Tensor, np.ndarray]:
    """Crops uint8 [N, 256, 256] of the knees of KL-0 and KL-2 by the first expert, and which are KL-2."""
    crops, truth = [], []
    with (folder / "index.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "single" and row["kl_expert_1"] in ("0", "2")]
    for row in rows:
        knee = prepare_knee(read_radiograph(folder / row["file"]), GenerationSettings())
        if knee.box is not None:
            crops.append(to_bytes(knee.prepared.image[0]))
            truth.append(row["kl_expert_1"] == "2")
    return torch.from_numpy(np.stack(crops)), np.array(truth)


@torch.no_grad()
def of_networks(images: torch.Tensor, folder: Path | None) -> dict[str, np.ndarray]:
    """Log odds of KL-2 by Siamese-GAP and by the grade classifier, of crops uint8 [N, 256, 256]."""
    network, (classifier, temperature) = load_siamese_gap(folder), load_classifier()
    scores: dict[str, list[torch.Tensor]] = {"siamese_gap": [], "grade_classifier": []}
    for part in images.split(32):
        crops = from_bytes(part)
        logits, graded = network(crops), classifier(crops) / temperature
        scores["siamese_gap"].append(logits[:, 1] - logits[:, 0])
        scores["grade_classifier"].append(graded[:, 2] - graded[:, 0])
    return {name: torch.cat(parts).double().numpy() for name, parts in scores.items()}


def of_regression(features: dict[str, np.ndarray], truths: dict[str, np.ndarray]) -> np.ndarray:
    """Log odds of the test split by a logistic regression; its penalty has the best area on the validation split."""
    mean, spread = features["train"].mean(axis=0), features["train"].std(axis=0) + 1e-6
    scaled = {split: torch.from_numpy((values - mean) / spread).float() for split, values in features.items()}
    truth, best = torch.from_numpy(truths["train"]).float(), (-1.0, np.zeros(0))
    for penalty in PENALTIES:
        weights = torch.zeros(scaled["train"].shape[1] + 1, requires_grad=True)
        optimiser = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")

        def loss(weights: torch.Tensor = weights, penalty: float = penalty) -> torch.Tensor:
            logits = scaled["train"] @ weights[:-1] + weights[-1]
            value = functional.binary_cross_entropy_with_logits(logits, truth) + penalty * weights[:-1].square().sum()
            weights.grad = None
            value.backward()
            return value

        optimiser.step(loss)
        scores = {split: (scaled[split] @ weights[:-1] + weights[-1]).detach().numpy() for split in ("val", "test")}
        found = area(scores["val"], truths["val"])
        if found > best[0]:
            best = (found, scores["test"])
    return best[1].astype(float)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--network", type=Path)
    parser.add_argument("--external", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    splits = {split: two_grades(options.data, split) for split in ("train", "val", "test")}
    truths = {split: radiographs.grades.numpy().astype(bool) for split, radiographs in splits.items()}
    scores = of_networks(splits["test"].images, options.network)
    for name, of_crop in (
        ("histogram", intensity_histogram),
        ("crop_32", lambda crop: functional.avg_pool2d(torch.from_numpy(crop), 8).flatten().numpy()),
    ):
        features = {
            split: np.stack([of_crop(from_bytes(image[None])[0].numpy()) for image in radiographs.images])
            for split, radiographs in splits.items()
        }
        scores[name] = of_regression(features, truths)
    truth = truths["test"]
    found = {
        "radiographs": {"all": len(truth), "KL-2": int(truth.sum())},
        **{name: measures(score, truth) for name, score in scores.items()},
    }
    rng = np.random.default_rng(1)
    draws = [rng.integers(0, len(truth), len(truth)) for _ in range(1000)]
    for control in ("crop_32", "grade_classifier"):
        gains = [area(scores["siamese_gap"][d], truth[d]) - area(scores[control][d], truth[d]) for d in draws]
        found["siamese_gap"][f"auc_minus_{control}"] = [round(float(v), 3) for v in np.percentile(gains, (2.5, 97.5))]
    if options.external is not None:
        crops, of_grade_2 = external_crops(options.external)
        elsewhere = of_networks(crops, options.network)
        found["external"] = {
            "radiographs": {"all": len(of_grade_2), "KL-2": int(of_grade_2.sum())},
            **{name: measures(score, of_grade_2) for name, score in elsewhere.items()},
        }
    checksums = (options.network or resource_path(SHIPPED_FOLDER)) / "checksums.json"
    write_result(
        options.output,
        command="python Testing/benchmarks/early_osteoarthritis.py --data FOLDER --external OTHER-FOLDER -o FILE",
        settings={"siamese_gap_checksums": json.loads(checksums.read_text(encoding="utf-8")), "split": "test"},
        figures=found,
    )
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
