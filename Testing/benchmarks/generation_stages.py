"""Where the time of one volume goes, cold and warm, and how that compares with an earlier checkout.

    python Testing/benchmarks/generation_stages.py
    python Testing/benchmarks/generation_stages.py --before OTHER_CHECKOUT -o docs/results/generation_stages.json

Each round starts a process of every checkout in turn. It generates the volume twice: *cold* with all imports and
loading, *warm* once more in the same process. Seconds are those of the clock, processor seconds those of the whole
process; medians over the rounds. ``ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2`` before the command holds
PyTorch to AVX2. Ratios compare the two checkouts in the same run. ``--steps 20`` gives both the same
number of steps; otherwise each takes its model's own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from result_file import write_result

ROOT = Path(__file__).resolve().parents[2]
CHILD = """
import json, resource, sys, time
started, used = time.perf_counter(), time.process_time()
from dataclasses import replace
from Xray2MRILib.generation.settings import GenerationSettings
from Xray2MRILib.generation.pipeline_cache import PipelineCache
from Xray2MRILib.generation.volume_from_radiograph import generate
radiograph, output, slices, steps = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
settings = GenerationSettings(num_slices=slices)
if steps:
    settings = replace(settings, sampling=replace(settings.sampling, num_inference_steps=steps))
found, pipelines = {}, PipelineCache()
for name in ("cold", "warm"):
    if name == "warm":
        started, used = time.perf_counter(), time.process_time()
    first = []
    result = generate(radiograph, output, settings, montage=output + ".png", pipelines=pipelines,
                      on_slice=lambda event: first.append(time.perf_counter() - started))
    found[name] = {"total": time.perf_counter() - started, "processor": time.process_time() - used,
                   "first slice": first[0]}
    found[name] |= {f"stage {stage}": seconds for stage, seconds in result.result["timings_s"].items()}
found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
found["modules"] = len(sys.modules)
print(json.dumps(found))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--radiograph", type=Path, default=ROOT / "Resources/samples/knee_single.webp")
    parser.add_argument("--before", type=Path, help="an earlier checkout of the project")
    parser.add_argument("--slices", type=int, default=50)
    parser.add_argument("--steps", type=int, default=0, help="denoising steps; 0 for the model's own")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    checkouts = {"now": ROOT} | ({"before": arguments.before.resolve()} if arguments.before else {})
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in checkouts}
    for _ in range(arguments.rounds):
        for name, checkout in checkouts.items():
            runs[name].append(run(checkout, arguments.radiograph.resolve(), arguments.slices, arguments.steps))
    figures: dict[str, Any] = {name: medians(found) for name, found in runs.items()}
    if arguments.before:
        figures["now over before"] = {
            state: {
                key: round(figures["now"][state][key] / figures["before"][state][key], 2)
                for key in ("total", "processor", "first slice")
            }
            for state in ("cold", "warm")
        } | {"peak_mb": round(figures["now"]["peak_mb"] / figures["before"]["peak_mb"], 2)}
    print(json.dumps(figures, indent=1))
    if arguments.output:
        command = "python Testing/benchmarks/generation_stages.py --before EARLIER_CHECKOUT -o FILE"
        settings = {
            "slices": arguments.slices,
            "steps": arguments.steps or "the model's own",
            "rounds": arguments.rounds,
            "held_to": os.environ.get("ONEDNN_MAX_CPU_ISA", "all instructions of the processor"),
        }
        write_result(arguments.output, command=command, settings=settings, figures=figures)


def run(checkout: Path, radiograph: Path, slices: int, steps: int) -> dict[str, Any]:
    """What one process of a checkout measures."""
    with tempfile.TemporaryDirectory() as folder:
        output = str(Path(folder) / "knee.nrrd")
        done = subprocess.run(
            [sys.executable, "-c", CHILD, str(radiograph), output, str(slices), str(steps)],
            cwd=checkout, env=os.environ | {"PYTHONPATH": str(checkout)}, capture_output=True, text=True, check=True,
        )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def medians(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians over the runs, in seconds and MB."""
    states = {
        state: {key: round(median(run[state].get(key, 0.0) for run in found), 3) for key in found[0][state]}
        for state in ("cold", "warm")
    }
    return states | {key: round(median(run[key] for run in found)) for key in ("peak_mb", "modules")}


if __name__ == "__main__":
    main()
