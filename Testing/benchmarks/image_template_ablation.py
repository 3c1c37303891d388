"""One knee with everything, without texture, without noise, without either; then every outline and the other tissue.

    python Testing/benchmarks/image_template_ablation.py --output docs/image_template_ablation.webp

The first four rows are the same knee but for what is left out; further rows are the same person and scan on the other
outlines with the soft tissue of the multi-echo knee, and at last on the first outline with that of the label map.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from image_template_knees import tall

CORONAL, SAGITTAL = (6, 16, 26, 34), (100, 150)
TEXTURES = ("septa", "lobules", "fibres", "bundles", "bellies", "strands", "vessels", "perimysium", "marrow_grain")


def main() -> None:
    """Simulate, put side by side, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1_000_000)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()

    import torch
    from PIL import Image

    torch.set_num_threads(1)
    from Xray2MRILib.acquisition.acquisition_model import Acquisition, acquire
    from Xray2MRILib.simulation.pairs.image_knee import draw_image_knee, scan_image_knee
    from Xray2MRILib.simulation.pairs.template_library import TemplateChoice, TemplateLibrary

    library, rows = TemplateLibrary(), []
    first, *others = library.donors(library.outlines[0])
    choices = [TemplateChoice(outline, first) for outline in library.outlines]
    choices += [TemplateChoice(library.outlines[0], lent) for lent in others]
    for number, choice in enumerate(choices):
        source = library.prepared(choice)
        knee = draw_image_knee(options.seed, 0, source.template)
        plain = replace(knee, scan=replace(knee.scan, **dict.fromkeys(TEXTURES, 0.0)))
        noisy, silent = Acquisition(seed=options.seed), Acquisition(seed=options.seed, noise=0.0)
        variants = [(knee, noisy), (plain, noisy), (knee, silent), (plain, silent)] if number == 0 else [(knee, noisy)]
        rows += [row_of(acquire(scan_image_knee(source, k), a).numpy()) for k, a in variants]
    grey = (np.clip(np.concatenate(rows), 0, 1) * 255).round().astype(np.uint8)
    Image.fromarray(grey).save(options.output, quality=88, method=6)


def row_of(volume: np.ndarray) -> np.ndarray:
    """Coronal and sagittal slices side by side."""
    return np.concatenate([volume[s] for s in CORONAL] + [tall(volume[:, :, x])[::-1].T for x in SAGITTAL], axis=1)


if __name__ == "__main__":
    main()
