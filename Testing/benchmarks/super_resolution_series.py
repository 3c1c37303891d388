"""A real series degraded along its rows, restored, and compared with itself.

    python Testing/benchmarks/super_resolution_series.py SERIES --network NAME=FOLDER -o FILE --picture FILE.png

The in-plane detail of a real scan is the truth: one of its in-plane axes is averaged as by slices of 2 and 2.4 pixels,
and every method restores it. No noise is added, since the scan has its own. The picture shows one plane: as measured,
degraded (nearest), cubic, and each network.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from result_file import write_result
from super_resolution import EDGE_SIGMA_PX, KINDS, VOXEL_MM, band_power

from Xray2MRILib.acquisition.voxel_response import AxisSampling, VoxelResponse
from Xray2MRILib.metrics.canny_edges import EdgeMap
from Xray2MRILib.metrics.edge_distance import edge_distance_mm
from Xray2MRILib.super_resolution.fine_volume import compute_fine_volume
from Xray2MRILib.super_resolution.model_choice import load_enhancement_network
from Xray2MRILib.super_resolution.source_volume import read_source
from Xray2MRILib.super_resolution.spacing_plan import plan_spacing

SCALES = (2.0, 2.4)
ROWS = 240  # of the series' 256, whole slices at both scales


def degraded(truth: torch.Tensor, scale: float) -> torch.Tensor:
    """A volume whose first axis is averaged by a Gaussian of one slice's width."""
    size = truth.shape
    axes = [
        AxisSampling.centred(round(size[0] / scale), scale, profile="gaussian", width=scale),
        AxisSampling(size[1], size[1], 1.0, 0.0),
        AxisSampling(size[2], size[2], 1.0, 0.0),
    ]
    return VoxelResponse.of(axes).sampled(truth)


def measures(truth: np.ndarray, found: np.ndarray, scale: float) -> dict[str, float]:
    """PSNR, SSIM, edge distance in planes with the degraded axis; power in the lost band. [rows, slices, columns]."""
    from skimage.feature import canny
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    true, made = (np.ascontiguousarray(np.clip(v, 0, 1).transpose(1, 0, 2)) for v in (truth, found))
    pairs = list(zip(true, made, strict=True))
    box = (0, true.shape[1], 0, true.shape[2])
    maps = [EdgeMap(np.stack([canny(plane, sigma=EDGE_SIGMA_PX) for plane in v]), box) for v in (true, made)]
    return {
        "psnr_db": float(np.mean([peak_signal_noise_ratio(a, b, data_range=1) for a, b in pairs])),
        "ssim": float(np.mean([structural_similarity(a, b, data_range=1) for a, b in pairs])),
        "edge_mm": float(edge_distance_mm(maps[0], maps[1], VOXEL_MM).mean()),
        "band_power": band_power(truth, found, scale),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("series", type=Path)
    parser.add_argument("--network", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--picture", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    import SimpleITK as sitk

    values = sitk.GetArrayFromImage(read_source(options.series).image)[:, 8 : 8 + ROWS]
    low, high = np.percentile(values, (0.5, 99.5))
    truth = torch.from_numpy(((values - low) / (high - low)).astype(np.float32)).permute(1, 0, 2).contiguous()
    methods: dict[str, dict[str, Any]] = {"cubic alone": {"kind": "cubic", "consistency": False}}
    methods |= {kind: {"kind": kind} for kind in KINDS}
    methods["cubic, one iteration"] = {"kind": "cubic", "least": 1}
    for given in options.network:
        name, _, folder = given.partition("=")
        methods[name] = {"network": load_enhancement_network(folder)}
    figures: dict[str, Any] = {}
    for scale in SCALES:
        coarse = degraded(truth, scale)
        plan = plan_spacing(coarse.shape, (scale * VOXEL_MM, VOXEL_MM, VOXEL_MM), VOXEL_MM)
        made = {}
        for name, given in methods.items():
            choices = {key: value for key, value in given.items() if key != "network"}
            result = compute_fine_volume(coarse, plan, given.get("network"), **choices)
            made[name] = result.values.numpy()
            row = measures(truth.numpy(), made[name], scale) | {"residual_in_noise": result.consistent.residual}
            figures.setdefault(f"{scale:g}", {})[name] = {key: round(value, 4) for key, value in row.items()}
        print(scale, *figures[f"{scale:g}"].items(), sep="\n  ", flush=True)
        if options.picture is not None:
            draw(options.picture.with_stem(f"{options.picture.stem}_{scale:g}"), truth.numpy(), coarse.numpy(), made)
    write_result(
        options.output,
        command="python Testing/benchmarks/super_resolution_series.py SERIES --network NAME=FOLDER -o FILE",
        settings={"scales": list(SCALES), "rows": ROWS},
        figures=figures,
    )


def draw(path: Path, truth: np.ndarray, coarse: np.ndarray, made: dict[str, np.ndarray]) -> None:
    """One plane of every volume side by side, twice enlarged."""
    from PIL import Image

    middle = truth.shape[1] // 2
    rows = np.minimum((np.arange(len(truth)) * len(coarse) / len(truth)).astype(int), len(coarse) - 1)
    shown = [truth[:, middle], coarse[rows][:, middle], *(v[:, middle] for name, v in made.items()
                                                           if name not in ("cubic alone", "lanczos"))]  # fmt: skip
    picture = np.concatenate([np.clip(plane[40:200, 40:210], 0, 1) for plane in shown], axis=1)
    image = Image.fromarray((picture * 255).round().astype(np.uint8))
    image.resize((2 * image.width, 2 * image.height), Image.Resampling.NEAREST).save(path)


if __name__ == "__main__":
    main()
