"""Fill the result tables of README, docs and model card from docs/results/*.json.

    python Testing/benchmarks/fill_result_tables.py            # rewrite the tables
    python Testing/benchmarks/fill_result_tables.py --check    # only say which files differ; exit code 1 if any does

A table stands between ``<!-- table: NAME -->`` and ``<!-- end of table -->``; NAME is a key of TABLES.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from grade_tables import narrow_joint_rows, what_if_rows

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "results"
PAGES = (
    "docs/readings-and-departures.md",
    "README.md",
    "docs/results.md",
    "docs/reprojection.md",
    "docs/image-templates.md",
    "docs/knee-anatomy.md",
    "docs/comparison-of-methods.md",
    "Resources/models/compact/MODEL_CARD.md",
    "Resources/models/siamese_gap/MODEL_CARD.md",
)
BLOCK = re.compile(r"(<!-- table: ([\w ]+) -->\n).*?(<!-- end of table -->)", re.DOTALL)

# measure -> heading and decimals
MEASURES = {
    "edge_mm": ("edge distance, mm", 1),
    "f1": ("edge F1 at 2 px", 2),
    "ssim": ("SSIM", 2),
    "psnr_db": ("PSNR, dB", 1),
    "rssim": ("RSSIM", 2),
}
ROWS = {
    "own": "**generated from its own radiograph**",
    "other radiograph": "generated from another knee's radiograph",
    "other knee": "another knee's true volume",
    "mean": "mean of 200 training volumes",
    "blank": "blank volume",
    "autoencoder alone": "the true volume through the autoencoder",
    "neighbouring slice": "the true volume's neighbouring slices",
}
SHORT_ROWS = {
    "own": "**generated from the knee's own radiograph**",
    "other radiograph": "generated from another knee's radiograph",
    "other knee": "another knee's true volume",
    "mean": "mean of 200 training volumes",
    "autoencoder alone": "true volume through the autoencoder (best reachable)",
}


def figures(name: str) -> Any:
    """The figures of docs/results/NAME.json."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))["figures"]


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def spread(values: Sequence[float], decimals: int) -> str:
    """Median with quartiles, such as ``2.1 (1.8-2.3)``."""
    median, low, high = (f"{value:.{decimals}f}" for value in values)
    return f"{median} ({low}-{high})"


def percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")


def held_out_short() -> str:
    """Five rows for the README: medians, and how often the own volume is closer than the control."""
    found = figures("held_out")
    measures = ("edge_mm", "f1", "ssim", "psnr_db")

    def cells(row: str, title: str) -> list[str]:
        medians = [f"{found[row][name][0]:.{MEASURES[name][1]}f}" for name in measures]
        share = found[row].get("own_closer_share") if row != "autoencoder alone" else None
        return [title, *medians, percent(share["edge_mm"]) if share else ""]

    heading = ["", *(MEASURES[name][0] for name in measures), "own volume closer"]
    return table(heading, (cells(row, title) for row, title in SHORT_ROWS.items()))


def held_out() -> str:
    """All rows with quartiles."""
    found = figures("held_out")

    def cells(row: str, title: str) -> list[str]:
        values = [spread(found[row][name], decimals) for name, (_, decimals) in MEASURES.items()]
        share = found[row].get("own_closer_share") if row not in ("autoencoder alone", "neighbouring slice") else None
        closer = " / ".join(percent(share[name]) for name in ("edge_mm", "f1", "ssim", "psnr_db")) if share else ""
        return [title, *values, closer]

    heading = ["", *(title for title, _ in MEASURES.values()), "own closer: edges / F1 / SSIM / PSNR"]
    return table(heading, (cells(row, title) for row, title in ROWS.items()))


def joint_band() -> str:
    """Correlations of the height of the bright band between the bones."""
    found = figures("held_out")["joint_band_correlation"]
    columns = [f"{first} radiograph with true volume" for first in ("own", "other")]
    columns += [f"{first} with simulated joint space" for first in ("own radiograph", "true volume")]
    rows = ([side, *(f"{values[column]:.2f}" for column in columns)] for side, values in found.items())
    return table(["compartment", *columns], rows)


