"""Held-out knees of the shipped image-based template: figures of realism, processor seconds, contact sheets.

    python Testing/benchmarks/image_template_knees.py --count 20 --output DIR [--noise 0]

Writes ``figures.csv``, ``image_template_figures.json`` (for docs/results) and a sheet of each plane,
``image_template_coronal.webp`` and so on (for docs), into the output folder. The first row of a sheet is the FLASH
that the multi-echo knee's own maps give, then come eight knees at full size.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import numpy as np
from computed_flash import computed_flash
from mr_realism import RANGES, realism_figures, within_range
from result_file import write_result

CORONAL = (2, 8, 14, 20, 24, 28, 34, 44)  # slices shown of every knee
SAGITTAL = (84, 98, 112, 126, 140, 154, 168)  # columns
AXIAL = (40, 90, 120, 140, 154, 164, 200, 240)  # rows
SHOWN = 8


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
    from Xray2MRILib.files.resources import resource_path
    from Xray2MRILib.simulation.pairs.image_knee import draw_image_knee, scan_image_knee
    from Xray2MRILib.simulation.pairs.template_library import MULTI_ECHO, TemplateChoice, TemplateLibrary

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
        if seed < options.first + SHOWN:
            shown[seed] = volume
        print(f"{seed} {choice.name}: {within_range(figures)}", flush=True)
    rows.sort(key=lambda row: row["seed"])
    with (options.output / "figures.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    found = summary(rows)
    for row in found["rows"]:
        print(" | ".join(str(value) for value in row.values()))
    print(f"in range, of {len(RANGES)}: {found['in range']}")
    print(f"processor seconds of a volume: median {np.median(seconds):.2f}")
    write_result(
        options.output / "image_template_figures.json",
        command=f"python Testing/benchmarks/image_template_knees.py --count {options.count} --output DIR",
        settings={"knees": options.count, "first seed": options.first, "noise": options.noise},
        figures=found,
    )
    reference = acquire(computed_flash(resource_path(f"anatomy/{MULTI_ECHO}")), Acquisition(seed=0)).numpy()
    write_sheets([reference, *(shown[seed] for seed in sorted(shown))], options.output)


def summary(rows: list[dict]) -> dict:
    """Median, spread and share in range of every figure; how many are in range, by knee and by template."""
    figures = []
    for name, (low, high) in RANGES.items():
        values = np.array([row[name] for row in rows])
        middle, first, last = (float(f"{np.nanpercentile(values, p):.3g}") for p in (50, 10, 90))
        inside = float(np.mean((values >= low) & (values <= high)))
        figures.append({"figure": name, "low": low, "high": high, "median": middle, "p10": first, "p90": last,
                        "share in range": round(inside, 2)})  # fmt: skip
    counts = [row["in range"] for row in rows]
    by_template: dict[str, list[int]] = {}
    for row in rows:
        by_template.setdefault(row["template"], []).append(row["in range"])
    return {
        "in range": {"median": float(np.median(counts)), "lowest": min(counts), "highest": max(counts)},
        "by template": dict(sorted(by_template.items())),
        "rows": figures,
    }


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
        Image.fromarray(grey).save(folder / f"image_template_{name}.webp", quality=88, method=6)


def tall(plane: np.ndarray) -> np.ndarray:
    """[50, N] with slices 1.5 mm apart as [120, N] with square pixels of 0.625 mm."""
    place = np.linspace(0, len(plane) - 1, round(len(plane) * 1.5 / 0.625))
    low = np.minimum(place.astype(int), len(plane) - 2)
    share = (place - low)[:, None]
    return plane[low] * (1 - share) + plane[low + 1] * share


if __name__ == "__main__":
    main()
