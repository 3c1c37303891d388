"""How close the shipped model comes to simulated knees it never saw, beside four controls.

    python Testing/benchmarks/held_out_knees.py --pairs runs/held-out --training runs/pairs -o held_out.json

For every held-out knee one radiograph is exposed and a volume generated; true volumes are taken in the frame of the
radiograph (simulation/pairs/crop_frame.py), because no radiograph tells where a knee lay in the scanner. Within
the joint box (rows 95-205, columns 45-211 of 256, i.e. about 69 x 104 mm) each control stands where the own generated
volume stands: another knee's real volume, the mean of training volumes, a blank volume, and the volume generated from
another knee's radiograph. Two rows say what could be reached at best: the true volume through the autoencoder, and its
neighbouring slices.

Measures are those of Xray2MRILib.metrics, and the height of the bright band of cartilage and fluid between the bones in
either compartment, correlated with the true volume's and with the simulated joint space. The first ``--whole`` knees
are generated with all 50 slices, for the correlation of slices 1 to 10 apart beside the true volume's, with p set to KL
0 and to KL 4, for what the grade alone changes, and with another seed, for how far the model agrees with itself.
Sampling is that which the model's card asks for; ``--as-printed`` is Algorithm 2's. The result belongs in
docs/results/held_out.json (with ``--as-printed`` in held_out_as_printed.json); fill_result_tables.py then fills the
tables of README and docs.
"""

from __future__ import annotations

import argparse
import json
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from result_file import write_result

from Xray2MRILib.metrics.adjacent_correlation import lag_curve
from Xray2MRILib.metrics.boundary_f1 import boundary_f1
from Xray2MRILib.metrics.canny_edges import EdgeMap, canny_edges
from Xray2MRILib.metrics.edge_distance import edge_distance_mm
from Xray2MRILib.metrics.joint_region import find_joint_region
from Xray2MRILib.metrics.leg_mask import leg_mask
from Xray2MRILib.metrics.psnr import psnr_db
from Xray2MRILib.metrics.rssim import rssim
from Xray2MRILib.metrics.ssim import ssim
from Xray2MRILib.metrics.summary import summarise

if TYPE_CHECKING:
    from Xray2MRILib.simulation.pairs.knee_pair import KneePair

BOX = (95, 205, 45, 211)  # first row, end row, first column, end column
PIXEL_MM = 0.625
SEED = 0  # of every volume; the second opinion on the same radiograph takes the next one
HIGHER_IS_CLOSER = {"psnr_db": True, "ssim": True, "edge_mm": False, "f1": True, "rssim": True}


def compare(truth: np.ndarray, found: np.ndarray, rows: np.ndarray) -> dict[str, float]:
    """Medians over slices of PSNR (dB), SSIM, edge distance (mm), edge F1 and RSSIM of volumes [S, 256, 256] in [0, 1].

    ``rows`` [S, 2] are those of the true volume's joint region, for RSSIM.
    """
    box = (slice(None), slice(BOX[0], BOX[1]), slice(BOX[2], BOX[3]))
    edges = [EdgeMap(canny_edges(volume), BOX) for volume in (truth, found)]
    values = {
        "psnr_db": psnr_db(truth[box], found[box]),
        "ssim": ssim(truth[box], found[box]),
        "edge_mm": edge_distance_mm(*edges, pixel_mm=PIXEL_MM),
        "f1": boundary_f1(*edges),
        "rssim": rssim(edges[0].edges, edges[1].edges, rows),
    }
    return {name: summarise(slices).median for name, slices in values.items()}


def fine_detail(volume: np.ndarray) -> np.ndarray:
    """What a blur of 3 pixels removes from the slices [S, H, W], in the joint box."""
    from scipy import ndimage

    fine = volume - ndimage.gaussian_filter(volume, (0, 3, 3))
    return fine[:, BOX[0] : BOX[1], BOX[2] : BOX[3]]


def neighbours_alike(fine: np.ndarray) -> float:
    """Mean correlation of the fine detail [S, H, W] of neighbouring slices."""
    return float(np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairwise(fine)]))


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


def contrast_kept(truth: np.ndarray, coded: np.ndarray, depths: np.ndarray) -> list[float]:
    """Step from bone (below 0.3) to cartilage and fluid (above 0.5) at the joint line, reconstructed over true.

    Per compartment, in the slices of ``joint_band_mm``; a compartment without a bright band is left out.
    """
    central = (depths >= 20) & (depths <= 36)
    shares = []
    for columns in COMPARTMENTS.values():
        true, found = truth[central, 136:168, columns], coded[central, 136:168, columns]
        bright, dark = true > 0.5, true < 0.3
        if bright.sum() >= 50 and dark.sum() >= 50:
            step = found[bright].mean() - found[dark].mean()
            shares.append(float(step / (true[bright].mean() - true[dark].mean())))
    return shares


