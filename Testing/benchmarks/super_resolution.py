"""Super-resolution of held-out knees beside interpolation: errors, edges, detail, lesions, consistency, seconds.

    xray2mri simulate --high-resolution -o HELD-OUT --count 60 --held-out
    python Testing/benchmarks/super_resolution.py HELD-OUT --network student=STUDENT --network l1=L1 -o result.json

Every knee is scanned by a coarser scanner (coronal slices, Gaussian profile, 2 % Rician noise) at each scale. All
methods are measured after data consistency; ``cubic alone`` is not, and ``cubic, one iteration`` gets the iteration
that networks get. A lesion is found when its contrast in the result is at least half of that in the truth; one is
invented when an empty place gets half of the contrast that lesions of its kind have. --crop measures a box around the
joint, which takes a quarter of the time. --keep stores what was found for each knee in a folder: a stopped run goes on,
and further networks are measured beside those of earlier runs.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from result_file import write_result

from Xray2MRILib.acquisition.voxel_response import AxisSampling, VoxelResponse
from Xray2MRILib.metrics.canny_edges import EdgeMap
from Xray2MRILib.metrics.edge_distance import edge_distance_mm
from Xray2MRILib.metrics.leg_mask import leg_mask
from Xray2MRILib.metrics.psnr import psnr_db
from Xray2MRILib.metrics.ssim import ssim
from Xray2MRILib.simulation.high_resolution.fine_store import list_fine, read_fine
from Xray2MRILib.simulation.high_resolution.scanner import rician
from Xray2MRILib.super_resolution.fine_volume import compute_fine_volume
from Xray2MRILib.super_resolution.model_choice import load_enhancement_network
from Xray2MRILib.super_resolution.spacing_plan import SpacingPlan, plan_spacing
from Xray2MRILib.volume.geometry import OAI_FIELD

VOXEL_MM = OAI_FIELD.pixel_mm
SCALES = (1.5, 2.0, 2.4, 4.0)
NOISE = 0.02
# rows and columns of the joint box, slices of the middle; within the fine volume [120, 256, 256]
CROP = (slice(18, 102), slice(104, 200), slice(56, 200))  # both depths are whole slices at every scale
_WHOLE = (slice(0, 120), slice(0, 256), slice(0, 256))
BAND_ROWS_MM = 10.0
EDGE_SIGMA_PX = 1.0  # the usual 3 pixels would smooth away what is at stake
KINDS = ("cubic", "lanczos", "b-spline")


def scanned(truth: torch.Tensor, scale: float, seed: int) -> tuple[torch.Tensor, SpacingPlan]:
    """The coarse scan of a fine volume, slices along the first axis, and the plan that undoes it."""
    size = truth.shape
    coarse = round(size[0] / scale)
    assert abs(coarse * scale - size[0]) < 1e-6, f"{size[0]} voxels are no whole slices at {scale}"
    plan = plan_spacing((coarse, size[1], size[2]), (scale * VOXEL_MM, VOXEL_MM, VOXEL_MM), VOXEL_MM)
    axes = [
        AxisSampling.centred(coarse, scale, profile="gaussian", width=scale),
        AxisSampling(size[1], size[1], 1.0, 0.0),
        AxisSampling(size[2], size[2], 1.0, 0.0),
    ]
    generator = torch.Generator().manual_seed(seed)
    return rician(VoxelResponse.of(axes).sampled(truth), NOISE, generator), plan


def measures(truth: np.ndarray, found: np.ndarray, scale: float) -> dict[str, float]:
    """All measures of one result; edges in sagittal planes, which the thick axis spoils most."""
    from skimage.feature import canny

    found = np.clip(found, 0, 1)
    true = np.clip(truth, 0, 1)
    mask = leg_mask(true)
    sagittal = [np.ascontiguousarray(v.transpose(2, 0, 1)) for v in (true, found)]  # [x, y, z]
    box = (0, sagittal[0].shape[1], 0, sagittal[0].shape[2])
    step = slice(4, None, 8)  # every eighth plane: neighbours tell the same
    maps = [EdgeMap(np.stack([canny(plane, sigma=EDGE_SIGMA_PX) for plane in v[step]]), box) for v in sagittal]
    values = {
        "psnr_db": float(np.nanmean(psnr_db(true, found, mask))),
        "ssim": float(np.nanmean(ssim(true, found, mask))),
        "edge_mm": float(np.mean(edge_distance_mm(maps[0], maps[1], VOXEL_MM))),
        "band_power": band_power(true, found, scale),
    }
    height = [float((v[:, rows_of_joint(v)] > 0.5).sum(axis=1).mean() * VOXEL_MM) for v in (true, found)]
    values |= {"band_true_mm": height[0], "band_mm": height[1]}
    return values


def rows_of_joint(volume: np.ndarray) -> slice:
    """The rows within 10 mm of the middle row, which is the joint line in the crop and nearly so in the field."""
    middle, reach = volume.shape[1] // 2, round(BAND_ROWS_MM / VOXEL_MM)
    return slice(middle - reach, middle + reach)


def band_power(true: np.ndarray, found: np.ndarray, scale: float) -> float:
    """Power along the thick axis between the measured limit and that of the fine grid, found over true."""
    frequency = np.fft.rfftfreq(len(true))
    band = frequency > 0.5 / scale
    window = np.hanning(len(true))[:, None, None]
    power = [float((np.abs(np.fft.rfft(v * window, axis=0))[band] ** 2).sum()) for v in (true, found)]
    return power[1] / max(power[0], 1e-9)


def contrast(volume: np.ndarray, lesion: dict[str, Any], origin: tuple[int, int, int]) -> float | None:
    """Mean within a lesion's ball minus that of a shell around it; None outside the box."""
    centre = np.array(lesion["voxel"]) - origin
    reach = lesion["radius_mm"] / VOXEL_MM
    low = np.floor(centre - reach - 3).astype(int)
    high = np.ceil(centre + reach + 4).astype(int)
    if (low < 0).any() or (high > volume.shape).any():
        return None
    part = volume[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    axes = [np.arange(a, b) - c for a, b, c in zip(low, high, centre, strict=True)]
    away = np.sqrt(axes[0][:, None, None] ** 2 + axes[1][None, :, None] ** 2 + axes[2][None, None] ** 2)
    inside, around = away <= max(reach, 0.9), (away > reach + 1) & (away <= reach + 2.5)
    return float(part[inside].mean() - part[around].mean())


def lesion_counts(rows: list[dict[str, Any]], method: str) -> dict[str, int]:
    """Lesions found, lost and invented; the usual contrast of a kind is the median of its painted lesions."""
    painted = [row for row in rows if row["painted"]]
    usual = {
        kind: float(np.median([abs(row["truth"]) for row in painted if row["kind"] == kind]))
        for kind in {row["kind"] for row in painted}
    }
    seen = [row for row in painted if abs(row["truth"]) > 0.3 * usual[row["kind"]]]
    found = sum(row[method] / row["truth"] >= 0.5 for row in seen)
    empty = [row for row in rows if not row["painted"] and row["kind"] in usual]
    invented = sum(abs(row[method] - row["truth"]) >= 0.5 * usual[row["kind"]] for row in empty)
    return {"lesions": len(seen), "found": found, "lost": len(seen) - found, "places": len(empty), "invented": invented}


def results_of_knee(
    path: Path, scale: float, networks: dict[str, Any], box: tuple[slice, ...], kinds: Sequence[str] = KINDS,
    keep: Path | None = None,
) -> tuple[dict[str, dict[str, float]], list[dict[str, Any]]]:  # fmt: skip
    """{method: measures} and one row per lesion with its contrast in the truth and in every method.

    ``keep`` is a file of what earlier calls found; networks of other weights are measured anew.
    """
    kept: dict[str, Any] = {"found": {}, "rows": [], "weights": {}}
    if keep is not None and keep.exists():
        kept = json.loads(keep.read_text(encoding="utf-8"))
    weights = {name: network.weights_sha256 for name, network in networks.items()}
    stored = read_fine(path)
    truth = torch.from_numpy(stored.values[box].astype(np.float32))
    measured, plan = scanned(truth, scale, int(stored.record["parameters"]["seed"]))
    origin = (box[0].start, box[1].start, box[2].start)
    rows = [
        {"kind": one["kind"], "painted": one["painted"], "truth": contrast(truth.numpy(), one, origin), "place": one}
        for one in stored.record["lesions"]
    ]
    rows = [row for row in rows if row["truth"] is not None]
    found: dict[str, dict[str, float]] = kept["found"]
    rows = [{**row, **before} for row, before in zip(rows, kept["rows"] or [{}] * len(rows), strict=True)]
    methods: dict[str, dict[str, Any]] = {"cubic alone": {"kind": "cubic", "consistency": False}}
    methods |= {kind: {"kind": kind} for kind in ("cubic", *kinds)}
    methods["cubic, one iteration"] = {"kind": "cubic", "least": 1}
    methods |= {name: {"network": network} for name, network in networks.items()}
    for name, options in methods.items():
        if name in found and weights.get(name) == kept["weights"].get(name):
            continue
        began = time.perf_counter()
        result = compute_fine_volume(measured, plan, options.pop("network", None), **options)
        seconds = time.perf_counter() - began
        values = result.values.numpy()
        found[name] = measures(truth.numpy(), values, scale)
        found[name] |= {"residual_in_noise": result.consistent.residual, "seconds": seconds}
        for row in rows:
            row[name] = contrast(values, row["place"], origin)
    rows = [{k: v for k, v in row.items() if k != "place"} for row in rows]
    if keep is not None:
        kept = {"found": found, "rows": rows, "weights": {**kept["weights"], **weights}}
        keep.write_text(json.dumps(kept), encoding="utf-8")
    return {name: found[name] for name in methods}, rows


def summary(per_knee: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Mean of every measure, correlation of the band's height, and p of the edge distance (Wilcoxon).

    p is against cubic interpolation, and against the network named l1 where there is one.
    """
    from scipy.stats import wilcoxon

    table = {}
    for method in per_knee[0]:
        values = {key: np.array([knee[method][key] for knee in per_knee]) for key in per_knee[0][method]}
        row = {key: round(float(v.mean()), 4) for key, v in values.items()}
        if len(per_knee) > 2:
            row["band_r"] = round(float(np.corrcoef(values["band_true_mm"], values["band_mm"])[0, 1]), 3)
        for other in ("cubic", "l1"):
            if other not in per_knee[0] or len(per_knee) <= 5:
                continue
            difference = values["edge_mm"] - np.array([knee[other]["edge_mm"] for knee in per_knee])
            if np.any(difference):
                row[f"edge_p_against_{other}"] = float(wilcoxon(difference).pvalue)
        table[method] = row
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="HELD-OUT")
    parser.add_argument("--network", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--scale", type=float, action="append", help="default: 1.5, 2, 2.4 and 4")
    parser.add_argument("--knees", type=int, help="default: all")
    parser.add_argument("--skip", type=int, default=0, help="knees of the folder that trained")
    parser.add_argument("--crop", action="store_true")
    parser.add_argument("--kind", action="append", choices=KINDS, help="interpolations to compare; default: all")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="what is found for each knee, for later runs")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    networks = {}
    for given in options.network:
        name, _, folder = given.partition("=")
        networks[name] = load_enhancement_network(folder, teacher=name == "teacher")
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
    paths = list_fine(options.folder)[options.skip :][: options.knees]
    figures: dict[str, Any] = {}
    box = CROP if options.crop else _WHOLE
    for scale in options.scale or SCALES:
        per_knee, lesions = [], []
        for path in paths:
            keep = None if options.keep is None else options.keep / f"{path.stem}-{scale:g}.json"
            found, rows = results_of_knee(path, scale, networks, box, options.kind or KINDS, keep)
            per_knee.append(found)
            lesions += rows
        table = summary(per_knee)
        for method, row in table.items():
            row |= lesion_counts(lesions, method)
        figures[f"{scale:g}"] = table
        print(f"scale {scale:g}, {len(paths)} knees", flush=True)
        for method, row in table.items():
            print(f"  {method:12}", {k: v for k, v in row.items() if not k.startswith("band_true")}, flush=True)
    write_result(
        options.output,
        command="python Testing/benchmarks/super_resolution.py HELD-OUT --network NAME=FOLDER -o FILE",
        settings={
            "knees": len(paths),
            "noise": NOISE,
            "crop": options.crop,
            "networks_sha256": {name: network.weights_sha256 for name, network in networks.items()},
        },
        figures=figures,
    )


if __name__ == "__main__":
    main()
