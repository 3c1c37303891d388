"""Outlines of real radiographs for Resources/other_films: positions in mm, no picture.

python Testing/benchmarks/make_reference_outlines.py FOLDER-OF-GORNALE-FILMS
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from reprojection_radiographs import other_people

ROOT = Path(__file__).resolve().parents[2]
LEAST_SHARE = 0.85


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("radiographs", type=Path, help="folder with index.csv and WebP files")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "Resources/other_films/outlines.json")
    arguments = parser.parse_args()

    from Xray2MRILib.generation.prepared_knee import prepare_knee
    from Xray2MRILib.generation.settings import GenerationSettings
    from Xray2MRILib.radiograph.reading import read_radiograph
    from Xray2MRILib.reprojection.knee_outline import JOINT_LINE, SIDES
    from Xray2MRILib.reprojection.radiograph_outline import radiograph_outline

    kept, count = [], [0] * 5
    for radiograph in other_people(arguments.radiographs, per_grade=6):
        knee = prepare_knee(read_radiograph(radiograph.path), GenerationSettings())
        outline = radiograph_outline(knee.prepared.image[0])
        share = min(outline.share(SIDES), outline.share(JOINT_LINE))
        if count[radiograph.grade] < 4 and share >= LEAST_SHARE and knee.plausibility.plausible:
            count[radiograph.grade] += 1
            kept.append({"number": radiograph.path.stem, "kl_grade": radiograph.grade, "curves": outline.as_lists()})
        print(radiograph.path.name, radiograph.grade, f"{share:.2f}", flush=True)
    record = {
        "source": "S. Gornale, P. Patravali, Digital Knee X-ray Images, Mendeley Data V1 (2020)",
        "doi": "10.17632/t9ndx37v5h.1",
        "licence": "CC BY 4.0",
        "changes": "Outlines found by Xray2MRILib.reprojection.radiograph_outline; [x, z] in mm, right-knee space.",
        "films": kept,
    }
    one_radiograph_a_line = json.dumps(record, separators=(",", ":")).replace('{"number"', '\n{"number"')
    arguments.output.write_text(one_radiograph_a_line + "\n", encoding="utf-8")
    print(count, arguments.output.stat().st_size)


if __name__ == "__main__":
    main()