def correlation(first: list[float], second: list[float]) -> float:
    """Pearson's r, rounded."""
    return round(float(np.corrcoef(first, second)[0, 1]), 3)


def radiograph_and_truth(pair: KneePair) -> tuple[np.ndarray, np.ndarray]:
    """One exposure of a knee's crop [1, 256, 256] in [-1, 1], and its volume [50, 256, 256] in the crop's frame."""
    from Xray2MRILib.preparation.joint_crop import normalise_crop
    from Xray2MRILib.simulation.pairs.crop_frame import crop_in_frame, nominal_frame, volume_in_frame
    from Xray2MRILib.simulation.radiograph.appearance import expose

    frame = nominal_frame(pair)
    radiograph = expose(pair.bone, pair.soft, np.random.default_rng(pair.parameters.seed))
    return normalise_crop(crop_in_frame(radiograph, frame)).reshape(1, 256, 256), volume_in_frame(pair, frame)


def through_autoencoder(vae: Any, volume: np.ndarray) -> np.ndarray:
    """A volume [S, H, W] in [0, 1] encoded and decoded: the best that slices of this autoencoder can be."""
    import torch

    from Xray2MRILib.models.autoencoder import decode_latents, encode_images

    images = torch.from_numpy(volume[:, None].astype(np.float32)) * 2 - 1
    with torch.inference_mode():
        decoded = decode_latents(vae, encode_images(vae, images, sample=False))
    return ((decoded[:, 0].float() + 1) / 2).clamp(0, 1).numpy()


