"""A small network that is told sex and BMI: do its volumes move as the simulated knees do?

    xray2mri simulate -o runs/people --count 650
    python Testing/benchmarks/told_person.py --pairs runs/people --work DIR -o FILE

Networks of 128 x 128 slices learn some of the knees in the frame of the scan, from scratch, told sex and BMI: one sees
the radiograph, one sees that of fewer knees, one sees an empty one. The same knees (seed, template, grade, scan) are
then simulated of a woman and a man, of normal weight and obese, and generated: told what they are, told otherwise, told
nothing. The change of a volume is laid over the true one: 1 means that it moves as far as simulated, 0 that nothing
moves. True is the difference of two groups of people, of knees that no network learnt. What a radiograph shows already,
no word need move: told alone, the network with radiographs may stay below 1; told together with the radiograph, and the
other network told alone, may not. Thickness of the fat, width between the fat of both sides and width of the joint are
read off the true volumes and the generated ones in the same way.

Means of two groups differ by chance too. The slope is therefore taken over two halves of the groups, whose chance is
not the same: sums of products of different halves hold none of it.

All in the work folder is kept, so that a stopped run continues, and a longer one goes on where a shorter one ended.
"""

from __future__ import annotations

import argparse
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from result_file import write_result

GROUPS: dict[str, tuple[Any, Any]] = {"sex": ("woman", "man"), "bmi": (22.0, 34.0)}
# the four versions of a knee, as (sex, BMI); a version's neighbour differs in one of the two
VERSIONS = tuple((sex, bmi) for sex in GROUPS["sex"] for bmi in GROUPS["bmi"])
SLICES, STEPS_OF_SAMPLING = 8, 5
UNET = {"out_channels": 16, "block_out_channels": [32, 64, 96], "cross_attention_dim": 32, "attention_heads": 2}
ENCODER = {"field_placement": False, "feature_channels": 0, "width": 8, "slice_size": 128, "token_width": 32}
SCHEDULER = {"prediction_type": "v_prediction", "zero_terminal_snr": True}
AIR = 0.06  # grey below which there is no leg
MOST_CHANCE = 0.9
FAT, BRIGHT = 0.35, 0.5  # grey that fat stays below, and that cartilage, fluid and muscle are above
FIELD_CM = 16.0


def main() -> None:
    """Simulate, train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder that keeps knees and trainings")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1500, help="of the network that sees radiographs")
    parser.add_argument("--more-steps", type=int, default=900, help="of the network that sees none")
    parser.add_argument("--learnt", type=int, default=354, help="knees to learn from; the others are compared with")
    parser.add_argument("--more-learnt", type=int, default=64, help="of these, the two other networks")
    parser.add_argument("--knees", type=int, default=5, help="knees to measure on, each of four persons")
    options = parser.parse_args()
    from Xray2MRILib.training.data.training_knee import list_training_pairs

    options.work.mkdir(parents=True, exist_ok=True)
    people = simulate_persons(options.work / "people", options.knees)
    pairs = list_training_pairs(options.pairs)
    learnt, others = pairs[: options.learnt], pairs[options.learnt :]
    groups = group_differences(others)
    figures: dict[str, Any] = {"groups": {name: found.chance for name, found in groups.items()}}
    fewer = "radiograph, fewer knees"
    for name, steps in (("radiograph", options.steps), (fewer, options.steps), ("no radiograph", options.more_steps)):
        sees, work = name != "no radiograph", options.work / name.replace(",", "").replace(" ", "-")
        count = options.learnt if name == "radiograph" else options.more_learnt
        own, held_out = linked(learnt[:count], work / "knees"), people
        if not sees:
            own, held_out = (without_radiographs(folder, work / f"{folder.name}-empty") for folder in (own, people))
        trained = train(own, held_out, work, steps, sees=sees)
        figures[name] = {
            "steps": steps,
            "knees": count,
            "training": trained,
            **measure(held_out, work, groups, sees=sees),
        }
    command = "python Testing/benchmarks/told_person.py --pairs PAIRS --work WORK -o docs/results/told_person.json"
    settings = {"compared_with": len(others), "simulated": options.knees, "slices": SLICES,
                "sampling_steps": STEPS_OF_SAMPLING, "told": GROUPS}  # fmt: skip
    write_result(options.output, command=command, settings=settings, figures=figures)
    print(figures)


def linked(paths: list[Path], folder: Path) -> Path:
    """A folder of its own for some pairs."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in paths:
        if not (folder / path.name).exists():
            (folder / path.name).symlink_to(path.resolve())
    return folder


