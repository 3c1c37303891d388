"""How close simulated radiographs come to real ones: grey levels, spectra, a classifier that tells them apart, KL
grades.

    python Testing/benchmarks/simulated_against_real.py --simulated PAIRS --oai FOLDER --cc-by FOLDER \\
        -o docs/simulator-realism.json --picture docs/simulator-realism.png

Only held-out parts of the real sets are read: the split "test" of the first, every other block of the second. All
radiographs go through the preparation that every radiograph meets in use (256 x 256, right-knee space, [-1, 1]). The
second set does not tell the side of single knees, so it is read off the picture, as in use; figures of that set as it
is stored, left knees unmirrored, are reported beside those.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

BINS = 32
BANDS = ((2, 4), (4, 8), (8, 16), (16, 32), (32, 64), (64, 128))  # cycles per picture
FOLDS = 5


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulated", type=Path, required=True, help="folder of pairs (xray2mri simulate --held-out)")
    parser.add_argument("--oai", type=Path, required=True, help="graded joint crops with index.csv")
    parser.add_argument("--cc-by", type=Path, help="whole radiographs with index.csv, second real set")
    parser.add_argument("--limit", type=int, default=300, help="real radiographs of each set (default: %(default)s)")
    parser.add_argument("--exposures", type=int, default=3, help="radiographs of each knee (default: %(default)s)")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()

    sets, stored = real_radiographs(options)
    simulated, grades, knees = simulated_radiographs(options.simulated, options.exposures)
    report = {
        "films": {name: len(radiographs) for name, (radiographs, _) in sets.items()} | {"simulated": len(simulated)},
        "grey_levels": grey_levels({n: f for n, (f, _) in sets.items()}, simulated),
        "spectrum": {n: spectrum(f) for n, f in [*((n, f) for n, (f, _) in sets.items()), ("simulated", simulated)]},
        "placement": {n: placement(f) for n, f in [*((n, f) for n, (f, _) in sets.items()), ("simulated", simulated)]},
        "told_apart": {n: told_apart(f, simulated, knees) for n, (f, _) in sets.items()},
        "told_apart_as_stored": {n: told_apart(f, simulated, knees) for n, f in stored.items()},
        "told_apart_as_stored_half_mirrored": {
            n: told_apart(f, half_mirrored(simulated), knees) for n, f in stored.items()
        },
        "grades": {"simulated": graded(simulated, grades)}
        | {n: graded(f, g) for n, (f, g) in sets.items() if (g >= 0).all()},
        "anatomy": anatomy(options.simulated),
    }
    options.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))
    if options.picture:
        contact_sheet({n: f for n, (f, _) in sets.items()}, simulated, options.picture)


def real_radiographs(
    options: argparse.Namespace,
) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], dict[str, np.ndarray]]:
    """{set: (radiographs [N, 256, 256] in [-1, 1], grades [N], -1 for unknown)}, and as stored those of unknown
    side."""
    from Xray2MRILib.training.data.graded_radiographs import load_graded_radiographs, load_localised_radiographs

    oai = load_graded_radiographs(options.oai, "test", right_knee_space=True, limit=options.limit)
    sets, stored = {"oai": (oai.images.numpy() / np.float32(127.5) - 1, oai.grades.numpy())}, {}
    if options.cc_by:
        radiographs, _ = load_localised_radiographs(options.cc_by, options.limit, part="second")
        stored["cc_by"] = radiographs.images.numpy() / np.float32(127.5) - 1
        sets["cc_by"] = (in_right_knee_space(stored["cc_by"]), np.full(len(radiographs.images), -1))
    return sets, stored


def in_right_knee_space(radiographs: np.ndarray) -> np.ndarray:
    """``radiographs`` [N, 256, 256] with left knees mirrored, as the picture alone tells them."""
    from Xray2MRILib.preparation.view_check import left_probability

    left = np.array([left_probability(radiograph[None]) > 0.5 for radiograph in radiographs])
    mirrored = radiographs.copy()
    mirrored[left] = mirrored[left][:, :, ::-1]
    return mirrored


def simulated_radiographs(folder: Path, exposures: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Radiographs [N, 256, 256], their true grades [N], and which knee each shows [N]."""
    from Xray2MRILib.preparation.joint_crop import normalise_crop
    from Xray2MRILib.simulation.anatomy.knee_parameters import MEAN_CROP_MM
    from Xray2MRILib.simulation.pairs.pair_store import list_pairs, read_pair
    from Xray2MRILib.simulation.radiograph.appearance import exposed_crop

    radiographs, grades, knees = [], [], []
    for number, path in enumerate(list_pairs(folder)):
        pair = read_pair(path, volume=False)
        rng = np.random.default_rng([pair.parameters.seed, 41])
        # pairs of another population are cut as this one's are
        pair.parameters.crop_mm *= MEAN_CROP_MM / pair.parameters.mean_crop_mm
        for _ in range(exposures):
            radiographs.append(normalise_crop(exposed_crop(pair.bone, pair.soft, pair.parameters, rng)))
            grades.append(pair.parameters.kl_grade)
            knees.append(number)
    return np.stack(radiographs).reshape(-1, 256, 256), np.array(grades), np.array(knees)


