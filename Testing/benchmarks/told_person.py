"""A small network that is told sex and BMI: do its volumes move as the simulated knees do?

    xray2mri simulate -o runs/people --count 40
    xray2mri simulate -o runs/people-held-out --count 6 --held-out
    python Testing/benchmarks/told_person.py --pairs runs/people --held-out runs/people-held-out --work DIR -o FILE

A network of 128 x 128 slices learns simulated knees in the frame of the scan, from scratch, told sex and BMI. Held-out
knees are then generated with each told in turn, the radiograph and the noise being the same. The difference of two such
volumes is laid over that of the true means of the two groups: a slope of 1 means that it moves as far as simulated, 0
that what is told does nothing. All in the work folder is kept, so that a stopped run continues.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from result_file import write_result

GROUPS = {"sex": ("woman", "man"), "bmi": (22.0, 34.0)}
SLICES, STEPS_OF_SAMPLING = 8, 5
NETWORK = {
    "unet": {"in_channels": 16, "block_out_channels": [32, 64, 96], "cross_attention_dim": 32, "attention_heads": 2},
    "radiograph_encoder": {"field_placement": False, "feature_channels": 0, "token_encoder": "convolutional",
                           "token_width": 32, "width": 8, "slice_size": 128},
    "scheduler": {"prediction_type": "v_prediction", "zero_terminal_snr": True},
}  # fmt: skip


def main() -> None:
    """Simulate, train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--held-out", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder that keeps the training")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=450)
    options = parser.parse_args()
    from Xray2MRILib.training.data.training_knee import list_training_pairs

    options.work.mkdir(parents=True, exist_ok=True)
    metrics = train(options.pairs, options.held_out, options.work, options.steps)
    figures = measure(options.pairs, options.held_out, options.work) | {"training": metrics}
    command = (
        "python Testing/benchmarks/told_person.py --pairs PAIRS --held-out HELD-OUT --work WORK "
        f"-o docs/results/told_person.json --steps {options.steps}"
    )
    counted = {"knees": len(list_training_pairs(options.pairs)), "held_out": len(list_training_pairs(options.held_out))}
    settings = {**counted, "steps": options.steps, "slices": SLICES, "sampling_steps": STEPS_OF_SAMPLING,
                "told": GROUPS}  # fmt: skip
    write_result(options.output, command=command, settings=settings, figures=figures)
    print(figures)


def train(pairs: Path, held_out: Path, work: Path, steps: int) -> dict[str, Any]:
    """Train, or continue a training; returns its metrics."""
    from Xray2MRILib.training import diffusion
    from Xray2MRILib.training.recipe_files import chosen_recipe

    recipe = chosen_recipe("diffusion") | {
        "data": str(pairs), "held_out": str(held_out), "autoencoder": "compact", "preset": "compact",
        "changes": NETWORK, "told": list(GROUPS), "variants": 1, "exposures": 2, "steps": steps, "knees_per_batch": 4,
        "depths_per_knee": 6, "learning_rate": 1.5e-3, "warm_up_steps": 30, "ema_decay": 0.98, "threads": 1,
        "precision": "float32", "device": "cpu", "save_every": 100, "log_every": 50,
    }  # fmt: skip
    return diffusion.train(recipe, work / "training", resume=True)


def measure(pairs: Path, held_out: Path, work: Path) -> dict[str, Any]:
    """For each told condition: slope and correlation of the change against that of the true means."""
    from Xray2MRILib.generation.pipeline import Xray2MRIPipeline
    from Xray2MRILib.training.data.training_knee import list_training_pairs, open_knee

    pipeline = Xray2MRIPipeline.from_pretrained(work / "training" / "model", device="cpu")
    depths = np.linspace(0, 49, SLICES).round().astype(int)
    knees = [open_knee(path, radiograph=False) for path in list_training_pairs(pairs)]
    means = {
        name: [np.mean([k.volume[depths] for k in knees if k.person.get(name) == value], axis=0) for value in values]
        for name, values in GROUPS.items()
    }
    made: dict[str, list[tuple[float, float]]] = {name: [] for name in GROUPS}
    areas: dict[str, list[float]] = {}
    for path in list_training_pairs(held_out):
        _, crops = open_knee(path).in_scan_frame(1, np.random.default_rng(0), bend_mm=None)
        for name, values in GROUPS.items():
            volumes = [
                pipeline(crops, SLICES, STEPS_OF_SAMPLING, told={name: value}).depth_slices() for value in values
            ]
            change, true = volumes[1] - volumes[0], means[name][1] - means[name][0]
            slope = float((change * true).sum() / (true * true).sum())
            made[name].append((slope, float(np.corrcoef(change.ravel(), true.ravel())[0, 1])))
            for value, volume in zip(values, volumes, strict=True):
                areas.setdefault(f"{name} {value}", []).append(leg_area(volume))
    return {
        "change": {
            name: {"slope": round(float(np.median([s for s, _ in found])), 3),
                   "correlation": round(float(np.median([r for _, r in found])), 3),
                   "slopes": [round(s, 3) for s, _ in found]}
            for name, found in made.items()
        },
        "leg_area_cm2": {
            "generated": {name: round(float(np.median(found)), 1) for name, found in areas.items()},
            "true": {f"{name} {value}": round(leg_area(mean), 1)
                     for name, values in GROUPS.items() for value, mean in zip(values, means[name], strict=True)},
        },
    }  # fmt: skip


def leg_area(volume: np.ndarray) -> float:
    """Mean area in square centimetres of what is brighter than air, over the slices."""
    return float((volume > 0.06).mean()) * 16.0 * 16.0


if __name__ == "__main__":
    main()
