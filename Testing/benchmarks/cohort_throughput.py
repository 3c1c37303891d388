"""Radiographs an hour of a cohort against a shell loop over ``generate``, and the memory of a long cohort.

    python Testing/benchmarks/cohort_throughput.py --radiographs 4 -o docs/results/cohort_throughput.json
    python Testing/benchmarks/cohort_throughput.py --memory 500 --only-memory

Both ways make the same volumes of the same radiographs, in turn, in one run on one machine; the ratio counts, since the
machine may have other work. The processor time of all processes is less disturbed by it than the clock. The shell loop
starts ``xray2mri generate`` for one radiograph after another. ``--memory N`` makes N volumes of two slices with a model
of a few ten thousand parameters and reads how much memory the run and its worker hold after every tenth part.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from cohort_kills import tiny_model
from result_file import write_result

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "Testing" / "material")]
STAGES = ("read", "localise", "prepare", "volume", "reproject", "write")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--radiographs", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--slices", type=int, default=50)
    parser.add_argument("--steps", type=int, help="denoising steps; default: the model's")
    parser.add_argument("--workers", type=int, help="workers of the cohort; default: its own choice")
    parser.add_argument("--memory", type=int, metavar="N", help="also watch the memory over N radiographs")
    parser.add_argument("--only-memory", action="store_true")
    parser.add_argument("-o", "--output", type=Path, metavar="RESULT.json")
    options = parser.parse_args()
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        if not options.only_memory:
            figures |= compare_with_loop(home, options)
        if options.memory:
            figures["memory"] = watch_memory(home, options.memory)
    for name, value in figures.items():
        print(f"{name}: {value}")
    if options.output is not None:
        write_result(
            options.output,
            command=f"python Testing/benchmarks/cohort_throughput.py {' '.join(sys.argv[1:])}",
            settings={"slices": 2, "steps": 1, "preset": "tiny", "device": "cpu", "cores": cores()}
            if options.only_memory
            else {"slices": options.slices, "steps": options.steps, "device": "cpu", "cores": cores()},
            figures=figures,
        )


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0))


def compare_with_loop(home: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds and processor seconds of both ways, and the stages of the cohort."""
    from cohort_files import manifest_lines, varied_radiographs

    radiographs = varied_radiographs(home / "radiographs", options.radiographs)
    chosen = ["--slices", str(options.slices), "--device", "cpu"]
    chosen += [] if options.steps is None else ["--steps", str(options.steps)]
    workers = [] if options.workers is None else ["--workers", str(options.workers)]
    loops, cohorts, stages = [], [], []
    for number in range(options.rounds):
        loops.append(timed(
            *(["generate", str(path), "-o", str(home / f"{path.stem}.nrrd"), *chosen] for path in radiographs)
        ))  # fmt: skip
        out = home / f"cohort{number}"
        cohorts.append(timed(["cohort", str(home / "radiographs"), "-o", str(out), *chosen, *workers]))
        stages += [line["timings_s"] for line in manifest_lines(out)]
    clock = [loop[0] / cohort[0] for loop, cohort in zip(loops, cohorts, strict=True)]
    processor = [loop[1] / cohort[1] for loop, cohort in zip(loops, cohorts, strict=True)]
    return {
        "radiographs": options.radiographs,
        "loop_s": [round(loop[0], 1) for loop in loops],
        "cohort_s": [round(cohort[0], 1) for cohort in cohorts],
        "loop_processor_s": [round(loop[1], 1) for loop in loops],
        "cohort_processor_s": [round(cohort[1], 1) for cohort in cohorts],
        "ratio_by_clock": round(statistics.median(clock), 2),
        "ratio_by_processor": round(statistics.median(processor), 2),
        "load": round(os.getloadavg()[0], 1),
        "stages_s": {name: round(statistics.median(entry.get(name, 0.0) for entry in stages), 2) for name in STAGES},
    }


def timed(*calls: list[str]) -> tuple[float, float]:
    """Seconds by the clock, and processor seconds of all processes, of calls of the command one after another."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    for arguments in calls:
        subprocess.run(
            [sys.executable, "-m", "Xray2MRILib", *arguments], env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - began, spent


def watch_memory(home: Path, count: int) -> dict[str, Any]:
    """Resident memory in MB of run and worker, each tenth of the way."""
    from cohort_files import children_of, manifest_lines, varied_radiographs

    radiographs, out = home / "many", home / "many_out"
    varied_radiographs(radiographs, count)
    process = subprocess.Popen(
        [sys.executable, "-m", "Xray2MRILib", "cohort", str(radiographs), "-o", str(out), "--slices", "2", "--steps",
         "1", "--device", "cpu", "--model", str(tiny_model(home / "tiny"))],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    seen: dict[int, tuple[int, int]] = {}
    while process.poll() is None:
        time.sleep(0.5)
        done = len(manifest_lines(out))
        tenth = done * 10 // count
        workers = children_of(process.pid)
        if done and workers and tenth not in seen:
            seen[tenth] = (resident_mb(process.pid), sum(resident_mb(pid) for pid in workers))
            print(f"{done} of {count}: {seen[tenth]} MB", file=sys.stderr, flush=True)
    return {
        "radiographs": count,
        "exit_code": process.returncode,
        "run_mb": [run for run, _ in seen.values()],
        "worker_mb": [worker for _, worker in seen.values()],
    }


def resident_mb(pid: int) -> int:
    """Resident memory of a process in MB; 0 when it is gone."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmRSS:"):
                return round(int(line.split()[1]) / 1024)
    except OSError:
        pass
    return 0


if __name__ == "__main__":
    main()
