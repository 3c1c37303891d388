"""Does the deviation over seeds predict the error? Rank correlation over the voxels of the joint box, knee by knee.

    python Testing/benchmarks/uncertainty_of_knees.py --pairs runs/held-out -o docs/results/uncertainty.json

Volumes are those that ``xray2mri generate --samples`` makes: the picture as the model's card asks, the deviation from
samples as printed. The last row shows that the deviation is the knee's own: the same with another knee's deviation.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from held_out_knees import BOX, radiograph_and_truth
from result_file import write_result

from Xray2MRILib.metrics.uncertainty_calibration import uncertainty_calibration

_SHIFT = 5  # the other knee: the next one of the same grade


def main() -> None:
    """Generate, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--model", default="compact")
    parser.add_argument("--knees", type=int, default=10)
    parser.add_argument("--samples", type=int, default=6)
    parser.add_argument("--slices", type=int, default=8, choices=(8, 50), help="8 are every seventh of the 50")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()

    from Xray2MRILib import Xray2MRIPipeline
    from Xray2MRILib.conditions.koa_probabilities import KoaProbabilities
    from Xray2MRILib.simulation.pairs.pair_store import list_pairs, read_pair

    pipeline = Xray2MRIPipeline.from_pretrained(options.model)
    depths = np.arange(0, 50, 49 // (options.slices - 1))
    box = (slice(None), slice(BOX[0], BOX[1]), slice(BOX[2], BOX[3]))
    truths, made, deviations = [], [], []
    for path in list_pairs(options.pairs)[: options.knees]:
        pair = read_pair(path)
        crop, truth = radiograph_and_truth(pair)
        koa = KoaProbabilities.reader(pair.parameters.kl_grade, smear=0.1)
        volume = pipeline.sample_deviation(crop, options.samples, options.slices, seed=0, koa=koa)
        assert volume.deviation is not None
        truths.append(truth[depths][box])
        made.append(volume.depth_slices()[box])
        order = slice(None) if np.array_equal(volume.array, volume.depth_slices()) else slice(None, None, -1)
        deviations.append(volume.deviation[order][box])
        print(f"{len(made)} knees", flush=True)
    own = [uncertainty_calibration(*row) for row in zip(truths, made, deviations, strict=True)]
    others = [uncertainty_calibration(*row) for row in zip(truths, made, np.roll(deviations, _SHIFT, 0), strict=True)]
    quartiles = (50, 0, 100)
    figures = {
        "spearman": np.round(np.percentile([c.spearman for c in own], quartiles), 3).tolist(),
        "error over deviation": np.round(np.percentile([c.ratio for c in own], quartiles), 2).tolist(),
        "spearman, another knee's deviation": np.round(
            np.percentile([c.spearman for c in others], quartiles), 3
        ).tolist(),
    }
    settings = {"knees": len(made), "samples": options.samples, "slices": options.slices, "seed": 0}
    command = "python Testing/benchmarks/uncertainty_of_knees.py --pairs HELD-OUT -o FILE"
    record = write_result(
        options.output, command=command, settings=settings, figures=figures, weights=pipeline.weights_sha256
    )
    print(json.dumps(record["figures"], indent=1))


if __name__ == "__main__":
    main()
