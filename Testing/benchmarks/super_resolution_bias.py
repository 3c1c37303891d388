"""What the bias map brings: held-out knees with a bias, enhanced without its map, with that of N4 and with the truth.

    xray2mri simulate --high-resolution -o HELD-OUT --count 60 --held-out
    python Testing/benchmarks/super_resolution_bias.py HELD-OUT --knees 20 -o docs/results/super_resolution_bias.json

The truth keeps the bias, as the network's does. Slices are twice as far apart as the fine voxels; N4 sees the whole
coarse volume, as ``xray2mri enhance --bias-map`` does; measured in a box around the joint.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from result_file import write_result
from super_resolution import CROP, NOISE, measures, scanned

from Xray2MRILib.simulation.high_resolution.fine_store import list_fine, read_fine
from Xray2MRILib.simulation.high_resolution.scanner import bias_field
from Xray2MRILib.super_resolution.bias_map import log_bias_map
from Xray2MRILib.super_resolution.fine_volume import Guidance, compute_fine_volume
from Xray2MRILib.super_resolution.model_choice import DEFAULT_MODEL, load_enhancement_network

SCALE = 2.0
DEVIATION = 0.2  # of the bias' logarithm: between those of 3 and 7 T in training
KEPT = ("psnr_db", "ssim", "edge_mm")


def results_of_knee(path: Path, network: Any) -> dict[str, dict[str, float]]:
    """{known map: measures} of one knee."""
    stored = read_fine(path)
    seed = int(stored.record["parameters"]["seed"])
    values = torch.from_numpy(stored.values.astype(np.float32))
    bias = bias_field(tuple(values.shape), DEVIATION, torch.Generator().manual_seed(seed))
    whole = values * bias.exp()
    coarse, _ = scanned(whole, SCALE, seed)
    estimated = log_bias_map(coarse.numpy(), tuple(whole.shape))
    truth = whole[CROP].contiguous()
    measured, plan = scanned(truth, SCALE, seed)
    maps = {"none": None, "N4": estimated[CROP], "true": bias[CROP]}
    found = {}
    for name, known in maps.items():
        guidance = Guidance(log_bias=None if known is None else known - known.mean())
        result = compute_fine_volume(measured, plan, network, guidance=guidance)
        row = measures(truth.numpy(), result.values.numpy(), SCALE)
        found[name] = {key: row[key] for key in KEPT}
    found["N4"]["r_with_true"] = float(np.corrcoef(estimated[CROP].ravel(), bias[CROP].ravel())[0, 1])
    return found


def main() -> None:
    """Measure, print and write."""
    from scipy.stats import wilcoxon

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="HELD-OUT")
    parser.add_argument("--network", default=DEFAULT_MODEL)
    parser.add_argument("--knees", type=int, default=20)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    network = load_enhancement_network(options.network)
    assert network is not None
    knees = [results_of_knee(path, network) for path in list_fine(options.folder)[: options.knees]]
    figures: dict[str, Any] = {}
    for name in knees[0]:
        figures[name] = {key: round(float(np.mean([k[name][key] for k in knees])), 4) for key in knees[0][name]}
        away = np.array([k[name]["edge_mm"] - k["none"]["edge_mm"] for k in knees])
        if np.any(away) and len(knees) > 5:
            figures[name]["edge_p_against_none"] = float(wilcoxon(away).pvalue)
    print(*figures.items(), sep="\n", flush=True)
    write_result(
        options.output,
        command="python Testing/benchmarks/super_resolution_bias.py HELD-OUT --knees 20 -o FILE",
        settings={
            "knees": len(knees), "scale": SCALE, "noise": NOISE, "bias": DEVIATION,
            "network_sha256": network.weights_sha256,
        },
        figures=figures,
    )  # fmt: skip


if __name__ == "__main__":
    main()