def half_mirrored(radiographs: np.ndarray) -> np.ndarray:
    """``radiographs`` with every second one mirrored: for sets whose knees are of unknown side."""
    mirrored = radiographs.copy()
    mirrored[1::2] = mirrored[1::2, :, ::-1]
    return mirrored


def histograms(radiographs: np.ndarray) -> np.ndarray:
    """Normalised grey-level histograms [N, BINS]; collimated margins (-1) are left out."""
    edges = np.linspace(-1, 1, BINS + 1)
    return np.stack([np.histogram(f[f > -1], edges)[0] / max((f > -1).sum(), 1) for f in radiographs])


def grey_levels(real: dict[str, np.ndarray], simulated: np.ndarray) -> dict[str, float]:
    """Distance of mean histograms (half the sum of differences), and share of real radiographs inside the simulated
    range.

    A radiograph is inside when each of its deciles lies between the 1st and the 99th percentile of the simulated ones.
    """
    deciles = np.quantile(simulated.reshape(len(simulated), -1), np.arange(0.1, 1, 0.2), axis=1)
    low, high = np.quantile(deciles, (0.01, 0.99), axis=1)
    mean = histograms(simulated).mean(axis=0)
    found = {}
    for name, radiographs in real.items():
        found[f"{name}_distance"] = round(float(np.abs(histograms(radiographs).mean(axis=0) - mean).sum() / 2), 3)
        own = np.quantile(radiographs.reshape(len(radiographs), -1), np.arange(0.1, 1, 0.2), axis=1)
        inside = ((own >= low[:, None]) & (own <= high[:, None])).all(axis=0)
        found[f"{name}_inside"] = round(float(inside.mean()), 3)
    if len(real) == 2:
        one, other = (histograms(f).mean(axis=0) for f in real.values())
        found["between_real_sets"] = round(float(np.abs(one - other).sum() / 2), 3)
    return found


def band_power(radiographs: np.ndarray) -> np.ndarray:
    """log10 of the mean power in each of ``BANDS``, [N, bands], of radiographs under a Hann window."""
    window = np.hanning(256)[:, None] * np.hanning(256)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(256) * 256, np.fft.fftfreq(256) * 256))
    rings = [(frequency >= lo) & (frequency < hi) for lo, hi in BANDS]
    power = [np.abs(np.fft.fft2((f - f.mean()) * window)) ** 2 for f in radiographs]
    return np.log10(np.array([[p[ring].mean() for ring in rings] for p in power]) + 1e-6)


def spectrum(radiographs: np.ndarray) -> dict[str, list[float]]:
    """Mean and spread of ``band_power`` over radiographs."""
    bands = band_power(radiographs)
    return {"mean": np.round(bands.mean(axis=0), 2).tolist(), "spread": np.round(bands.std(axis=0), 2).tolist()}


def placement(radiographs: np.ndarray) -> dict[str, list[float]]:
    """10th, 50th and 90th percentile over radiographs of the joint line's row and the tibia's width, shares of the
    crop.

    The joint line is the darkest row against its surroundings, in either compartment; the tibia ends at the steepest
    falls of brightness just below it. Single radiographs may be misread; percentiles bear that.
    """
    from scipy import ndimage

    lines, widths = [], []
    for radiograph in radiographs:
        for columns in (slice(64, 100), slice(156, 192)):
            profile = radiograph[:, columns].mean(axis=1)
            darkness = profile - ndimage.gaussian_filter1d(profile, 14)
            lines.append((102 + int(np.argmin(darkness[102:178])) + 0.5) / 256)
        below = radiograph[int(0.60 * 256) : int(0.66 * 256)].mean(axis=0)
        slope = ndimage.gaussian_filter1d(below, 3, order=1)
        widths.append((176 + int(np.argmin(slope[176:])) - int(np.argmax(slope[:80]))) / 256)
    return {
        name: [round(float(np.percentile(values, q)), 3) for q in (10, 50, 90)]
        for name, values in (("joint_line", lines), ("tibia_width", widths))
    }


def features(radiographs: np.ndarray) -> dict[str, np.ndarray]:
    """Cheap features per radiograph: groups of columns."""
    coarse = radiographs.reshape(-1, 16, 16, 16, 16).mean(axis=(2, 4))
    return {
        "grey levels": histograms(radiographs),
        "spectrum": band_power(radiographs),
        "layout": coarse.reshape(len(radiographs), -1)[:, ::2],
    }


