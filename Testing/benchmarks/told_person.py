"""A small network that is told sex and BMI: do its volumes move as the simulated knees do?

    python Testing/benchmarks/told_person.py --work DIR -o docs/results/told_person.json [--knees 40] [--steps 800]

Knees of one label map with the size, fat and muscle of drawn people; a network of 128 x 128 slices learns them in the
frame of the scan, from scratch, told sex and BMI. Held-out knees are then generated with each told in turn, the
radiograph and the noise being the same. The difference of two such volumes is laid over that of the true means of
the two groups: a slope of 1 means that it moves as far as simulated, 0 that what is told does nothing. All in the
work folder is kept, so that a stopped run continues.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from result_file import write_result

HELD_OUT_SEED = 1_000_000
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
    parser.add_argument("--work", type=Path, required=True, help="folder that keeps pairs and training")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--knees", type=int, default=40)
    parser.add_argument("--held-out", type=int, default=6)
    parser.add_argument("--steps", type=int, default=450)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    simulate(options.work / "pairs", options.knees, 0, options.work)
    simulate(options.work / "held-out", options.held_out, HELD_OUT_SEED, options.work)
    metrics = train(options.work, options.steps)
    figures = measure(options.work) | {"training": metrics}
    command = (
        f"python Testing/benchmarks/told_person.py --work WORK -o docs/results/told_person.json "
        f"--knees {options.knees} --held-out {options.held_out} --steps {options.steps}"
    )
    settings = {"knees": options.knees, "held_out": options.held_out, "steps": options.steps, "slices": SLICES,
                "sampling_steps": STEPS_OF_SAMPLING, "told": GROUPS}  # fmt: skip
    write_result(options.output, command=command, settings=settings, figures=figures)
    print(figures)


def simulate(folder: Path, count: int, seed: int, cache: Path) -> None:
    """Write the pairs that are missing; women and men, and the classes of body mass, in turn."""
    from Xray2MRILib.simulation.anatomy.knee_parameters import draw
    from Xray2MRILib.simulation.anatomy.person import Person, of_person
    from Xray2MRILib.simulation.pairs.knee_pair import simulate_pair
    from Xray2MRILib.simulation.pairs.pair_store import pair_path, write_pair
    from Xray2MRILib.simulation.pairs.population import load_templates, shipped_label_maps

    folder.mkdir(exist_ok=True)
    templates = load_templates(shipped_label_maps()[:1], cache)
    ((name, template),) = templates.items()
    width = template.plateau_mm[1] - template.plateau_mm[0]
    for k in range(count):
        if pair_path(folder, k).exists():
            continue
        person = Person(("woman", "man")[k % 2], "middle", ("normal", "obese")[k // 2 % 2])
        parameters = of_person(draw(seed + k, 0, (name,), {name: width}), person, width)
        write_pair(folder, k, simulate_pair(template, parameters), {"person": person.to_dict()})


def train(work: Path, steps: int) -> dict[str, Any]:
    """Train, or continue a training; returns its metrics."""
    from Xray2MRILib.training import diffusion
    from Xray2MRILib.training.recipe_files import chosen_recipe

    recipe = chosen_recipe("diffusion") | {
        "data": str(work / "pairs"), "held_out": str(work / "held-out"), "autoencoder": "compact", "preset": "compact",
        "changes": NETWORK, "told": list(GROUPS), "variants": 1, "exposures": 2, "steps": steps, "knees_per_batch": 4,
        "depths_per_knee": 6, "learning_rate": 1.5e-3, "warm_up_steps": 30, "ema_decay": 0.98, "threads": 1,
        "precision": "float32", "device": "cpu", "save_every": 100, "log_every": 50,
    }  # fmt: skip
    return diffusion.train(recipe, work / "training", resume=True)


def measure(work: Path) -> dict[str, Any]:
    """For each told condition: slope and correlation of the change against that of the true means."""
    from Xray2MRILib.generation.pipeline import Xray2MRIPipeline
    from Xray2MRILib.training.data.training_knee import list_training_pairs, open_knee

    pipeline = Xray2MRIPipeline.from_pretrained(work / "training" / "model", device="cpu")
    depths = np.linspace(0, 49, SLICES).round().astype(int)
    knees = [open_knee(path, radiograph=False) for path in list_training_pairs(work / "pairs")]
    means = {
        name: [np.mean([k.volume[depths] for k in knees if k.person[name] == value], axis=0) for value in values]
        for name, values in GROUPS.items()
    }
    made: dict[str, list[tuple[float, float]]] = {name: [] for name in GROUPS}
    areas: dict[str, list[float]] = {}
    for path in list_training_pairs(work / "held-out"):
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
