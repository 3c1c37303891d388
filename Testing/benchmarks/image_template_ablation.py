"""One knee with everything, without texture, without noise, without either; then every outline and the other tissue.

    python Testing/benchmarks/image_template_ablation.py --output docs/image_template_ablation.webp

The first four rows are the same knee but for what is left out; further rows are the same person and scan on the other
outlines with the soft tissue of the multi-echo knee, and at last on the first outline with that of the label map.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from image_template_knees import planes, write_sheet

CORONAL, SAGITTAL = (8, 16, 26), (100, 150)
TEXTURES = ("septa", "lobules", "fibres", "bundles", "bellies", "strands", "vessels", "perimysium", "marrow_grain")


def main() -> None:
    """Simulate, put side by side, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1_000_000)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()

    import torch

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
        label = f"outline {choice.outline}, soft tissue {choice.soft_tissue}"
        variants = [(label, knee, noisy)]
        if number == 0:
            variants += [("without texture", plain, noisy), ("without noise", knee, silent)]
            variants += [("without texture and noise", plain, silent)]
        for name, drawn, acquisition in variants:
            volume = acquire(scan_image_knee(source, drawn), acquisition).numpy()
            rows.append((name, planes(volume, CORONAL, SAGITTAL)))
    write_sheet(rows, options.output)


if __name__ == "__main__":
    main()