def told_apart(real: np.ndarray, simulated: np.ndarray, knees: np.ndarray) -> dict[str, float]:
    """Cross-validated accuracy of a logistic regression, equal class weights; 0.5 is the ideal.

    Exposures of one knee stay in one fold. Given for every group of features alone, and for all.
    """
    truth = np.r_[np.ones(len(real)), np.zeros(len(simulated))]
    rng = np.random.default_rng(0)
    fold = np.r_[rng.integers(FOLDS, size=len(real)), rng.integers(FOLDS, size=knees.max() + 1)[knees]]
    groups = {
        k: np.concatenate((a, b))
        for (k, a), b in zip(features(real).items(), features(simulated).values(), strict=True)
    }
    groups["all"] = np.concatenate(list(groups.values()), axis=1)
    return {name: round(_accuracy(columns, truth, fold), 3) for name, columns in groups.items()}


def _accuracy(columns: np.ndarray, truth: np.ndarray, fold: np.ndarray) -> float:
    from scipy.optimize import minimize
    from scipy.special import expit

    right = {0: [], 1: []}
    for held in range(FOLDS):
        train = fold != held
        mean, spread = columns[train].mean(axis=0), columns[train].std(axis=0) + 1e-6
        x = np.c_[(columns - mean) / spread, np.ones(len(columns))]
        weight = np.where(truth[train] == 1, 1 / truth[train].sum(), 1 / (1 - truth[train]).sum())

        def loss(w: np.ndarray, x: np.ndarray = x[train], t: np.ndarray = truth[train], weight: np.ndarray = weight):
            score = x @ w
            value = (weight * np.logaddexp(0, -(2 * t - 1) * score)).sum() + 0.01 * (w[:-1] ** 2).sum()
            gradient = x.T @ (weight * (expit(score) - t))
            gradient[:-1] += 0.02 * w[:-1]
            return value, gradient

        w = minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 200}).x
        guess = (x[~train] @ w > 0) == (truth[~train] == 1)
        for kind in (0, 1):
            right[kind].extend(guess[truth[~train] == kind])
    return float(np.mean([np.mean(right[0]), np.mean(right[1])]))


def graded(radiographs: np.ndarray, grades: np.ndarray) -> dict[str, object]:
    """Confusion of the shipped classifier with the true grades, quadratic kappa and mean expected grade per grade."""
    import torch

    from Xray2MRILib.conditions.koa_classifier import grade_probabilities, load_classifier
    from Xray2MRILib.training.grade_agreement import confusion_matrix, quadratic_kappa

    network, temperature = load_classifier()
    parts = torch.from_numpy(radiographs[:, None].astype(np.float32)).split(32)
    p = torch.cat([grade_probabilities(network, part, temperature) for part in parts]).numpy()
    table = confusion_matrix(grades, p.argmax(axis=1))
    expected = p @ np.arange(5)
    return {
        "confusion": table.tolist(),
        "quadratic_kappa": round(quadratic_kappa(table), 3),
        "mean_expected_grade": [round(float(expected[grades == g].mean()), 2) for g in range(5)],
    }


def anatomy(folder: Path) -> dict[str, object]:
    """Means over the simulated knees: width of the plateau and, by grade, the narrower joint space in mm."""
    from Xray2MRILib.simulation.pairs.pair_store import list_pairs, read_record

    spaces: dict[int, list] = {g: [] for g in range(5)}
    records = [read_record(path) for path in list_pairs(folder)]
    for record in records:
        both = list(record["joint_space_mm"].values())
        spaces[record["parameters"]["kl_grade"]].append((record["joint_space_mm"]["medial"], min(both)))
    templates = [record["parameters"]["template"] for record in records]
    return {
        "knees": len(records),
        "joint_space_medial_mm": [round(float(np.mean([s[0] for s in spaces[g]])), 2) for g in range(5)],
        "joint_space_narrower_mm": [round(float(np.mean([s[1] for s in spaces[g]])), 2) for g in range(5)],
        "templates": {name: templates.count(name) for name in sorted(set(templates))},
    }


def contact_sheet(real: dict[str, np.ndarray], simulated: np.ndarray, path: Path) -> None:
    """Rows of ten radiographs of every set, evenly spread."""
    from PIL import Image, ImageDraw

    tile, label = 128, 16
    rows = [*real.items(), ("simulated", simulated)]
    sheet = Image.new("L", (10 * tile, len(rows) * (tile + label)), 0)
    draw = ImageDraw.Draw(sheet)
    for row, (name, radiographs) in enumerate(rows):
        draw.text((4, row * (tile + label) + 2), f"{name}, held-out part", 220)
        for column, radiograph in enumerate(radiographs[:: max(len(radiographs) // 10, 1)][:10]):
            picture = Image.fromarray(((radiograph + 1) * 127.5).astype(np.uint8)).resize((tile, tile))
            sheet.paste(picture, (column * tile, row * (tile + label) + label))
    sheet.save(path, optimize=True)


if __name__ == "__main__":
    main()
