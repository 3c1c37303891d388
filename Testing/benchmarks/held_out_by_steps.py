"""Put results of held_out_knees.py at several numbers of denoising steps into one file.

    for n in 1 2 4 8 20; do
        python Testing/benchmarks/held_out_knees.py --pairs HELD-OUT --training PAIRS --steps $n -o steps-$n.json
    done
    python Testing/benchmarks/held_out_by_steps.py steps-*.json -o docs/results/held_out_by_steps.json

A name may be given with a file, as in ``"4, even in angle"=FILE``; otherwise it is the number of steps.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from result_file import write_result

PARTS = ("own", "other radiograph", "fine_detail", "correlation_by_lag", "joint_band_correlation")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", nargs="+", metavar="[NAME=]FILE")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    found = []
    for given in arguments.results:
        name, _, path = given.rpartition("=")
        record = json.loads(Path(path).read_text(encoding="utf-8"))
        found.append((record["settings"]["steps"], name, record))
    found.sort(key=lambda row: row[:2])
    settings = {k: v for k, v in found[0][2]["settings"].items() if k != "steps"}
    write_result(
        arguments.output,
        command="python Testing/benchmarks/held_out_by_steps.py FILE ... -o docs/results/held_out_by_steps.json",
        settings=settings,
        figures={
            name or str(steps): {part: record["figures"][part] for part in PARTS} for steps, name, record in found
        },
        weights=found[0][2]["weights_sha256"],
    )


if __name__ == "__main__":
    main()