def _reprojection(found: Mapping[str, Any]) -> str:
    titles = {
        "joint_line, as placed": "joint line, as placed",
        "outline, as placed": "sides, as placed",
        "joint_line, after fit": "joint line, after fit",
        "outline, after fit": "sides, after fit",
    }
    counted = all("measured" in found[part] for part in titles)
    rows = []
    for part, title in titles.items():
        values = found[part]
        measured = [str(values["measured"])] if counted else []
        distances = [spread(values[name], 2) for name in ("own_mm", "other_mm")]
        shares = [percent(values[name]) for name in ("own_ranks_first", "own_closer_than_median_other")]
        rows.append([title, *measured, *distances, f"{values['auc']:.2f}", *shares])
    heading = ["", *(["measured"] if counted else []), "own radiograph", "other radiographs", "AUC", "first"]
    return table([*heading, "own closer than the median other"], rows)


def speed() -> str:
    rows = ([row["what"], row["result"], row["wanted"]] for row in figures("speed"))
    return table(["measurement", "result", "wanted"], rows)


def anatomy_sizes() -> str:
    """Sizes of drawn knees beside published ones."""
    heading = ("size", "drawn, mean ± SD", "knees", "published, mean ± SD")
    rows = [(row["what"], row["drawn"], row["knees"], row["published"]) for row in figures("anatomy_sizes")]
    return table(heading, rows)


def image_template_figures() -> str:
    """How many figures of held-out knees lie in the ranges of scans, and each of them."""
    found = figures("image_template_figures")
    count = found["in range"]
    templates = "; ".join(f"`{name}` {', '.join(map(str, c))}" for name, c in found["by template"].items())
    heading = ("figure", "two real scans, widened", "median", "10th to 90th percentile", "knees in range")
    rows = [
        (row["figure"], f"{row['low']:g} to {row['high']:g}", f"{row['median']:g}", f"{row['p10']:g} to {row['p90']:g}",
         percent(row["share in range"]))
        for row in found["rows"]
    ]  # fmt: skip
    text = (
        f"In range are {count['median']:g} of {len(rows)} in the median knee, {count['lowest']} to {count['highest']}."
    )
    return f"{text} By template: {templates}.\n\n{table(heading, rows)}"


def steps() -> str:
    """The held-out knees at several numbers of denoising steps."""

    def cells(name: str, found: Mapping[str, Any]) -> list[str]:
        medians = [f"{found['own'][m][0]:.2f}" for m in ("edge_mm", "f1", "ssim", "psnr_db")]
        fine, lag = found["fine_detail"], found["correlation_by_lag"]
        band = found["joint_band_correlation"]
        return [
            name, *medians, f"{fine['generated over true'][0]:.2f}", f"{fine['neighbouring slices, generated']:.2f}",
            f"{lag['generated'][0]:.2f}",
            " / ".join(f"{band[side]['own radiograph with true volume']:.2f}" for side in ("medial", "lateral")),
            percent(found["other radiograph"]["own_closer_share"]["edge_mm"]),
        ]  # fmt: skip

    heading = ["steps", *(MEASURES[m][0] for m in ("edge_mm", "f1", "ssim", "psnr_db")), "fine detail over true"]
    heading += ["fine detail of neighbours alike", "neighbours alike", "joint band r, medial / lateral", "own closer"]
    return table(heading, (cells(name, found) for name, found in figures("held_out_by_steps").items()))