@dataclass(frozen=True)
class GroupDifference:
    """Difference of two groups' mean volumes, by two halves of the groups.

    ``chance`` is the share of the squared difference that is due to which knees are in groups of 20.
    """

    halves: tuple[np.ndarray, np.ndarray]
    chance: float

    def slope(self, change: np.ndarray) -> float | None:
        """Of a change over the difference that people have, without what chance adds to it; None if all is chance."""
        if self.chance > MOST_CHANCE:
            return None
        first, second = self.halves
        return round(float(change.ravel() @ (first + second)) / (2 * float(first @ second)), 3)


def group_differences(paths: list[Path]) -> dict[str, GroupDifference]:
    """Of each condition, over all other knees."""
    from Xray2MRILib.training.data.training_knee import open_knee

    depths = np.linspace(0, 49, SLICES).round().astype(int)
    sums: dict[tuple[str, Any, int], Any] = {}
    counts: dict[tuple[str, Any, int], int] = {}
    squares: dict[tuple[str, Any], Any] = {}
    for path in paths:
        knee = open_knee(path, radiograph=False)
        volume = knee.volume[depths].ravel()
        for name, values in GROUPS.items():
            value = knee.person.get(name)
            if value not in values:
                continue
            of_both = sum(counts.get((name, value, half), 0) for half in (0, 1))
            key = (name, value, of_both % 2)
            counts[key] = counts.get(key, 0) + 1
            sums[key] = sums.get(key, 0) + volume
            squares[name, value] = squares.get((name, value), 0) + float(volume @ volume)
    found = {}
    for name, (low, high) in GROUPS.items():
        means = {key: total / counts[key] for key, total in sums.items() if key[0] == name}
        halves = tuple(means[name, high, half] - means[name, low, half] for half in (0, 1))
        true, spread = float(halves[0] @ halves[1]), 0.0
        for value in (low, high):
            count = counts[name, value, 0] + counts[name, value, 1]
            mean = (sums[name, value, 0] + sums[name, value, 1]) / count
            spread += (squares[name, value] - count * float(mean @ mean)) / (count - 1)
        found[name] = GroupDifference((halves[0], halves[1]), round(spread / 20 / (true + spread / 20), 2))
    return found


def simulate_persons(folder: Path, count: int) -> Path:
    """Four versions of each held-out knee, in the order of VERSIONS: all that differs is the person."""
    from Xray2MRILib.conditions.person_condition import BMI_OF_CLASS
    from Xray2MRILib.simulation.anatomy.person import Person
    from Xray2MRILib.simulation.pairs.image_knee import draw_image_knee, simulate_image_pair
    from Xray2MRILib.simulation.pairs.pair_store import pair_path, write_pair
    from Xray2MRILib.simulation.pairs.population import GRADES, HELD_OUT_OFFSET, drawn_entries
    from Xray2MRILib.simulation.pairs.template_library import TemplateLibrary

    mass_of = {bmi: name for name, bmi in BMI_OF_CLASS.items()}
    library = TemplateLibrary()
    folder.mkdir(exist_ok=True)
    for knee in sorted(range(count), key=lambda k: library.draw(HELD_OUT_OFFSET + k).name):
        choice = library.draw(HELD_OUT_OFFSET + knee)
        for version, (sex, bmi) in enumerate(VERSIONS):
            index = len(VERSIONS) * knee + version
            if not pair_path(folder, index).exists():
                source = library.prepared(choice)
                person = Person(sex, "middle", mass_of[bmi])
                drawn = draw_image_knee(HELD_OUT_OFFSET + knee, knee % GRADES, source.template, person)
                write_pair(folder, index, simulate_image_pair(source, drawn), drawn_entries(drawn, choice))
    return folder


def without_radiographs(pairs: Path, folder: Path) -> Path:
    """The same pairs whose radiographs show nothing: neither bone nor soft tissue, only quantum noise."""
    from PIL import Image

    from Xray2MRILib.training.data.training_knee import list_training_pairs

    folder.mkdir(parents=True, exist_ok=True)
    for path in list_training_pairs(pairs):
        if (folder / path.name).exists():
            continue
        with np.load(path, allow_pickle=False) as content:
            parts = dict(content)
        with Image.open(io.BytesIO(parts["film"].tobytes())) as film:
            empty = Image.fromarray(np.zeros(film.size[::-1], np.uint16))
        stream = io.BytesIO()
        empty.save(stream, "PNG")
        parts["film"] = np.frombuffer(stream.getvalue(), np.uint8)
        temporary = folder / f"{path.stem}.tmp"
        with temporary.open("wb") as file:
            np.savez(file, **parts)
        temporary.replace(folder / path.name)
    return folder