def distances(knees: dict[str, list], mean: np.ndarray) -> dict[str, dict]:
    """Row -> measure -> [median, quartiles] over knees; controls also with the share in which the own is closer."""
    count = len(knees["truth"])
    table: dict[str, list[dict[str, float]]] = {}
    for k, truth in enumerate(knees["truth"]):
        other = (k + 5) % count  # the next knee of the same grade
        candidates = {
            "own": knees["made"][k], "other radiograph": knees["made"][other], "other knee": knees["truth"][other],
            "mean": mean, "blank": np.zeros_like(truth), "autoencoder alone": knees["coded"][k],
            "neighbouring slice": knees["next"][k],
        }  # fmt: skip
        for name, candidate in candidates.items():
            table.setdefault(name, []).append(compare(truth, candidate, knees["rows"][k]))
    report: dict[str, dict] = {}
    for name, rows in table.items():
        report[name] = {
            metric: [round(float(np.nanpercentile([r[metric] for r in rows], q)), 3) for q in (50, 25, 75)]
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
    return report


def band_correlations(knees: dict[str, list], depths: np.ndarray) -> dict[str, dict[str, float]]:
    """Compartment -> which two heights of the joint band -> Pearson's r over the knees."""
    true, own = ([joint_band_mm(volume, depths) for volume in knees[name]] for name in ("truth", "made"))
    count = len(own)
    found = {}
    for side in COMPARTMENTS:
        of_true, of_own, space = ([row[side] for row in rows] for rows in (true, own, knees["space"]))
        found[side] = {
            "own radiograph with true volume": correlation(of_own, of_true),
            "other radiograph with true volume": correlation([of_own[(k + 5) % count] for k in range(count)], of_true),
            "true volume with simulated joint space": correlation(of_true, space),
            "own radiograph with simulated joint space": correlation(of_own, space),
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--training", type=Path, required=True)
    parser.add_argument("--model", default="compact")
    parser.add_argument("--knees", type=int, default=60)
    parser.add_argument("--slices", type=int, default=8, choices=(8, 50), help="8 are every seventh of the 50")
    parser.add_argument("--steps", type=int, help="the model's own unless given")
    parser.add_argument("--whole", type=int, default=10, help="knees generated with all slices and two other grades")
    parser.add_argument("--as-printed", action="store_true", help="no guidance, noise of its full spread")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()

    from Xray2MRILib import Xray2MRIPipeline
    from Xray2MRILib.conditions.koa_probabilities import KoaProbabilities
    from Xray2MRILib.diffusion.sampling_settings import PAPER_DEFAULTS, SamplingSettings, sampling_of_model
    from Xray2MRILib.simulation.pairs.crop_frame import nominal_frame, volume_in_frame
    from Xray2MRILib.simulation.pairs.pair_store import list_pairs, read_pair

    pipeline = Xray2MRIPipeline.from_pretrained(arguments.model)
    sampling = PAPER_DEFAULTS if arguments.as_printed else sampling_of_model(pipeline.model_card)
    steps = SamplingSettings(arguments.steps).for_model(pipeline.model_card).num_inference_steps
    depths = np.arange(0, 50, 49 // (arguments.slices - 1))
    knees: dict[str, list] = {name: [] for name in ("truth", "made", "next", "coded", "rows", "space")}
    curves: dict[str, list] = {"generated": [], "true": [], "generated in leg": [], "true in leg": []}
    bands: dict[str, list] = {"KL 0": [], "KL 4": []}
    seeds: list[dict[str, float]] = []
    alike: dict[str, list[float]] = {"generated": [], "true": []}
    for path in list_pairs(arguments.pairs)[: arguments.knees]:
        pair = read_pair(path)
        crop, whole = radiograph_and_truth(pair)

        def made(koa: KoaProbabilities, slices: int, seed: int = SEED, crop: np.ndarray = crop) -> np.ndarray:
            return pipeline(
                crop, num_slices=slices, num_inference_steps=steps, koa=koa, seed=seed, **sampling
            ).depth_slices()

        knees["truth"].append(whole[depths])
        knees["next"].append(whole[np.minimum(depths + 1, 49)])
        knees["coded"].append(through_autoencoder(pipeline.autoencoder, whole[depths]))
        knees["rows"].append(find_joint_region(whole).rows[depths])
        knees["space"].append(pair.joint_space_mm)
        grade = KoaProbabilities.reader(pair.parameters.kl_grade, smear=0.1)
        if len(knees["made"]) < arguments.whole:
            full = made(grade, 50)
            knees["made"].append(full[depths])
            for name, volume in (("generated", full), ("true", whole)):
                curves[name].append(list(lag_curve(volume).values()))
                alike[name].append(neighbours_alike(fine_detail(volume)))
                curves[f"{name} in leg"].append(list(lag_curve(volume, mask=leg_mask(volume)).values()))
            again = made(grade, 8, seed=SEED + 1)
            seeds.append(compare(full[0:50:7], again, find_joint_region(whole).rows[0:50:7]))
            for name, found in bands.items():
                fixed = KoaProbabilities.reader(int(name[-1]), smear=0.0)
                found.append(joint_band_mm(made(fixed, 8), np.arange(0, 50, 7)))
        else:
            knees["made"].append(made(grade, arguments.slices))
        print(f"{len(knees['made'])} volumes", flush=True)
    training = list_pairs(arguments.training)[:200]
    mean = np.zeros_like(knees["truth"][0])
    for path in training:
        pair = read_pair(path, radiograph=False)
        mean += volume_in_frame(pair, nominal_frame(pair))[depths] / len(training)

    report: dict[str, Any] = dict(distances(knees, mean))
    kept = [s for t, c in zip(knees["truth"], knees["coded"], strict=True) for s in contrast_kept(t, c, depths)]
    quartiles = np.round(np.percentile(kept, (50, 25, 75)), 3).tolist()
    report["cartilage contrast kept by the autoencoder"] = quartiles
    report["two seeds of one radiograph"] = {
        metric: round(float(np.median([row[metric] for row in seeds])), 3) for metric in HIGHER_IS_CLOSER if seeds
    }
    report["correlation_by_lag"] = {
        name: [round(float(v), 3) for v in np.median(rows, axis=0)] for name, rows in curves.items() if rows
    }
    shares = [
        float(fine_detail(own).std() / fine_detail(true).std())
        for own, true in zip(knees["made"], knees["truth"], strict=True)
    ]
    report["fine_detail"] = {
        "generated over true": np.round(np.percentile(shares, (50, 25, 75)), 3).tolist(),
        **{f"neighbouring slices, {n}": round(float(np.median(v)), 3) for n, v in alike.items() if v},
    }
    report["joint_band_correlation"] = band_correlations(knees, depths)
    for side in COMPARTMENTS if arguments.whole else ():
        healthy, severe = (np.array([band[side] for band in bands[name]]) for name in ("KL 0", "KL 4"))
        report.setdefault("joint_band_mm_by_grade", {})[side] = {
            "KL 0": round(float(healthy.mean()), 2),
            "KL 4": round(float(severe.mean()), 2),
            "narrower with KL 4": round(float((severe < healthy).mean()), 2),
            "narrower by": round(float(healthy.mean() - severe.mean()), 2),
        }
    settings = {
        "knees": len(knees["made"]), "slices": arguments.slices, "steps": steps, "seed": SEED,
        "sampling": sampling, "whole": len(curves["true"]), "training_knees": len(training),
    }  # fmt: skip
    command = "python Testing/benchmarks/held_out_knees.py --pairs HELD-OUT --training PAIRS -o FILE"
    command += " --as-printed" if arguments.as_printed else ""
    record = write_result(
        arguments.output, command=command, settings=settings, figures=report, weights=pipeline.weights_sha256
    )
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
