"""CPU seconds of one evaluation, all metrics and controls, part by part, as a Markdown table.

    python Testing/benchmarks/evaluation_speed.py --pair runs/held-out/knee-000000.npz

Processor time is counted over all threads, so that other work on the machine does not matter much; on two idle cores
the wall-clock time lies between a half and all of it. The aim is 10 s of wall-clock time for 50 slices on two cores.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from pathlib import Path


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pair", type=Path, help="simulated pair as reference (default: the shipped training knee)")
    parser.add_argument("--align", default="rigid", choices=("rigid", "similarity", "none"))
    options = parser.parse_args()

    import numpy as np
    import SimpleITK as sitk

    from Xray2MRILib.comparison.compare import compare
    from Xray2MRILib.comparison.controls import shipped_knee
    from Xray2MRILib.reports.comparison_files import write_comparison
    from Xray2MRILib.volume.pseudo_mri import PseudoMRI

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rng = np.random.default_rng(0)
        truth = shipped_knee()
        noisy = np.clip(np.roll(truth, 3, axis=2) + 0.03 * rng.standard_normal(truth.shape), 0, 1)
        pseudo = PseudoMRI.from_depth_slices(noisy, False, {}).save(folder / "pseudo.nrrd").volume
        reference = options.pair
        if reference is None:
            reference = folder / "reference.nrrd"
            sitk.WriteImage(PseudoMRI.from_depth_slices(truth, False, {}).to_sitk(), str(reference))
        starts: dict[str, tuple[float, float]] = {}

        def note(event: dict) -> None:
            starts.setdefault(event["stage"], (time.process_time(), time.monotonic()))

        compare(pseudo, reference, method=options.align, report=folder / "r.html", write=write_comparison,
                on_progress=note)  # fmt: skip
        names = list(starts)
        print("| part | CPU seconds | wall-clock seconds |\n|---|---|---|")
        for name, following in itertools.pairwise(names):
            cpu, wall = (b - a for a, b in zip(starts[name], starts[following], strict=True))
            print(f"| {name} | {cpu:.1f} | {wall:.1f} |")
        cpu, wall = (b - a for a, b in zip(starts[names[0]], starts[names[-1]], strict=True))
        print(f"| **all** | **{cpu:.1f}** | **{wall:.1f}** |")


if __name__ == "__main__":
    main()
