"""Kill the runs of a cohort and their workers at random moments, and compare the last table with an undisturbed one.

    python Testing/benchmarks/cohort_kills.py --kills 200 -o docs/results/cohort_kills.json

Linux only. The model has a few ten thousand parameters (preset tiny). Half of the kills end the run, which is then
started again; the others end its worker. A moment is drawn between the start and a few seconds after it, so that kills
fall into the start, into reading, into the model and into writing. A run that comes to its end loses a quarter of its
volumes, so that there is work for the next one. When all kills are over, one last run finishes the work. Its table must
equal that of the undisturbed run, byte for byte but for the seconds; no radiograph may be lost, no file half-written.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from result_file import write_result

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "Testing" / "material")]
SETTINGS = {"slices": 2, "steps": 1, "device": "cpu"}


def main() -> int:
    """Kill, finish, compare. Returns 1 when the tables differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--radiographs", type=int, default=60)
    parser.add_argument("--longest", type=float, default=8.0, metavar="SECONDS", help="longest time before a kill")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, metavar="RESULT.json")
    options = parser.parse_args()
    from cohort_files import done_keys, manifest_lines, read_table, varied_radiographs, without_times

    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        model = tiny_model(home / "tiny")
        radiographs = home / "radiographs"
        varied_radiographs(radiographs, options.radiographs)
        (radiographs / "torn.png").write_bytes((radiographs / "radiograph_000.png").read_bytes()[:3000])
        run(radiographs, home / "undisturbed", model).wait()
        expected = without_times(home / "undisturbed")
        out, chance = home / "out", random.Random(options.seed)
        killed = kill_often(radiographs, out, model, options.kills, options.longest, chance)
        before = len(done_keys(out))
        code = run(radiographs, out, model, "--retries", "5").wait()
        keys = done_keys(out)
        figures: dict[str, Any] = {
            "kills": options.kills,
            **killed,
            "radiographs": options.radiographs + 1,
            "volumes_before_the_last_run": before,
            "exit_code": code,
            "same_table": without_times(out) == expected,
            "lost": sum(row["state"] not in ("done", "refused") for row in read_table(out)),
            "made_twice": len(keys) - len(set(keys)) - killed["volumes_taken_away"],
            "attempts_cut_short": sum(line.get("error_code") == "worker-died" for line in manifest_lines(out)),
            "temporary_files_left": len(list((out / "volumes").rglob(".xray2mri-*"))),
            "leases_left": len(list((out / "leases").glob("*.lease"))),
        }
    for name, value in figures.items():
        print(f"{name}: {value}")
    if options.output is not None:
        write_result(
            options.output,
            command="python Testing/benchmarks/cohort_kills.py "
            f"--kills {options.kills} --longest {options.longest:g} -o docs/results/cohort_kills.json",
            settings={**SETTINGS, "preset": "tiny", "longest_s": options.longest, "seed": options.seed},
            figures=figures,
        )
    return 0 if figures["same_table"] and not figures["lost"] else 1


def tiny_model(folder: Path) -> Path:
    """A model of the preset tiny, not trained."""
    import torch

    from Xray2MRILib.generation.pipeline import Xray2MRIPipeline
    from Xray2MRILib.model_store.assembly import build_components

    torch.manual_seed(0)
    Xray2MRIPipeline(**build_components("tiny")).save_pretrained(folder, card={"preset": "tiny"})
    return folder


def run(source: Path, out: Path, model: Path, *options: str) -> subprocess.Popen[bytes]:
    """``xray2mri cohort`` as a process."""
    chosen = [word for name, value in SETTINGS.items() for word in (f"--{name}", str(value))]
    command = [
        sys.executable,
        "-m",
        "Xray2MRILib",
        "cohort",
        str(source),
        "-o",
        str(out),
        "--model",
        str(model),
        *chosen,
    ]
    return subprocess.Popen(
        [*command, *options], env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def kill_often(
    source: Path, out: Path, model: Path, kills: int, longest_s: float, chance: random.Random
) -> dict[str, int]:
    """Kill so often; returns what was killed, and in how many cases a volume was under way."""
    from cohort_files import children_of, kill_one

    found = {"of_the_run": 0, "of_a_worker": 0, "with_volumes_under_way": 0, "volumes_taken_away": 0}
    process: subprocess.Popen[bytes] | None = None
    while found["of_the_run"] + found["of_a_worker"] < kills:
        if process is None or process.poll() is not None:
            if process is not None and process.returncode == 0:
                volumes = sorted((out / "volumes").rglob("*.json"))
                taken = chance.sample(volumes, max(1, len(volumes) // 4))
                for path in taken:
                    path.unlink()
                found["volumes_taken_away"] += len(taken)
            process = run(source, out, model, "--retries", "20")
        time.sleep(chance.uniform(0.0, longest_s))
        under_way = process.poll() is None and holds_leases(out, process.pid)
        workers = children_of(process.pid)
        if chance.random() < 0.5 and workers:
            kill_one(workers, chance.randrange(len(workers)))
            found["of_a_worker"] += 1
        elif process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
            process = None
            found["of_the_run"] += 1
        else:
            continue
        found["with_volumes_under_way"] += under_way
        print(found, file=sys.stderr, flush=True)
    if process is not None and process.poll() is None:
        process.kill()
        process.wait()
    return found


def holds_leases(out: Path, pid: int) -> bool:
    """Whether a run has radiographs in hand."""
    for path in (out / "leases").glob("*.lease"):
        try:
            if json.loads(path.read_text(encoding="utf-8"))["pid"] == pid:
                return True
        except (OSError, ValueError):
            continue
    return False


if __name__ == "__main__":
    sys.exit(main())