def early_osteoarthritis() -> str:
    """KL-2 against KL-0 by Siamese-GAP and its controls, on the test split and in another collection."""
    found = figures("early_osteoarthritis")
    elsewhere = found["external"]
    names = {
        "siamese_gap": "**Siamese-GAP as it ships**",
        "grade_classifier": "the shipped grade classifier, its KL-2 against its KL-0",
        "crop_32": "logistic regression on the crop at 32 x 32 pixels",
        "histogram": "logistic regression on the intensity histogram",
    }
    rows = []
    for name, words in names.items():
        row = [words]
        for part in (found[name], elsewhere.get(name)):
            if part is None:
                row += ["", ""]
                continue
            low, high = part["auc_interval"]
            row += [f"{100 * part['accuracy']:.1f} %", f"{part['auc']:.3f} ({low:.3f}-{high:.3f})"]
        rows.append(row)
    counts = [part["radiographs"] for part in (found, elsewhere)]
    heading = [""]
    for where, count in zip(("test split", "another collection"), counts, strict=True):
        heading += [f"accuracy, {where} ({count['all']:,} knees)", f"area under the ROC curve, {where}"]
    return table(heading, rows)


def features() -> str:
    """What the volume keeps of the radiograph: r and bias of each feature."""
    columns = ("volume and truth", "volume and radiograph", "shown: radiograph and truth")
    rows = []
    for name, found in figures("radiograph_features").items():
        pairs = [f"{found[column]['r']:.2f} ({found[column]['bias']:+.1f})" for column in columns]
        mean, deviation = found["true mean and SD"]
        rows.append([name, f"{mean:.1f} ± {deviation:.1f}", *pairs])
    return table(["feature", "true, mean ± SD", *(f"{column}: r (bias)" for column in columns)], rows)


def look() -> str:
    """How many figures of generated volumes lie in the ranges of scans, and each of them."""
    found = figures("generated_look")
    count = found["in_range"]
    rows = []
    for name, figure in found["figures"].items():
        low, high = figure["range"]
        first, median, last = (f"{value:.3g}" for value in figure["quartiles"])
        rows.append([name, f"{low:g} to {high:g}", median, f"{first} to {last}", percent(figure["share_in_range"])])
    heading = ("figure", "two real scans, widened", "median", "quartiles", "volumes in range")
    text = f"In range are {count['median']:g} of {len(rows)} in the median volume, {count['lowest']} to"
    return f"{text} {count['highest']}.\n\n{table(heading, rows)}"


def narrower() -> str:
    """The U-Net of the shipped model and one of half the channels in its place."""
    rows = [
        [name, f"{row['weights']:,}", *(f"{row[part]:.2f}" for part in ("total", "unet", "decoder", "rest"))]
        for name, row in figures("narrower_network").items()
    ]
    return table(("U-Net", "weights", "whole volume, s", "U-Net, s", "decoder, s", "rest, s"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "held out short": held_out_short,
    "held out": held_out,
    "joint band": joint_band,
    "steps": steps,
    "reprojection true": lambda: _reprojection(figures("reprojection")["true volumes"]),
    "reprojection generated": lambda: _reprojection(figures("reprojection")["generated, all radiographs"]),
    "features": features,
    "look": look,
    "what if": lambda: _headed(what_if_rows(figures("what_if_grade"))),
    "narrow joints": lambda: _headed(narrow_joint_rows(figures("narrow_joints"))),
    "speed": speed,
    "narrower": narrower,
    "anatomy sizes": anatomy_sizes,
    "image template figures": image_template_figures,
    "early osteoarthritis": early_osteoarthritis,
}


def _headed(rows: Iterable[Sequence[str]]) -> str:
    heading, *others = rows
    return table(heading, others)


def filled(text: str) -> str:
    """A page with its tables made anew."""
    return BLOCK.sub(lambda found: f"{found[1]}{TABLES[found[2]]()}{found[3]}", text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit code 1 when a table differs")
    options = parser.parse_args()
    differing = []
    for name in PAGES:
        page = ROOT / name
        before = page.read_text(encoding="utf-8")
        after = filled(before)
        if after != before:
            differing.append(name)
            if not options.check:
                page.write_text(after, encoding="utf-8")
    verb = "differs from docs/results" if options.check else "filled"
    for name in differing:
        print(f"{name}: {verb}")
    return 1 if differing and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
