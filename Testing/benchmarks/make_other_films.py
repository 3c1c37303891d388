"""Outlines of real films for Resources/other_films: positions in mm, no picture.

python Testing/benchmarks/make_other_films.py FOLDER-OF-GORNALE-FILMS
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from reprojection_films import other_people

ROOT = Path(__file__).resolve().parents[2]
LEAST_SHARE = 0.85


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("films", type=Path, help="folder with index.csv and WebP files")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "Resources/other_films/outlines.json")
    arguments = parser.parse_args()

    from Xray2MRILib.generation_settings import GenerationSettings
    from Xray2MRILib.prepared_knee import prepare_knee
    from Xray2MRILib.radiograph.reading import read_radiograph
    from Xray2MRILib.reprojection.film_outline import film_outline
    from Xray2MRILib.reprojection.knee_outline import JOINT_LINE, SIDES

    kept, count = [], [0] * 5
    for film in other_people(arguments.films, per_grade=6):
        knee = prepare_knee(read_radiograph(film.path), GenerationSettings())
        outline = film_outline(knee.prepared.image[0])
        share = min(outline.share(SIDES), outline.share(JOINT_LINE))
        if count[film.grade] < 4 and share >= LEAST_SHARE and knee.plausibility.plausible:
            count[film.grade] += 1
            kept.append({"number": film.path.stem, "kl_grade": film.grade, "curves": outline.as_lists()})
        print(film.path.name, film.grade, f"{share:.2f}", flush=True)
    record = {
        "source": "S. Gornale, P. Patravali, Digital Knee X-ray Images, Mendeley Data V1 (2020)",
        "doi": "10.17632/t9ndx37v5h.1",
        "licence": "CC BY 4.0",
        "changes": "Outlines found by Xray2MRILib.reprojection.film_outline; [x, z] in mm, right-knee space.",
        "films": kept,
    }
    one_film_a_line = json.dumps(record, separators=(",", ":")).replace('{"number"', '\n{"number"')
    arguments.output.write_text(one_film_a_line + "\n", encoding="utf-8")
    print(count, arguments.output.stat().st_size)


if __name__ == "__main__":
    main()
