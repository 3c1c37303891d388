"""Processor seconds that a template and one simulated pair cost, stage by stage.

    OMP_NUM_THREADS=1 python Testing/benchmarks/simulation_speed.py --template dess_knee+multi_echo_knee

Processor time, not wall time, so that a busy machine disturbs little; still, compare only runs of one machine.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--template", default="dess_knee+multi_echo_knee", help="OUTLINE or OUTLINE+SOFT_TISSUE")
    parser.add_argument("--count", type=int, default=5, help="knees after the first (default: %(default)s)")
    options = parser.parse_args()

    import torch

    torch.set_num_threads(1)
    from Xray2MRILib.simulation.pairs.template_library import TemplateChoice, TemplateLibrary

    outline, _, lent = options.template.partition("+")
    begun = time.process_time()
    source = TemplateLibrary().prepared(TemplateChoice(outline, lent or outline))
    print(f"template: {time.process_time() - begun:.1f} s")
    with tempfile.TemporaryDirectory() as folder:
        begun = time.process_time()
        one_pair(source, 0, Path(folder))
        print(f"first pair, with what its template keeps: {time.process_time() - begun:.1f} s")
        stages = [one_pair(source, seed, Path(folder)) for seed in range(1, options.count + 1)]
    print("\n| stage | CPU seconds, median |\n|---|---|")
    for name in stages[0]:
        print(f"| {name} | {np.median([s[name] for s in stages]):.3f} |")
    print(f"| **one pair** | **{np.median([sum(s.values()) for s in stages]):.2f}** |")


def one_pair(source, seed: int, folder: Path) -> dict[str, float]:
    """CPU seconds per stage of one pair, as ``simulate_image_pair`` and ``write_pair`` go through them."""
    from Xray2MRILib.simulation.mr import flash_mri
    from Xray2MRILib.simulation.mr.tissue_maps import TissueMaps
    from Xray2MRILib.simulation.pairs.image_knee import deformed, draw_image_knee, scan_image_knee
    from Xray2MRILib.simulation.pairs.knee_pair import KneePair
    from Xray2MRILib.simulation.pairs.pair_store import write_pair
    from Xray2MRILib.simulation.radiograph import drr

    spent: dict[str, float] = defaultdict(float)
    last = time.process_time()

    def stop(name: str) -> None:
        nonlocal last
        now = time.process_time()
        spent[name] += now - last
        last = now

    knee = draw_image_knee(seed, seed % 5, source.template)
    p = knee.parameters
    deformation = deformed(source, knee)
    stop("deformation")
    maps = TissueMaps(source.template.anatomy, p, source.device)
    stop("disease and bone texture")
    attenuation = maps.mineral("femur"), maps.mineral("tibia"), maps.soft_attenuation()
    film = drr.project(deformation, *attenuation, p, patella=maps.mineral("patella")).cpu().numpy()
    stop("film")
    volume = flash_mri.to_unit_range(scan_image_knee(source, knee, deformation=deformation, maps=maps)).cpu().numpy()
    stop("MR volume")
    write_pair(folder, seed, KneePair(p, volume, film[0], film[1], deformation.joint_space_mm()))
    stop("truth and writing")
    return dict(spent)


if __name__ == "__main__":
    main()
