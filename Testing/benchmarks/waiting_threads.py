"""What passive waiting of OpenMP's threads costs or saves: whole processes in pairs, on an idle and on a busy machine.

    python Testing/benchmarks/waiting_threads.py --pairs 5 -o waiting.json

Each pair runs ``xray2mri generate`` twice, in alternating order: with the library's own waiting (threads spin for some
milliseconds) and with the passive waiting that the command sets. On the busy machine as many other processes compute
as there are processors. The figures are medians over the pairs, and ratios within them; other programs on the machine
add to both sides. Needs a torch with GNU's OpenMP, as on Linux.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from result_file import write_result

ROOT = Path(__file__).resolve().parents[2]
WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_NUM_THREADS")
# GNU's library does not know the name, and the command leaves a choice of the user alone
SPINNING = {"KMP_BLOCKTIME": "200"}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--slices", type=int, default=20)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--radiograph", type=Path, default=ROOT / "Resources/samples/knee_single.webp")
    parser.add_argument("-o", "--output", type=Path, help="JSON file to write as well")
    options = parser.parse_args()
    figures = {"load_average_before": round(os.getloadavg()[0], 2), "processors": os.cpu_count()}
    print("| machine | waiting | wall s | processor s |\n|---|---|---|---|")
    for name, others in (("idle", 0), ("busy", os.cpu_count() or 1)):
        measured = measure(options, others)
        for kind, runs in measured.items():
            wall, used = (statistics.median(values) for values in zip(*runs, strict=True))
            figures[f"{name}_{kind}"] = {"wall_s": round(wall, 2), "processor_s": round(used, 2)}
            print(f"| {name} | {kind} | {wall:.1f} | {used:.1f} |", flush=True)
        pairs = list(zip(measured["spinning"], measured["passive"], strict=True))
        ratios = [
            statistics.median(passive[place] / spinning[place] for spinning, passive in pairs) for place in (0, 1)
        ]
        figures[f"{name}_ratio"] = {"wall": round(ratios[0], 3), "processor": round(ratios[1], 3)}
        print(f"| {name} | passive / spinning | {ratios[0]:.2f} | {ratios[1]:.2f} |", flush=True)
    if options.output is not None:
        settings = {"pairs": options.pairs, "slices": options.slices, "steps": options.steps,
                    "machine": platform.machine(), "device": "cpu"}  # fmt: skip
        write_result(options.output, command="python Testing/benchmarks/waiting_threads.py", settings=settings,
                     figures=figures)  # fmt: skip


def measure(options: argparse.Namespace, others: int) -> dict[str, list[tuple[float, float]]]:
    """Kind of waiting -> wall and processor seconds of each run, while so many other processes compute."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(others)]
    found: dict[str, list[tuple[float, float]]] = {"spinning": [], "passive": []}
    try:
        for pair in range(options.pairs):
            order = ["spinning", "passive"]
            for kind in order if pair % 2 == 0 else order[::-1]:
                found[kind].append(one_run(options, SPINNING if kind == "spinning" else {}))
    finally:
        for process in busy:
            process.kill()
            process.wait()
    return found


def one_run(options: argparse.Namespace, chosen: dict[str, str]) -> tuple[float, float]:
    """Wall and processor seconds of one whole command."""
    environment = {name: value for name, value in os.environ.items() if name not in WAITING}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "Xray2MRILib", "generate", str(options.radiograph), "-o", f"{folder}/v.nrrd",
                   "--slices", str(options.slices), "--steps", str(options.steps), "--device", "cpu"]  # fmt: skip
        began, used = time.monotonic(), _children_s()
        subprocess.run(command, check=True, env={**environment, **chosen, "PYTHONPATH": str(ROOT)},
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        return time.monotonic() - began, _children_s() - used


def _children_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