def train(pairs: Path, held_out: Path, work: Path, steps: int, *, sees: bool) -> dict[str, Any]:
    """Train, or continue a training; returns its metrics. Without radiographs no token is made of them."""
    from Xray2MRILib.training import diffusion
    from Xray2MRILib.training.recipe_files import chosen_recipe

    network = {"unet": {**UNET, "in_channels": 32}, "scheduler": SCHEDULER,
               "radiograph_encoder": {**ENCODER, "token_encoder": "convolutional" if sees else "none"}}  # fmt: skip
    recipe = chosen_recipe("diffusion") | {
        "data": str(pairs), "held_out": str(held_out), "autoencoder": "compact", "preset": "compact",
        "changes": network, "told": list(GROUPS), "variants": 1, "exposures": 2, "steps": steps, "knees_per_batch": 4,
        "depths_per_knee": 6, "learning_rate": 1.5e-3, "warm_up_steps": 30, "ema_decay": 0.98, "threads": 1,
        "precision": "auto", "device": "cpu", "save_every": 100, "log_every": 50, "compile": False,
    }  # fmt: skip
    return diffusion.train(recipe, work / "training", resume=True)


def measure(people: Path, work: Path, groups: dict[str, GroupDifference], *, sees: bool) -> dict[str, Any]:
    """Slopes of the change of generated volumes over that of the true ones, and areas of the leg."""
    from Xray2MRILib.generation.pipeline import Xray2MRIPipeline
    from Xray2MRILib.training.data.training_knee import list_training_pairs, open_knee

    pipeline = Xray2MRIPipeline.from_pretrained(work / "training" / "model", device="cpu")
    depths = np.linspace(0, 49, SLICES).round().astype(int)
    knees = [open_knee(path) for path in list_training_pairs(people)]
    persons = [{"sex": sex, "bmi": bmi} for sex, bmi in VERSIONS]
    true: list[list[np.ndarray]] = []
    made: list[dict[tuple[int, int | None], np.ndarray]] = []  # of a knee: (version shown, version told) -> volume
    for first in range(0, len(knees), len(VERSIONS)):
        versions = knees[first : first + len(VERSIONS)]
        true.append([knee.volume[depths] for knee in versions])
        found = {}
        for shown, knee in enumerate(versions):
            _, crop = knee.in_scan_frame(1, np.random.default_rng(0), bend_mm=None)
            for told in (None, *range(len(VERSIONS))):
                if told is None or told == shown or (told ^ shown) in (1, 2):  # no knee is told both otherwise
                    words = None if told is None else persons[told]
                    volume = pipeline(crop, SLICES, STEPS_OF_SAMPLING, told=words, seed=first)
                    found[shown, told] = volume.depth_slices()
        made.append(found)
    result: dict[str, Any] = {}
    for name, bit in (("sex", 2), ("bmi", 1)):
        steps = [(low, low | bit) for low in range(len(VERSIONS)) if not low & bit]
        moved = {
            "told": [[(f[r, b] - f[r, a]) for a, b in steps for r in (a, b)] for f in made],
            "radiograph": [[(f[b, t] - f[a, t]) for a, b in steps for t in (a, b)] for f in made],
            "both": [[f[b, b] - f[a, a] for a, b in steps] for f in made],
            "radiograph, nothing told": [[f[b, None] - f[a, None] for a, b in steps] for f in made],
        }
        result[name] = {"slope": {}, "area_cm2": _areas(made, true, steps), "widths": _widths(made, true, steps)}
        for what, changes in moved.items():
            if sees or what == "told":
                mean = np.mean([np.mean(of_knee, axis=0) for of_knee in changes], axis=0)
                result[name]["slope"][what] = groups[name].slope(mean)
    result["area_error_cm2"] = _area_errors(made, true)
    return result


WIDTHS = ("fat_mm", "lean_mm", "joint_mm")


