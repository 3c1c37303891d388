"""How close the shipped model comes to simulated knees it never saw, beside four controls.

    python Testing/benchmarks/held_out_knees.py --pairs runs/held-out --training runs/pairs -o held_out.json

For every held-out knee one film is exposed and a volume generated. Within the joint box (rows 95-205, columns 45-211 of
256, i.e. about 69 x 104 mm) each control stands where the own generated volume stands: another knee's real volume, the
mean of training volumes, a blank volume, and the volume generated from another knee's film.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

BOX = (slice(95, 205), slice(45, 211))
PIXEL_MM = 0.625
FARTHEST_MM = 10.0


def edge_distance_mm(truth: np.ndarray, found: np.ndarray) -> float:
    """Symmetric mean distance of Canny edges (sigma 3) of two slices in mm, cut at 10 mm; no edges count 10 mm."""
    from scipy.ndimage import distance_transform_edt
    from skimage.feature import canny

    edges = [canny(image, sigma=3)[BOX] for image in (truth, found)]
    if not all(e.any() for e in edges):
        return FARTHEST_MM
    distances = [np.minimum(distance_transform_edt(~e) * PIXEL_MM, FARTHEST_MM) for e in edges]
    return float((distances[1][edges[0]].mean() + distances[0][edges[1]].mean()) / 2)


def compare(truth: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """Medians over slices of PSNR (dB), SSIM and edge distance (mm) of volumes [S, 256, 256] in [0, 1]."""
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    rows = []
    for a, b in zip(truth, found, strict=True):
        a64, b64 = a[BOX].astype(np.float64), b[BOX].astype(np.float64)
        mse_floor = np.mean((a64 - b64) ** 2) == 0
        rows.append(
            (
                99.0 if mse_floor else peak_signal_noise_ratio(a64, b64, data_range=1.0),
                structural_similarity(
                    a64, b64, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
                ),
                edge_distance_mm(a, b),
            )
        )
    psnr, ssim, edge = np.median(np.array(rows), axis=0)
    return {"psnr_db": float(psnr), "ssim": float(ssim), "edge_mm": float(edge)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--training", type=Path, required=True)
    parser.add_argument("--model", default="compact")
    parser.add_argument("--knees", type=int, default=60)
    parser.add_argument("--slices", type=int, default=8, choices=(8, 50), help="8 are every seventh of the 50")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()

    from Xray2MRILib import Xray2MRIPipeline
    from Xray2MRILib.conditions.koa_probabilities import KoaProbabilities
    from Xray2MRILib.radiograph.preparation import normalise_crop
    from Xray2MRILib.simulation.film_appearance import expose, joint_crop
    from Xray2MRILib.simulation.pair_store import list_pairs, read_pair

    pipeline = Xray2MRIPipeline.from_pretrained(arguments.model)
    depths = np.arange(0, 50, 49 // (arguments.slices - 1))
    truths, made = [], []
    for path in list_pairs(arguments.pairs)[: arguments.knees]:
        pair = read_pair(path)
        film = expose(pair.bone, pair.soft, np.random.default_rng(pair.parameters.seed))
        crop = normalise_crop(joint_crop(film, pair.parameters))[None]
        grade = KoaProbabilities.reader(pair.parameters.kl_grade, smear=0.1)
        volume = pipeline(crop, num_slices=arguments.slices, num_inference_steps=arguments.steps, koa=grade, seed=0)
        truths.append(pair.volume[depths])
        made.append(volume.depth_slices())
        print(f"{len(made)} volumes", flush=True)
    mean = np.mean([read_pair(p, film=False).volume[depths] for p in list_pairs(arguments.training)[:200]], axis=0)

    count = len(truths)
    table: dict[str, list[dict[str, float]]] = {
        name: [] for name in ("own", "other film", "other knee", "mean", "blank")
    }
    for k, truth in enumerate(truths):
        other = (k + 5) % count  # the next knee of the same grade
        candidates = {
            "own": made[k], "other film": made[other], "other knee": truths[other], "mean": mean,
            "blank": np.zeros_like(truth),
        }  # fmt: skip
        for name, candidate in candidates.items():
            table[name].append(compare(truth, candidate))
    report: dict[str, dict] = {"knees": count, "slices": arguments.slices, "steps": arguments.steps}
    for name, rows in table.items():
        report[name] = {
            metric: [round(float(np.percentile([r[metric] for r in rows], q)), 3) for q in (50, 25, 75)]
            for metric in ("psnr_db", "ssim", "edge_mm")
        }
        if name != "own":
            report[name]["own_closer_share"] = {
                metric: round(float(np.mean([sign * (o[metric] - r[metric]) > 0 for o, r in pairs])), 3)
                for metric, sign in (("psnr_db", 1), ("ssim", 1), ("edge_mm", -1))
                for pairs in [list(zip(table["own"], rows, strict=True))]
            }
    arguments.output.write_text(json.dumps(report, indent=1))
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
