"""Kill the worker at random moments of a run and see whether the module is usable again: in what time, with what scene.

    python Testing/benchmarks/worker_kills.py --kills 30

Needs slicer-core. After each kill three things must hold: the run has failed with one sentence, a new one is accepted,
and the scene holds the nodes that it held before. The last run of all goes through to its end.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
for folder in (ROOT, ROOT / "Xray2MRI", ROOT / "Testing" / "module" / "mrml"):
    sys.path.append(str(folder))
SETTINGS = {"slices": 30, "steps": 4, "device": "cpu"}
WANTED_S = 2.0


def main() -> int:
    """Kill, measure, print a table. Returns 1 when anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--latest", type=float, default=8.0, metavar="SECONDS", help="latest moment after the first report"
    )
    options = parser.parse_args()
    from core_application import CoreApplication
    from Xray2MRIModule.generation_logic import ModuleLogic

    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        logic = ModuleLogic(CoreApplication(Path(folder)))
        film = logic.application.loadVolume(str(ROOT / "Resources/samples/knee_single.webp"), "Film")
        before = _nodes(logic)
        waits, broken, moments = [], 0, []
        for _ in range(options.kills):
            moment = chance.uniform(0.0, options.latest)
            waited, stage = kill_once(logic, film, moment)
            if _nodes(logic) != before:
                broken += 1
            waits.append(waited)
            moments.append(stage)
        last = logic.generate(film, {**SETTINGS, "slices": 3}).wait(600)
        left = _processes(logic)
        logic.close()
    stages = ", ".join(f"{stage} {moments.count(stage)}" for stage in sorted(set(moments)))
    print("| measurement | result | wanted |\n|---|---|---|")
    print(f"| kills of the worker, and the stage they fell into | {len(waits)}: {stages} | |")
    print(f"| longest time until the module was usable again | {max(waits):.2f} s | under {WANTED_S:g} s |")
    print(f"| scenes with a node too many or too few | {broken} | 0 |")
    print(f"| a run after all that | {last.state} | done |")
    return int(max(waits) > WANTED_S or broken > 0 or last.state != "done" or left > 1)


def kill_once(logic: Any, film: Any, moment: float) -> tuple[float, str]:
    """Start a run, kill its worker ``moment`` seconds after its first sign of life; how long until it had failed."""
    from Xray2MRIModule.process_runner import kill_process

    run = logic.generate(film, SETTINGS)
    _poll(logic, lambda: run.progress is not None or run.isOver)
    due = time.monotonic() + moment
    _poll(logic, lambda: time.monotonic() > due or run.isOver)
    stage = "after the end" if run.isOver else run.progress.stage
    killed = time.monotonic()
    kill_process(logic.workerPid)
    _poll(logic, lambda: run.isOver and not logic.isBusy and logic.workerState == "stopped")
    waited = time.monotonic() - killed
    if run.failure is None:
        # too late: the result was there, and what was killed an idle worker
        from Xray2MRIModule.generation_job import take_back

        take_back(logic.application, run)
    else:
        assert run.failure.code == "worker-died", run.failure
        assert "\n" not in run.failure.sentence()
    return waited, stage


def _poll(logic: Any, condition: Any, seconds: float = 300.0) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, logic.workerLog[-1000:]
        logic.poll()
        time.sleep(0.005)


def _nodes(logic: Any) -> set[str]:
    scene = logic.application.scene
    return {scene.GetNthNode(number).GetID() for number in range(scene.GetNumberOfNodes())}


def _processes(logic: Any) -> int:
    """Workers alive now; counted where the system tells."""
    if not Path("/proc").is_dir():
        return 1
    own = os.getpid()
    count = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            count += f"\nPPid:\t{own}\n" in status.read_text() and "State:\tZ" not in status.read_text()
        except OSError:
            continue
    return count


if __name__ == "__main__":
    sys.exit(main())
