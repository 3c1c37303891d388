"""One row per real radiograph: the joint crop and slices made from it, in right-knee space, to be looked at.

    python Testing/benchmarks/contact_sheet.py -o docs/contact_sheet.webp
    python Testing/benchmarks/contact_sheet.py --sets FOLDER --unshown FOLDER -o docs/contact_sheet.webp

Without arguments the sample radiographs. ``--sets`` and ``--unshown`` name folders of graded radiographs (see
reprojection_radiographs.py), of which ``--per-grade`` of each grade are taken; pixels of the latter, whose terms may
bar showing them, are left out.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from reprojection_radiographs import measured_radiographs

ROOT = Path(__file__).resolve().parents[2]
LINE = 13
CAUTION = "SYNTHETIC - plausible guesses, not for diagnosis. Left: joint crop (left knees mirrored); then slices."


@dataclass(frozen=True)
class Row:
    """A radiograph, what is written above it, and whether its pixels may be shown."""

    radiograph: Path
    label: str
    shown: bool = True


def rows_of(options: argparse.Namespace) -> list[Row]:
    """The radiographs that the command line names, in order."""
    if not (options.radiographs or options.sets or options.unshown):
        options.radiographs = sorted((ROOT / "Resources/samples").glob("kl*.webp"))
    rows = [Row(radiograph, radiograph.name) for radiograph in options.radiographs]
    for folders, shown in ((options.sets, True), (options.unshown, False)):
        for folder in folders:
            radiographs = sorted(
                measured_radiographs(folder, options.per_grade), key=lambda radiograph: radiograph.grade
            )
            rows += [Row(radiograph.path, f"{folder.name}: KL {radiograph.grade}", shown) for radiograph in radiographs]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("radiographs", nargs="*", type=Path)
    parser.add_argument("--sets", nargs="*", type=Path, default=[], help="folders of graded radiographs")
    parser.add_argument("--unshown", nargs="*", type=Path, default=[], help="folders of radiographs that are not shown")
    parser.add_argument("--per-grade", type=int, default=5)
    parser.add_argument("--model", default="compact")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--slices", type=int, default=8, help="slices made and shown of each radiograph")
    parser.add_argument("--tile", type=int, default=96, help="edge of a tile in pixels")
    parser.add_argument("--abreast", type=int, default=2, help="radiographs side by side")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()

    from PIL import Image, ImageDraw

    from Xray2MRILib import Xray2MRIPipeline
    from Xray2MRILib.generation.prepared_knee import prepare_knee
    from Xray2MRILib.generation.settings import GenerationSettings
    from Xray2MRILib.radiograph.reading import read_radiograph

    pipeline = Xray2MRIPipeline.from_pretrained(options.model)
    rows, tile = rows_of(options), options.tile
    width = tile * (options.slices + 1) + 8
    high = -(-len(rows) // options.abreast)
    sheet = Image.new("L", (width * options.abreast, (tile + LINE) * high + LINE), 0)
    draw = ImageDraw.Draw(sheet)
    draw.text((4, 1), CAUTION, 255)
    for number, row in enumerate(rows):
        knee = prepare_knee(read_radiograph(row.radiograph), GenerationSettings())
        made = pipeline(knee.prepared, num_slices=options.slices, num_inference_steps=options.steps, seed=0)
        radiograph = (knee.prepared.image[0] + 1) / 2
        tiles = [radiograph if row.shown else np.zeros_like(radiograph), *made.depth_slices()]
        left, top = width * (number // high), LINE + (number % high) * (tile + LINE)
        for column, picture in enumerate(tiles):
            grey = Image.fromarray((np.clip(picture, 0, 1) * 255).astype(np.uint8)).resize((tile, tile))
            sheet.paste(grey, (left + column * tile, top + LINE))
        if not row.shown:
            draw.text((left + 6, top + LINE + tile // 2 - 8), "radiograph not shown", 160)
        draw.text((left + 4, top + 1), row.label, 255)
        print(row.radiograph.name, flush=True)
    sheet.save(options.output, quality=80)


if __name__ == "__main__":
    main()
