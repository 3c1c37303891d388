"""Processor seconds that one simulated pair costs, stage by stage.

    OMP_NUM_THREADS=1 python Testing/benchmarks/simulation_speed.py --labels Resources/anatomy/spl_knee_atlas

Processor time, not wall time, so that a busy machine disturbs little; still, compare only runs of one machine.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labels", type=Path, default=ROOT / "Resources/anatomy/spl_knee_atlas")
    parser.add_argument("--cache", type=Path, help="folder with a template that was built before")
    parser.add_argument("--count", type=int, default=10, help="knees after the first (default: %(default)s)")
    options = parser.parse_args()

    import torch

    torch.set_num_threads(1)
    from Xray2MRILib.simulation.pairs.population import load_templates

    with tempfile.TemporaryDirectory() as folder:
        begun = time.process_time()
        template = next(iter(load_templates([options.labels], options.cache or Path(folder)).values()))
        print(f"template: {time.process_time() - begun:.1f} s")
        begun = time.process_time()
        one_pair(template, 0, Path(folder))
        print(f"first pair, with the lists of this template: {time.process_time() - begun:.1f} s")
        stages = [one_pair(template, seed, Path(folder)) for seed in range(1, options.count + 1)]
    print("\n| stage | CPU seconds, median |\n|---|---|")
    for name in stages[0]:
        print(f"| {name} | {np.median([s[name] for s in stages]):.3f} |")
    print(f"| **one pair** | **{np.median([sum(s.values()) for s in stages]):.2f}** |")


def one_pair(template, seed: int, folder: Path) -> dict[str, float]:
    """CPU seconds per stage of one pair, as ``simulate_pair`` and ``write_pair`` go through them."""
    from Xray2MRILib.simulation.anatomy.deformation import KneeDeformation
    from Xray2MRILib.simulation.anatomy.knee_parameters import draw
    from Xray2MRILib.simulation.mr import flash_mri as flash_mri
    from Xray2MRILib.simulation.mr.tissue_maps import TissueMaps
    from Xray2MRILib.simulation.pairs.knee_pair import KneePair
    from Xray2MRILib.simulation.pairs.pair_store import write_pair
    from Xray2MRILib.simulation.radiograph import drr as drr

    width = template.plateau_mm[1] - template.plateau_mm[0]
    p = draw(seed, seed % 5, ("t",), {"t": width})
    spent: dict[str, float] = defaultdict(float)
    last = time.process_time()

    def stop(name: str) -> None:
        nonlocal last
        now = time.process_time()
        spent[name] += now - last
        last = now

    deformation = KneeDeformation(template, p)
    nodes = flash_mri.field_nodes(deformation, p)
    stop("deformation")
    maps = TissueMaps(template, p)
    stop("disease and bone texture")
    signal = maps.signal(float(nodes[..., 0].min()), float(nodes[..., 0].max()))
    stop("MR signal of the template")
    volume = flash_mri.to_unit_range(flash_mri.scan(deformation, signal, p, nodes))
    stop("MR volume")
    attenuation = maps.mineral("femur"), maps.mineral("tibia"), maps.soft_attenuation()
    radiograph = drr.project(deformation, *attenuation, p).numpy()
    volume = volume.numpy()
    stop("film")
    write_pair(folder, seed, KneePair(p, volume, radiograph[0], radiograph[1], deformation.joint_space_mm()))
    stop("truth and writing")
    return dict(spent)


if __name__ == "__main__":
    main()
