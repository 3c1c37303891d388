"""How close the shipped model comes to simulated knees it never saw, beside four controls.

    python Testing/benchmarks/held_out_knees.py --pairs runs/held-out --training runs/pairs -o held_out.json

For every held-out knee one film is exposed and a volume generated; true volumes are taken in the frame of the film
(Xray2MRILib.simulation.film_frame), because no film tells where a knee lay in the scanner. Within the joint box (rows
95-205, columns 45-211 of 256, i.e. about 69 x 104 mm) each control stands where the own generated volume stands:
another knee's real volume, the mean of training volumes, a blank volume, and the volume generated from another knee's
film. Measures are those of Xray2MRILib.metrics, and the height of the bright band of cartilage and fluid between the
bones in either compartment, correlated with the true volume's and with the simulated joint space.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from Xray2MRILib.metrics.boundary_f1 import boundary_f1
from Xray2MRILib.metrics.canny_edges import EdgeMap, canny_edges
from Xray2MRILib.metrics.edge_distance import edge_distance_mm
from Xray2MRILib.metrics.psnr import psnr_db
from Xray2MRILib.metrics.ssim import ssim
from Xray2MRILib.metrics.summary import summarise

BOX = (95, 205, 45, 211)  # first row, end row, first column, end column
PIXEL_MM = 0.625
HIGHER_IS_CLOSER = {"psnr_db": True, "ssim": True, "edge_mm": False, "f1": True}


def compare(truth: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """Medians over slices of PSNR (dB), SSIM, edge distance (mm) and edge F1 of volumes [S, 256, 256] in [0, 1]."""
    box = (slice(None), slice(BOX[0], BOX[1]), slice(BOX[2], BOX[3]))
    edges = [EdgeMap(canny_edges(volume), BOX) for volume in (truth, found)]
    values = {
        "psnr_db": psnr_db(truth[box], found[box]),
        "ssim": ssim(truth[box], found[box]),
        "edge_mm": edge_distance_mm(*edges, pixel_mm=PIXEL_MM),
        "f1": boundary_f1(*edges),
    }
    return {name: summarise(slices).median for name, slices in values.items()}


COMPARTMENTS = {"lateral": slice(84, 106), "medial": slice(150, 172)}  # columns, 14 to 28 mm from the middle


def joint_band_mm(volume: np.ndarray, depths: np.ndarray) -> dict[str, float]:
    """Mean height in mm of what is brighter than 0.5 within 10 mm of the joint line, in the central slices.

    ``volume`` is [S, 256, 256] in [0, 1], ``depths`` the indices 0-49 of its slices; those from 20 to 36 are taken.
    """
    central = volume[(depths >= 20) & (depths <= 36), 136:168]
    return {
        name: float((central[:, :, columns] > 0.5).sum(axis=1).mean() * PIXEL_MM)
        for name, columns in COMPARTMENTS.items()
    }


def correlation(first: list[float], second: list[float]) -> float:
    """Pearson's r, rounded."""
    return round(float(np.corrcoef(first, second)[0, 1]), 3)


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
    from Xray2MRILib.simulation.film_appearance import expose
    from Xray2MRILib.simulation.film_frame import crop_in_frame, nominal_frame, volume_in_frame
    from Xray2MRILib.simulation.pair_store import list_pairs, read_pair

    pipeline = Xray2MRIPipeline.from_pretrained(arguments.model)
    depths = np.arange(0, 50, 49 // (arguments.slices - 1))
    truths, made, spaces = [], [], []
    for path in list_pairs(arguments.pairs)[: arguments.knees]:
        pair = read_pair(path)
        film = expose(pair.bone, pair.soft, np.random.default_rng(pair.parameters.seed))
        frame = nominal_frame(pair)
        crop = normalise_crop(crop_in_frame(film, frame)).reshape(1, 256, 256)
        grade = KoaProbabilities.reader(pair.parameters.kl_grade, smear=0.1)
        volume = pipeline(crop, num_slices=arguments.slices, num_inference_steps=arguments.steps, koa=grade, seed=0)
        truths.append(volume_in_frame(pair, frame)[depths])
        made.append(volume.depth_slices())
        spaces.append(pair.joint_space_mm)
        print(f"{len(made)} volumes", flush=True)
    mean = np.zeros_like(truths[0])
    training = list_pairs(arguments.training)[:200]
    for path in training:
        pair = read_pair(path, film=False)
        mean += volume_in_frame(pair, nominal_frame(pair))[depths] / len(training)

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
            for metric in HIGHER_IS_CLOSER
        }
        if name != "own":
            report[name]["own_closer_share"] = {
                metric: round(
                    float(np.mean([o[metric] > r[metric] if higher else o[metric] < r[metric] for o, r in pairs])), 3
                )
                for metric, higher in HIGHER_IS_CLOSER.items()
                for pairs in [list(zip(table["own"], rows, strict=True))]
            }
    bands = {name: [joint_band_mm(v, depths) for v in volumes] for name, volumes in (("true", truths), ("own", made))}
    other_bands = [bands["own"][(k + 5) % count] for k in range(count)]
    report["joint_band_correlation"] = {
        side: {
            "own film with true volume": correlation([b[side] for b in bands["own"]], [b[side] for b in bands["true"]]),
            "other film with true volume": correlation(
                [b[side] for b in other_bands], [b[side] for b in bands["true"]]
            ),
            "true volume with simulated joint space": correlation(
                [b[side] for b in bands["true"]], [s[side] for s in spaces]
            ),
            "own film with simulated joint space": correlation(
                [b[side] for b in bands["own"]], [s[side] for s in spaces]
            ),
        }
        for side in COMPARTMENTS
    }
    arguments.output.write_text(json.dumps(report, indent=1))
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
