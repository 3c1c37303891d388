"""Enhanced pseudo-MRIs beside the model's own finer depths: 50 slices enhanced against 119 slices generated.

    python Testing/benchmarks/super_resolution_densify.py RADIOGRAPH ... --network student=STUDENT -o FILE

Both start from the same volume. The generated depths are what the model itself says between its slices, so they are
the reference here; that says nothing about the knee.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from result_file import write_result
from super_resolution import KINDS, band_power

from Xray2MRILib.generation.settings import GenerationSettings
from Xray2MRILib.generation.volume_from_radiograph import densify, generate
from Xray2MRILib.metrics.leg_mask import leg_mask
from Xray2MRILib.metrics.psnr import psnr_db
from Xray2MRILib.metrics.ssim import ssim
from Xray2MRILib.super_resolution.fine_volume import compute_fine_volume
from Xray2MRILib.super_resolution.model_choice import load_enhancement_network
from Xray2MRILib.super_resolution.spacing_plan import plan_spacing
from Xray2MRILib.volume.geometry import OAI_FIELD

SLICES = 119  # about 0.625 mm apart


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("radiographs", nargs="+", type=Path)
    parser.add_argument("--network", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    methods: dict[str, dict[str, Any]] = {kind: {"kind": kind} for kind in KINDS}
    for given in options.network:
        name, _, folder = given.partition("=")
        methods[name] = {"network": load_enhancement_network(folder)}
    rows: dict[str, list[dict[str, float]]] = {}
    for radiograph in options.radiographs:
        with tempfile.TemporaryDirectory() as folder:
            coarse = generate(radiograph, Path(folder) / "coarse.nrrd", GenerationSettings(num_slices=50, side="right"))
            began = time.perf_counter()
            fine = densify(coarse, SLICES, Path(folder) / "fine.nrrd")
            rows.setdefault("densify", []).append({"seconds": time.perf_counter() - began})
        for name, row in compared(coarse.volume, fine.volume, methods).items():
            rows.setdefault(name, []).append(row)
    figures = {
        name: {key: round(float(np.mean([row[key] for row in found])), 4) for key in found[0]}
        for name, found in rows.items()
    }
    print(*figures.items(), sep="\n", flush=True)
    write_result(
        options.output,
        command="python Testing/benchmarks/super_resolution_densify.py RADIOGRAPH ... --network NAME=FOLDER -o FILE",
        settings={"radiographs": len(options.radiographs), "slices": SLICES},
        figures=figures,
    )


def compared(coarse: Any, fine: Any, methods: dict[str, dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Every method on the noise-free coarse slices, read off at the generated depths."""
    measured = torch.from_numpy(np.ascontiguousarray(coarse.array))
    z = coarse.spacing[2]
    plan = plan_spacing(measured.shape, (z, *coarse.spacing[1::-1]), OAI_FIELD.pixel_mm, OAI_FIELD.slice_thickness_mm)
    wanted = np.linspace(0, (len(measured) - 1) * z, len(fine.array))
    grid = (len(measured) - 1) * z / 2 + (np.arange(plan.fine_size[0]) - (plan.fine_size[0] - 1) / 2) * plan.spacing_mm[
        0
    ]
    found = {}
    for name, given in methods.items():
        began = time.perf_counter()
        choices = {key: value for key, value in given.items() if key != "network"}
        result = compute_fine_volume(measured, plan, given.get("network"), **choices)
        seconds = time.perf_counter() - began
        at = np.interp(wanted, grid, np.arange(len(grid)))
        below = np.minimum(at.astype(int), len(grid) - 2)
        share = (at - below)[:, None, None].astype(np.float32)
        values = result.values.numpy()
        values = np.clip(values[below] * (1 - share) + values[below + 1] * share, 0, 1)
        mask = leg_mask(fine.array)
        found[name] = {
            "psnr_db": float(np.nanmean(psnr_db(fine.array, values, mask))),
            "ssim": float(np.nanmean(ssim(fine.array, values, mask))),
            "band_power": band_power(fine.array, values, plan.scales[0]),
            "residual_in_noise": result.consistent.residual,
            "seconds": seconds,
        }
    return found


if __name__ == "__main__":
    main()
