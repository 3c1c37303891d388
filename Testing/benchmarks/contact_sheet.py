"""One row per real radiograph: the joint crop and slices made from it, in right-knee space, to be looked at.

    python Testing/benchmarks/contact_sheet.py -o docs/contact_sheet.webp
    python Testing/benchmarks/contact_sheet.py --sets FOLDER --unshown FOLDER -o docs/contact_sheet.webp

Without arguments the sample films. ``--sets`` and ``--unshown`` name folders of graded films (see
reprojection_films.py), of which ``--per-grade`` of each grade are taken; pixels of the latter, whose terms may bar
showing them, are left out.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from reprojection_films import measured_films

ROOT = Path(__file__).resolve().parents[2]
LINE = 13
CAUTION = "SYNTHETIC - plausible guesses, not for diagnosis. Left: joint crop (left knees mirrored); then slices."


@dataclass(frozen=True)
class Row:
    """A film, what is written above it, and whether its pixels may be shown."""

    film: Path
    label: str
    shown: bool = True


def rows_of(options: argparse.Namespace) -> list[Row]:
    """The films that the command line names, in order."""
    if not (options.films or options.sets or options.unshown):
        options.films = sorted((ROOT / "Resources/samples").glob("kl*.webp"))
    rows = [Row(film, film.name) for film in options.films]
    for folders, shown in ((options.sets, True), (options.unshown, False)):
        for folder in folders:
            films = sorted(measured_films(folder, options.per_grade), key=lambda film: film.grade)
            rows += [Row(film.path, f"{folder.name}: KL {film.grade}", shown) for film in films]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("films", nargs="*", type=Path)
    parser.add_argument("--sets", nargs="*", type=Path, default=[], help="folders of graded films")
    parser.add_argument("--unshown", nargs="*", type=Path, default=[], help="folders of films that are not shown")
    parser.add_argument("--per-grade", type=int, default=5)
    parser.add_argument("--model", default="compact")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--slices", type=int, default=8, help="slices made and shown of each film")
    parser.add_argument("--tile", type=int, default=96, help="edge of a tile in pixels")
    parser.add_argument("--abreast", type=int, default=2, help="films side by side")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()

    from PIL import Image, ImageDraw

    from Xray2MRILib import Xray2MRIPipeline
    from Xray2MRILib.generation_settings import GenerationSettings
    from Xray2MRILib.prepared_knee import prepare_knee
    from Xray2MRILib.radiograph.reading import read_radiograph

    pipeline = Xray2MRIPipeline.from_pretrained(options.model)
    rows, tile = rows_of(options), options.tile
    width = tile * (options.slices + 1) + 8
    high = -(-len(rows) // options.abreast)
    sheet = Image.new("L", (width * options.abreast, (tile + LINE) * high + LINE), 0)
    draw = ImageDraw.Draw(sheet)
    draw.text((4, 1), CAUTION, 255)
    for number, row in enumerate(rows):
        knee = prepare_knee(read_radiograph(row.film), GenerationSettings())
        made = pipeline(knee.prepared, num_slices=options.slices, num_inference_steps=options.steps, seed=0)
        film = (knee.prepared.image[0] + 1) / 2
        tiles = [film if row.shown else np.zeros_like(film), *made.depth_slices()]
        left, top = width * (number // high), LINE + (number % high) * (tile + LINE)
        for column, picture in enumerate(tiles):
            grey = Image.fromarray((np.clip(picture, 0, 1) * 255).astype(np.uint8)).resize((tile, tile))
            sheet.paste(grey, (left + column * tile, top + LINE))
        if not row.shown:
            draw.text((left + 6, top + LINE + tile // 2 - 8), "film not shown", 160)
        draw.text((left + 4, top + 1), row.label, 255)
        print(row.film.name, flush=True)
    sheet.save(options.output, quality=80)


if __name__ == "__main__":
    main()
