"""One row per sample radiograph: the joint crop and eight slices, in right-knee space, to be looked at.

    python Testing/benchmarks/contact_sheet.py -o docs/contact_sheet.webp
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
TILE = 176
DEPTHS = (8, 14, 18, 22, 26, 30, 36, 44)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("films", nargs="*", type=Path)
    parser.add_argument("--model", default="compact")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()

    from PIL import Image, ImageDraw

    from Xray2MRILib.generation import PipelineCache, generate
    from Xray2MRILib.generation_settings import GenerationSettings

    films = options.films or sorted((ROOT / "Resources/samples").glob("kl*.webp"))
    pipelines = PipelineCache()
    sheet = Image.new("L", (TILE * (len(DEPTHS) + 1), (TILE + 16) * len(films) + 20), 0)
    draw = ImageDraw.Draw(sheet)
    draw.text((4, 4), "SYNTHETIC - plausible guesses, not for diagnosis. Left: joint crop (left knees mirrored).", 255)
    for row, film in enumerate(films):
        with tempfile.TemporaryDirectory() as folder:
            settings = GenerationSettings(model=options.model, steps=options.steps)
            made = generate(film, Path(folder) / "v.nrrd", settings, pipelines=pipelines)
        slices = made.volume.depth_slices()
        tiles = [(made.knee.prepared.image[0] + 1) / 2, *(slices[d] for d in DEPTHS)]
        top = 20 + row * (TILE + 16)
        for column, tile in enumerate(tiles):
            picture = Image.fromarray((np.clip(tile, 0, 1) * 255).astype(np.uint8)).resize((TILE, TILE))
            sheet.paste(picture, (column * TILE, top + 16))
            if column:
                draw.text((column * TILE + 3, top + 18), f"depth {DEPTHS[column - 1] + 1}", 200)
        grades = " ".join(f"{p:.0%}" for p in made.result["koa"]["values"])
        side = f"{made.result['side']} ({made.result['side_source']})"
        draw.text((4, top + 2), f"{film.name}: side {side}, KL 0-4 {grades}", 255)
        print(film.name, made.result["timings_s"], flush=True)
    sheet.save(options.output)


if __name__ == "__main__":
    main()