def leg_widths(volume: np.ndarray) -> tuple[float, float, float]:
    """Thickness of the fat, width between it on both sides (medians above and below the joint), width of the joint.

    All in mm, of the slices in the middle. Fat ends where four pixels together are brighter than it; the joint's width
    is that of what is bright there, in the quarter of its rows where it is widest.
    """
    from scipy.ndimage import gaussian_filter1d

    def ends(row: np.ndarray, level: float, run: int) -> tuple[int, int] | None:
        together = np.convolve(row > level, np.ones(run), "valid") > run - 0.5
        found = np.flatnonzero(together)
        return (int(found[0]), int(found[-1]) + run - 1) if len(found) else None

    fat: list[int] = []
    lean: list[int] = []
    joint: list[int] = []
    for picture in volume[2:6]:
        for row in (*range(16, 90, 4), *range(170, 240, 4)):
            outer, inner = ends(gaussian_filter1d(picture[row], 1.5), AIR, 4), ends(picture[row], FAT, 4)
            if outer and inner and inner[1] - inner[0] > 30:
                fat += [inner[0] - outer[0], outer[1] - inner[1]]
                lean.append(inner[1] - inner[0])
        bright = [ends(picture[row], BRIGHT, 3) for row in range(116, 146, 2)]
        joint += [both[1] - both[0] for both in bright if both]
    pixel = 10 * FIELD_CM / volume.shape[-1]
    medians = (np.median(fat), np.median(lean), np.percentile(joint, 75)) if fat and joint else (np.nan,) * 3
    return tuple(float(pixel * value) for value in medians)  # type: ignore[return-value]


def _widths(made: list[dict], true: list[list[np.ndarray]], steps: list[tuple[int, int]]) -> dict[str, dict[str, Any]]:
    """Mean change of each width: true, told alone, the radiograph alone, and how many of those told go the true way."""
    of_true = [[leg_widths(volume) for volume in versions] for versions in true]
    of_made = [{key: leg_widths(volume) for key, volume in found.items()} for found in made]
    result: dict[str, dict[str, Any]] = {}
    for place, width in enumerate(WIDTHS):
        truly = [knee[b][place] - knee[a][place] for knee in of_true for a, b in steps]
        told = [f[r, b][place] - f[r, a][place] for f in of_made for a, b in steps for r in (a, b)]
        shown = [f[b, t][place] - f[a, t][place] for f in of_made for a, b in steps for t in (a, b)]
        means = {
            what: round(float(np.mean(v)), 2) for what, v in (("true", truly), ("told", told), ("radiograph", shown))
        }
        alike = [np.sign(change) == np.sign(means["true"]) for change in told]
        result[width] = {**means, "as_true": int(sum(alike)), "of": len(alike)}
    return result


def leg_area(volume: np.ndarray) -> float:
    """Mean area in square centimetres of what is brighter than air, over the slices."""
    return float((volume > AIR).mean()) * FIELD_CM**2


def _areas(made: list[dict], true: list[list[np.ndarray]], steps: list[tuple[int, int]]) -> dict[str, list[float]]:
    """Mean area of the leg for the first and the second value of a condition."""

    def of(choose: Any) -> list[float]:
        found = [[leg_area(choose(k, pair[side], pair)) for k in range(len(made)) for pair in steps] for side in (0, 1)]
        return [round(float(np.mean(areas)), 1) for areas in found]

    def told_alone(knee: int, told: int, pair: tuple[int, int]) -> np.ndarray:
        return np.concatenate([made[knee][shown, told] for shown in pair])

    return {
        "true": of(lambda k, v, pair: true[k][v]),
        "told": of(told_alone),
        "both": of(lambda k, v, pair: made[k][v, v]),
        "radiograph, nothing told": of(lambda k, v, pair: made[k][v, None]),
    }


def _area_errors(made: list[dict], true: list[list[np.ndarray]]) -> dict[str, float]:
    """Mean absolute error of the leg's area: told the truth, nothing, and one thing otherwise."""
    errors: dict[str, list[float]] = {"told": [], "nothing told": [], "told otherwise": []}
    for found, volumes in zip(made, true, strict=True):
        for (shown, told), volume in found.items():
            kind = "nothing told" if told is None else "told" if told == shown else "told otherwise"
            errors[kind].append(abs(leg_area(volume) - leg_area(volumes[shown])))
    return {kind: round(float(np.mean(values)), 2) for kind, values in errors.items()}


if __name__ == "__main__":
    main()
