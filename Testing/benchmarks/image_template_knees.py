"""Held-out knees of the shipped image-based template: figures of realism, processor seconds, a contact sheet.

    python Testing/benchmarks/image_template_knees.py --count 20 --output DIR [--noise 0]

Writes ``figures.csv``, ``image_template_figures.json`` (for docs/results) and ``image_template_knees.webp`` (for docs)
into the output folder. The first row of that sheet is the FLASH that the multi-echo knee's own maps give, then come
eight knees at full size in three planes.
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

CORONAL = (12, 20, 28)  # slices shown of every knee
SAGITTAL = (98, 126, 154)  # columns
AXIAL = (90, 164)  # rows
SHOWN = 8
QUALITY = 45  # of WebP: noise takes most of the room, and the sheets stay in the history of the repository
SHEET = "image_template_knees.webp"
_LINE = 20


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
            shown[seed] = (f"{seed}, KL {seed % 5}, {choice.name}", volume)
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
    knees = [
        (f"FLASH of the maps of {MULTI_ECHO}, for comparison", reference),
        *(shown[seed] for seed in sorted(shown)),
    ]
    write_sheet([(label, planes(v, CORONAL, SAGITTAL, AXIAL)) for label, v in knees], options.output / SHEET)


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


def planes(
    volume: np.ndarray, coronal: tuple[int, ...], sagittal: tuple[int, ...], axial: tuple[int, ...] = ()
) -> np.ndarray:
    """Planes of a volume [S, H, W], posterior first, side by side at one scale; anterior at the left or above."""
    parts = [volume[s] for s in coronal]
    parts += [tall(volume[:, :, x])[::-1].T for x in sagittal]
    for z in axial:
        plane = tall(volume[:, z])[::-1]
        above = (volume.shape[1] - len(plane)) // 2
        parts.append(np.pad(plane, ((above, volume.shape[1] - len(plane) - above), (0, 0))))
    return np.concatenate(parts, axis=1)


def write_sheet(rows: list[tuple[str, np.ndarray]], path: Path) -> None:
    """Pictures in [0, 1] below each other, each under its label, with the notice that they are simulated."""
    from PIL import Image, ImageDraw

    from Xray2MRILib.rendering.text import BACKGROUND, NOTICE, TEXT, draw_text

    height, width = rows[0][1].shape
    sheet = Image.new("RGB", (width, (len(rows) + 1) * _LINE + len(rows) * height), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    draw_text(draw, (8, 15), "SIMULATED, not for diagnosis", 14, NOTICE)
    for number, (label, picture) in enumerate(rows):
        top = _LINE + number * (_LINE + height)
        draw_text(draw, (8, top + 15), label, 13, TEXT)
        grey = (np.clip(picture, 0, 1) * 255).round().astype(np.uint8)
        sheet.paste(Image.fromarray(grey), (0, top + _LINE))
    sheet.save(path, quality=QUALITY, method=6)


def tall(plane: np.ndarray) -> np.ndarray:
    """[50, N] with slices 1.5 mm apart as [120, N] with square pixels of 0.625 mm."""
    place = np.linspace(0, len(plane) - 1, round(len(plane) * 1.5 / 0.625))
    low = np.minimum(place.astype(int), len(plane) - 2)
    share = (place - low)[:, None]
    return plane[low] * (1 - share) + plane[low + 1] * share


if __name__ == "__main__":
    main()
