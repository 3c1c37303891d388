"""Generated volumes of real radiographs: figures of realism, and a sheet of three planes for the eye.

    python Testing/benchmarks/generated_look.py --sets FOLDER FOLDER --per-grade 4 -o OUTPUT [--model MODEL]

Takes ``--per-grade`` radiographs of each grade of every set (reprojection_radiographs.py), generates 50 slices as the
model's card asks, adds the scanner's noise as ``xray2mri generate`` does, cuts them at the level at which scans are
stored (as for simulated knees), and writes ``figures.csv``, ``look.json``
and ``planes.png``: one row a radiograph with coronal, sagittal and axial planes, without the radiographs themselves.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from image_template_knees import tall
from mr_realism import RANGES, realism_figures, within_range
from reprojection_radiographs import Radiograph, measured_radiographs

if TYPE_CHECKING:
    from Xray2MRILib.volume.pseudo_mri import PseudoMRI

ROOT = Path(__file__).resolve().parents[2]
CORONAL = (4, 14, 24, 32)  # posterior slice first
SAGITTAL = (96, 126, 158)  # columns
AXIAL = (100, 154, 175)  # rows
CAUTION = "SYNTHETIC - plausible guesses, not for diagnosis. Four coronal, three sagittal, three axial planes."
LINE = 14


def main() -> None:
    """Generate, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--sets", nargs="*", type=Path, default=[], help="folders of graded radiographs (default: samples)"
    )
    parser.add_argument("--per-grade", type=int, default=4)
    parser.add_argument("--model", default="compact")
    parser.add_argument("--steps", type=int, help="denoising steps (default: those of the model's card)")
    parser.add_argument("--noise", type=float, default=1.0, help="receiver noise, 1 as measured on scans, 0 for none")
    parser.add_argument("--shown", type=int, default=8, help="radiographs of each set on the sheet")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)

    from Xray2MRILib.generation.pipeline_cache import PipelineCache
    from Xray2MRILib.generation.settings import GenerationSettings
    from Xray2MRILib.generation.volume_from_radiograph import generate

    message = {"model": options.model, "scanner_noise": options.noise}
    settings = GenerationSettings.from_message(message | ({"steps": options.steps} if options.steps else {}))
    pipelines = PipelineCache()
    rows, shown = [], []
    for name, radiographs in _sets(options):
        for number, radiograph in enumerate(radiographs):
            made = generate(radiograph.path, options.output / "volume.nrrd", settings, pipelines=pipelines)
            volume = as_stored(made.volume)
            figures = realism_figures(volume)
            rows.append({"set": name, "KL": radiograph.grade, "in range": within_range(figures)} | figures)
            if number < options.shown:
                shown.append(
                    (f"{name}, KL {radiograph.grade}: {rows[-1]['in range']} of {len(RANGES)} in range", volume)
                )
            print(name, radiograph.path.name, rows[-1]["in range"], flush=True)
    with (options.output / "figures.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    result = summary(rows)
    (options.output / "look.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result["in_range"]))
    write_planes(shown, options.output / "planes.png")


def as_stored(volume: PseudoMRI) -> np.ndarray:
    """[S, H, W] in [0, 1] as viewers show it, in the range in which the published scans are stored."""
    import torch

    from Xray2MRILib.acquisition.stored_range import clip_level

    level = clip_level(torch.from_numpy(volume.array))
    return np.clip(volume.depth_slices(shown=True) / level, 0, 1)


def _sets(options: argparse.Namespace) -> list[tuple[str, list[Radiograph]]]:
    if not options.sets:
        samples = sorted((ROOT / "Resources/samples").glob("kl*.webp"))
        return [("samples", [Radiograph(path, int(path.name[2]), path.name) for path in samples])]
    return [(folder.name, measured_radiographs(folder, options.per_grade)) for folder in options.sets]


def summary(rows: list[dict]) -> dict:
    """Median number in range, and for each figure its median, quartiles and share in range."""
    counts = [row["in range"] for row in rows]
    result: dict = {
        "radiographs": len(rows),
        "in_range": {"median": float(np.median(counts)), "lowest": min(counts), "highest": max(counts)},
        "figures": {},
    }
    for name, (low, high) in RANGES.items():
        values = np.array([row[name] for row in rows], float)
        first, middle, last = (
            None if np.isnan(v) else round(float(v), 4) for v in np.nanpercentile(values, (25, 50, 75))
        )
        inside = float(np.mean((values >= low) & (values <= high)))
        result["figures"][name] = {"range": [low, high], "quartiles": [first, middle, last], "share_in_range": inside}
    return result


def write_planes(shown: list[tuple[str, np.ndarray]], path: Path) -> None:
    """One row a volume, all planes at one scale."""
    from PIL import Image, ImageDraw

    strips = []
    for label, v in shown:
        planes = [v[s] for s in CORONAL]
        planes += [tall(v[:, :, x])[::-1].T for x in SAGITTAL]  # anterior at the left
        planes += [np.pad(tall(v[:, z])[::-1], ((68, 68), (0, 0))) for z in AXIAL]
        strip = (np.clip(np.concatenate(planes, axis=1), 0, 1) * 255).round().astype(np.uint8)
        strips.append((label, Image.fromarray(strip)))
    width = max(strip.width for _, strip in strips)
    sheet = Image.new("L", (width, LINE + sum(LINE + strip.height for _, strip in strips)), 0)
    draw, top = ImageDraw.Draw(sheet), LINE
    draw.text((4, 1), CAUTION, 255)
    for label, strip in strips:
        draw.text((4, top + 1), label, 255)
        sheet.paste(strip, (0, top + LINE))
        top += LINE + strip.height
    sheet.save(path)


if __name__ == "__main__":
    main()
