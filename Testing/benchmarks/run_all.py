"""Speed and memory in one run, as a Markdown table: ``make bench``.

``-o docs/results/speed.json`` keeps the table as JSON, from which fill_result_tables.py fills the docs. Ratios compare
two things measured in the same run on the same machine; seconds belong to the machine that is named.
"""

from __future__ import annotations

import argparse
import platform
from dataclasses import asdict
from pathlib import Path

from measurement import Bench, Measurement
from measurements_of_command import help_time, peak_memory, time_to_first_line
from measurements_of_volume import densify_cost, first_slice, volume_time
from result_file import write_result

ROOT = Path(__file__).resolve().parents[2]
MEASUREMENTS = (help_time, time_to_first_line, volume_time, first_slice, densify_cost, peak_memory)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--radiograph", type=Path, default=ROOT / "Resources/samples/knee_single.webp")
    parser.add_argument("--model", default="compact")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--slices", type=int, default=50)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--only", choices=[measure.__name__ for measure in MEASUREMENTS], nargs="*")
    parser.add_argument("-o", "--output", type=Path, help="JSON file to write as well")
    options = parser.parse_args()
    bench = Bench(options.radiograph, options.model, options.device, options.slices, options.steps)

    host = machine(options.device)
    print(f"Machine: {host}.\n\n| measurement | result | wanted |\n|---|---|---|", flush=True)
    rows: list[Measurement] = []
    for measure in MEASUREMENTS:
        if not options.only or measure.__name__ in options.only:
            for row in measure(bench):
                print(_line(row), flush=True)
                rows.append(row)
    if options.output:
        write_result(
            options.output,
            command="make bench",
            settings={"machine": host, "slices": options.slices, "steps": options.steps},
            figures=[asdict(row) for row in rows],
            weights=bench.pipeline.weights_sha256,
        )


def machine(device: str) -> str:
    """Processor, threads, operating system and versions."""
    import torch

    from Xray2MRILib.device import choose_device, describe_device

    name = describe_device(choose_device(device))
    return f"{name}, {platform.system()}, Python {platform.python_version()}, torch {torch.__version__}"


def _line(row: Measurement) -> str:
    return f"| {row.what} | {row.result} | {row.wanted} |"


if __name__ == "__main__":
    main()
