"""Does a volume keep what its radiograph shows? Features of the bones: volume against truth, and against radiograph.

    python Testing/benchmarks/radiograph_features.py --pairs runs/held-out -o docs/results/radiograph_features.json

For every held-out simulated knee one radiograph is exposed and a volume generated. The same outlines (reprojection/)
are traced on the radiograph, on the generated and on the true volume, and turned into features in mm and degrees in
the frame of the joint crop. "shown" is how well the radiograph's own feature agrees with the true volume's: no volume
can be expected to know better. Reported are r, mean difference and number of knees; spaces also by grade.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from held_out_knees import radiograph_and_truth
from result_file import write_result

from Xray2MRILib.reprojection.bone_projection import JOINT_DEPTHS, volume_outline
from Xray2MRILib.reprojection.frame_grid import axis_mm, index_of, radiograph_on_grid, volume_on_grid
from Xray2MRILib.reprojection.knee_outline import JOINT_LINE, KneeOutline
from Xray2MRILib.reprojection.radiograph_outline import radiograph_outline

NOTCH_ABOVE_MM = (12.0, 7.0)  # rows of the notch, above the joint line
NOTCH_REACH_MM = (3.0, 18.0)  # its walls lie so far from the middle
NOTCH_DEPTHS = (-0.31, 0.1)
SPACES = ("medial space", "lateral space")


def features(outline: KneeOutline) -> dict[str, float]:
    """Features in mm and degrees; NaN where a curve was not found."""
    curves = {name: outline.curves.get(name, np.full((1, 2), np.nan)) for name in JOINT_LINE}
    sides = {
        name: outline.curves.get(name, np.full((1, 2), np.nan))
        for name in ("femur medial side", "tibia medial side", "tibia lateral side")
    }
    lowest = {side: lowest_point(curves[f"femur {side} joint"]) for side in ("medial", "lateral")}
    plateau = {side: curves[f"tibia {side} joint"].mean(axis=0) for side in ("medial", "lateral")}
    found = {
        "joint line": float(np.mean([curve[:, 1].mean() for curve in curves.values()])),
        "medial space": space(curves["femur medial joint"], curves["tibia medial joint"]),
        "lateral space": space(curves["femur lateral joint"], curves["tibia lateral joint"]),
        "condyle distance": float(lowest["medial"][0] - lowest["lateral"][0]),
        "plateau width": edge_at_joint(sides["tibia medial side"]) - edge_at_joint(sides["tibia lateral side"]),
        "femoral obliquity": tilt(lowest["lateral"], lowest["medial"]),
        "tibial obliquity": tilt(plateau["lateral"], plateau["medial"]),
    }
    return found | {name: float(np.median(points[:, 0])) for name, points in sides.items()}


def lowest_point(curve: np.ndarray) -> np.ndarray:
    """The lowest point (x, z) of a condyle: the top of the parabola through the lowest third of its edge."""
    if len(curve) < 12:
        return np.full(2, np.nan)
    lower = curve[np.argsort(curve[:, 1])[-len(curve) // 2 :]]
    square, slope, _ = np.polyfit(lower[:, 0], lower[:, 1], 2)
    x = float(np.clip(-slope / (2 * square), *np.percentile(curve[:, 0], (5, 95)))) if square < 0 else lower[-1, 0]
    return np.array([x, np.percentile(curve[:, 1], 95)])


def space(femur: np.ndarray, tibia: np.ndarray) -> float:
    """Median distance along z between both edges at the places that both have."""
    z = {round(x, 2): z for x, z in femur}
    apart = [below - z[round(x, 2)] for x, below in tibia if round(x, 2) in z]
    return float(np.median(apart)) if len(apart) > 8 else float("nan")


def edge_at_joint(side: np.ndarray) -> float:
    """x of a side of the tibia at the plateau."""
    return float(np.median(side[:6, 0]))


def tilt(lateral: np.ndarray, medial: np.ndarray) -> float:
    """Angle in degrees of the line from a lateral to a medial point, positive where medial is lower."""
    return float(np.degrees(np.arctan2(medial[1] - lateral[1], medial[0] - lateral[0])))


def notch_width(image: np.ndarray, joint_z: float, *, bright: bool) -> float:
    """Distance in mm between the strongest walls of the notch on a picture of the grid; ``bright`` as on MR slices."""
    from scipy.ndimage import gaussian_filter1d

    if not np.isfinite(joint_z):
        return float("nan")
    rows = slice(index_of(joint_z - NOTCH_ABOVE_MM[0]), index_of(joint_z - NOTCH_ABOVE_MM[1]) + 1)
    across = gaussian_filter1d(image[rows].mean(axis=0), 2.0, order=1) * (1 if bright else -1)
    x = axis_mm()
    lateral = (x > -NOTCH_REACH_MM[1]) & (x < -NOTCH_REACH_MM[0])
    medial = (x > NOTCH_REACH_MM[0]) & (x < NOTCH_REACH_MM[1])
    return float(x[medial][across[medial].argmin()] - x[lateral][across[lateral].argmax()])


def of_volume(slices: np.ndarray) -> dict[str, float]:
    """Features of slices [S, 256, 256] in [0, 1], posterior slice first, a right knee in the radiograph's frame."""
    found = features(volume_outline(slices))
    u = np.linspace(-1, 1, len(slices))
    behind = volume_on_grid(slices[(u >= NOTCH_DEPTHS[0]) & (u <= NOTCH_DEPTHS[1])]).mean(axis=0)
    return found | {"notch width": notch_width(behind, found["joint line"], bright=True)}


