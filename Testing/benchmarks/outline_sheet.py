"""A sheet of the five outlines in coronal slices, all with one knee's soft tissue (docs/image_template_outlines.webp).

OMP_NUM_THREADS=1 python Testing/benchmarks/outline_sheet.py docs/image_template_outlines.webp
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

SLICES = (6, 14, 20, 26, 32, 40)
_ROWS, _SEED = slice(28, 228), 1_000_001


def main() -> None:
    """Simulate one knee of grade 0 per outline and write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--soft-tissue", default="multi_echo_knee")
    options = parser.parse_args()

    import torch

    torch.set_num_threads(1)
    from PIL import Image

    from Xray2MRILib.acquisition.acquisition_model import Acquisition, acquire
    from Xray2MRILib.rendering.text import BACKGROUND, NOTICE, TEXT, draw_text
    from Xray2MRILib.simulation.pairs.image_knee import draw_image_knee, scan_image_knee
    from Xray2MRILib.simulation.pairs.template_library import TemplateChoice, TemplateLibrary

    library = TemplateLibrary()
    rows = []
    for outline in library.outlines:
        source = library.prepared(TemplateChoice(outline, options.soft_tissue))
        knee = draw_image_knee(_SEED, 0, source.template)
        volume = acquire(scan_image_knee(source, knee), Acquisition(seed=_SEED)).numpy()
        rows.append((outline, np.concatenate([volume[k][_ROWS] for k in SLICES], axis=1)))
        print(outline, flush=True)
    from PIL import ImageDraw

    height, width = rows[0][1].shape
    sheet = Image.new("RGB", (width, len(rows) * (height + 22) + 26), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    draw_text(draw, (8, 18), "SIMULATED, not for diagnosis", 15, NOTICE)
    for k, (outline, picture) in enumerate(rows):
        top = 26 + k * (height + 22)
        draw_text(draw, (8, top + 15), f"outline {outline}, soft tissue {options.soft_tissue}", 13, TEXT)
        sheet.paste(Image.fromarray((np.clip(picture, 0, 1) * 255).astype(np.uint8)), (0, top + 22))
    sheet.save(options.output, quality=88, method=6)


if __name__ == "__main__":
    main()
