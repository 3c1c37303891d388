"""Held-out knees of the shipped image-based template: figures of realism, processor seconds, contact sheets.

    python Testing/benchmarks/image_template_knees.py --count 20 --cache DIR --output DIR [--noise 0]

Writes ``figures.csv``, ``coronal.png``, ``sagittal.png`` and ``axial.png`` (eight knees at full size) into the output
folder and prints the median of every figure, the share of knees in range and the time of one volume.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import numpy as np
from mr_realism import RANGES, realism_figures, within_range

CORONAL = (2, 8, 14, 20, 24, 28, 34, 44)  # slices shown of every knee
SAGITTAL = (84, 98, 112, 126, 140, 154, 168)  # columns
AXIAL = (40, 90, 120, 140, 154, 164, 200, 240)  # rows
_SHOWN = 8


def main() -> None:
    """Draw, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--first", type=int, default=1_000_000, help="seed of the first knee (default: %(default)s)")
    parser.add_argument("--template", help="OUTLINE or OUTLINE+SOFT_TISSUE of all knees (default: drawn for each)")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--noise", type=float, help="receiver noise; default as measured on scans")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)

    import torch

    torch.set_num_threads(1)
    from Xray2MRILib.acquisition.acquisition_model import Acquisition, acquire
    from Xray2MRILib.simulation.pairs.image_knee import draw_image_knee, scan_image_knee
    from Xray2MRILib.simulation.pairs.template_library import TemplateChoice, TemplateLibrary

    library = TemplateLibrary()
    given = (options.template or "").partition("+")
    chosen = TemplateChoice(given[0], given[2] or given[0])
    rows, seconds, shown = [], [], {}
    seeds = range(options.first, options.first + options.count)
    # knees of one template together, since putting one together takes longer than a knee
    for seed in seeds if options.template else sorted(seeds, key=lambda s: library.draw(s).name):
        choice = chosen if options.template else library.draw(seed)
        source = library.prepared(choice)
        begun = time.process_time()
        knee = draw_image_knee(seed, seed % 5, source.template)
        volume = scan_image_knee(source, knee)
        seconds.append(time.process_time() - begun)
        noise = {} if options.noise is None else {"noise": options.noise}
        volume = acquire(volume, Acquisition(seed=seed, **noise)).numpy()
        figures = realism_figures(volume)
        drawn = {"seed": seed, "KL": seed % 5, "template": choice.name, **knee.person.to_dict()}
        rows.append(drawn | {"in range": within_range(figures)} | figures)
        if seed < options.first + _SHOWN:
            shown[seed] = volume
        print(f"{seed} {choice.name}: {within_range(figures)}", flush=True)
    rows.sort(key=lambda row: row["seed"])
    with (options.output / "figures.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    for name, (low, high) in RANGES.items():
        values = np.array([row[name] for row in rows])
        inside = np.mean((values >= low) & (values <= high))
        middle, first, last = (np.nanpercentile(values, p) for p in (50, 10, 90))
        print(f"| {name} | {low:.3g} to {high:.3g} | {middle:.3g} | {first:.3g} to {last:.3g} | {inside:.0%} |")
    counts = [row["in range"] for row in rows]
    print(f"in range, of {len(RANGES)}: median {np.median(counts):g}, lowest {min(counts)}, all {counts}")
    print(f"processor seconds of a volume: median {np.median(seconds):.2f}")
    write_sheets([shown[seed] for seed in sorted(shown)], options.output)


def write_sheets(volumes: list[np.ndarray], folder: Path) -> None:
    """One row a knee in each of the three planes."""
    from PIL import Image

    sheets = {
        "coronal": [[v[s] for s in CORONAL] for v in volumes],
        # anterior at the left, as radiologists look at it
        "sagittal": [[tall(v[:, :, x])[::-1].T for x in SAGITTAL] for v in volumes],
        "axial": [[tall(v[:, z])[::-1] for z in AXIAL] for v in volumes],
    }
    for name, knees in sheets.items():
        picture = np.concatenate([np.concatenate(knee, axis=1) for knee in knees])
        grey = (np.clip(picture, 0, 1) * 255).round().astype(np.uint8)
        Image.fromarray(grey).save(folder / f"{name}.png")


def tall(plane: np.ndarray) -> np.ndarray:
    """[50, N] with slices 1.5 mm apart as [120, N] with square pixels of 0.625 mm."""
    place = np.linspace(0, len(plane) - 1, round(len(plane) * 1.5 / 0.625))
    low = np.minimum(place.astype(int), len(plane) - 2)
    share = (place - low)[:, None]
    return plane[low] * (1 - share) + plane[low + 1] * share


if __name__ == "__main__":
    main()
