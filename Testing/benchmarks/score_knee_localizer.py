"""Score the knee detector on annotated held-out radiographs: ``python score_knee_localizer.py FILMS [MODEL]`` prints
JSON.

FILMS is the folder of "Digital Knee X-ray Images" (doi 10.17632/t9ndx37v5h.1) with index.csv; the boxes are those of
Testing/localization/knee_boxes.json. Radiographs without boxes are only counted by the number of knees found.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from pathlib import Path

import numpy as np

from Xray2MRILib.localization.knee_box import KneeBox
from Xray2MRILib.localization.localize import localize_knees
from Xray2MRILib.training.data.box_annotations import read_grey, score_boxes

BOXES = Path(__file__).parents[1] / "localization" / "knee_boxes.json"


def score(folder: Path, model: Path | None = None) -> dict:
    """Precision, recall, mean IoU, centre error per kind of radiograph; knees found on all radiographs; milliseconds
    per radiograph."""
    found, seconds, counts = {}, [], {"bilateral": {}, "single": {}}
    with (folder / "index.csv").open(newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    for row in rows:
        pixels = read_grey(folder / row["file"]).astype(np.float32)
        started = time.perf_counter()
        found[row["file"]] = localize_knees(pixels, model)
        seconds.append(time.perf_counter() - started)
        knees = len(found[row["file"]])
        counts[row["kind"]][knees] = counts[row["kind"]].get(knees, 0) + 1
    report = {"knees_found_on_all_films": counts, "milliseconds_per_film": 1000 * float(np.median(seconds))}
    radiographs = json.loads(BOXES.read_text(encoding="utf-8"))["films"]
    for kind in counts:
        chosen = [
            radiograph for radiograph in radiographs if radiograph["kind"] == kind and radiograph["split"] == "held_out"
        ]
        truth = [[KneeBox(*knee["box"], 1.0) for knee in radiograph["knees"]] for radiograph in chosen]
        boxes = [found[radiograph["file"]] for radiograph in chosen]
        report[kind] = {f"iou_{overlap}": score_boxes(boxes, truth, overlap) for overlap in (0.5, 0.75)}
        report[kind]["films"] = len(chosen)
    return report


if __name__ == "__main__":
    print(json.dumps(score(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None), indent=2))