def of_radiograph(crop: np.ndarray) -> dict[str, float]:
    """Features of a prepared joint crop [H, H] in [-1, 1], a right knee."""
    found = features(radiograph_outline(crop))
    return found | {"notch width": notch_width(radiograph_on_grid(crop), found["joint line"], bright=False)}


def agreement(
    found: list[dict[str, float]], beside: list[dict[str, float]], name: str
) -> dict[str, float | int | None]:
    """Pearson's r, mean difference and number of knees in which both were measured."""
    pairs = np.array([(a[name], b[name]) for a, b in zip(found, beside, strict=True)])
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    if len(pairs) < 5:
        return {"r": None, "bias": None, "knees": len(pairs)}
    return {
        "r": round(float(np.corrcoef(pairs.T)[0, 1]), 3),
        "bias": round(float((pairs[:, 0] - pairs[:, 1]).mean()), 2),
        "knees": len(pairs),
    }


def report_of(made: list[dict], true: list[dict], films: list[dict], grades: list[int]) -> dict:
    """Feature -> agreements; and the spaces' bias by grade, the plateau's scale."""
    report: dict = {}
    for name in made[0]:
        spread = [row[name] for row in true if np.isfinite(row[name])]
        report[name] = {
            "volume and truth": agreement(made, true, name),
            "volume and radiograph": agreement(made, films, name),
            "shown: radiograph and truth": agreement(films, true, name),
            "true mean and SD": [round(float(np.mean(spread)), 2), round(float(np.std(spread)), 2)],
        }
    for name in SPACES:
        report[name]["bias by grade"] = {
            f"KL {grade}": agreement(*([row for row, g in zip(rows, grades, strict=True) if g == grade]
                                       for rows in (made, true)), name)["bias"]
            for grade in range(5)
        }  # fmt: skip
    width = report["plateau width"]
    if width["volume and truth"]["bias"] is not None:
        width["scale"] = round(1 + width["volume and truth"]["bias"] / width["true mean and SD"][0], 3)
    return report


def measured(folder: Path, count: int, make: Callable[[np.ndarray, int], np.ndarray]) -> dict:
    """The report over the first pairs of a folder; ``make`` takes a crop [1, 256, 256] and the reader's grade."""
    from Xray2MRILib.simulation.pairs.pair_store import list_pairs, read_pair

    made, true, films, grades = [], [], [], []
    for path in list_pairs(folder)[:count]:
        pair = read_pair(path)
        crop, truth = radiograph_and_truth(pair)
        grades.append(pair.parameters.kl_grade)
        made.append(of_volume(make(crop, grades[-1])))
        true.append(of_volume(truth))
        films.append(of_radiograph(crop[0]))
        print(f"{len(made)} knees", flush=True)
    return report_of(made, true, films, grades)


def main() -> None:
    """Generate, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--model", default="compact")
    parser.add_argument("--knees", type=int, default=60)
    parser.add_argument("--slices", type=int, default=25)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()

    from Xray2MRILib import Xray2MRIPipeline
    from Xray2MRILib.conditions.koa_probabilities import KoaProbabilities
    from Xray2MRILib.diffusion.sampling_settings import SamplingSettings, sampling_of_model

    pipeline = Xray2MRIPipeline.from_pretrained(options.model)
    sampling = sampling_of_model(pipeline.model_card)
    steps = SamplingSettings().for_model(pipeline.model_card).num_inference_steps

    def make(crop: np.ndarray, grade: int) -> np.ndarray:
        koa = KoaProbabilities.reader(grade, smear=0.1)
        made = pipeline(crop, num_slices=options.slices, num_inference_steps=steps, koa=koa, seed=0, **sampling)
        return made.depth_slices()

    report = measured(options.pairs, options.knees, make)
    for name, row in report.items():
        cells = [f"{row[key]['r']} ({row[key]['bias']})" for key in list(row)[:3]]
        print(f"{name:20s} " + "  ".join(f"{cell:>16s}" for cell in cells), row["true mean and SD"])
    settings = {
        "knees": options.knees, "slices": options.slices, "steps": steps, "seed": 0, "sampling": sampling,
        "joint_depths": list(JOINT_DEPTHS),
    }  # fmt: skip
    command = "python Testing/benchmarks/radiograph_features.py --pairs HELD-OUT -o FILE"
    write_result(options.output, command=command, settings=settings, figures=report, weights=pipeline.weights_sha256)


if __name__ == "__main__":
    main()
