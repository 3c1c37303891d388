"""Kill the worker at random moments of a run and see whether the panel is usable again: in what time, with what scene.

    python Testing/benchmarks/worker_kills.py --runner qprocess --kills 30

Needs slicer-core and PySide6. The panel is driven by clicks; ``--runner`` chooses the form of the process runner:
QProcess as in Slicer (through the adapter that behaves like Slicer's Qt binding) or a standard subprocess. Every sixth
kill falls into the start of the worker, the others to a random share of a run's progress. After each kill three things
must hold: the panel says so in one sentence and offers its button again, the scene holds the nodes that it held before,
and no node refers to one that is not there. The next run shows that a new one is accepted, the last one goes through to
its end. On a machine that has other work, the system takes its time to end a killed process: what passes after its end
is what the panel is to blame for.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("", "Testing/module/panel", "Testing/module/stand_ins", "Testing/material", "Xray2MRI")
sys.path[:0] = [str(ROOT / name) for name in FOLDERS]
RADIOGRAPH = ROOT / "Resources/samples/knee_single.webp"
WANTED_S = 2.0
PATIENCE_S = 600.0
START_OF_WORKER = "start of the worker"
BUTTON = "Generate pseudo-MRI"


@dataclass(frozen=True)
class Kill:
    """One kill: the ``stage`` it fell into, the seconds until the button was back, those of them after the process had
    ended, processor time of the panel, what was wrong with the scene."""

    stage: str
    waited_s: float
    after_death_s: float
    cpu_s: float
    faults: list[str]


def main() -> int:
    """Kill, measure, print a table. Returns 1 when anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runner", choices=("qprocess", "subprocess"), default="qprocess")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=Path, metavar="FOLDER", help="a smaller model than the shipped one")
    options = parser.parse_args()
    from PySide6.QtWidgets import QApplication

    QApplication([])
    from panel_desk import Desk, panel_logic, slicer_stand_ins

    chance = random.Random(options.seed)
    with slicer_stand_ins(), panel_logic(_runner(options.runner)) as logic:
        desk = Desk(logic, options.model)
        try:
            desk.panel.radiograph.loadFile(RADIOGRAPH)
            desk.until(lambda: desk.panel.prepared is not None, PATIENCE_S)
            desk.quick(30, 4)
            _generate(desk)  # views and layout come with the first volume
            before = nodes(desk.scene)
            kills = []
            for number in range(options.kills):
                share = None if number % 6 == 5 else chance.uniform(0.0, 1.0)
                kills.append(kill_once(desk, before, share, chance))
                print(f"{number + 1}: {kills[-1]}", file=sys.stderr, flush=True)
            _generate(desk)
            state = logic.runs[-1].state
        finally:
            desk.close()
    left = processes()
    print_table(kills, state, left)
    slow = max(kill.waited_s for kill in kills) > WANTED_S
    return int(slow or any(kill.faults for kill in kills) or state != "done" or left > 0)


def kill_once(desk: Any, before: set[str], share: float | None, chance: random.Random) -> Kill:
    """Start a run, kill its worker when it has come to ``share`` of its progress (None: while the worker starts)."""
    logic, ui = desk.logic, desk.ui
    if share is None:
        logic.jobs.stopWorker()
        desk.until(lambda: logic.jobs.workerState == "stopped", PATIENCE_S)
    ui.generateButton.click()
    run = logic.currentRun
    desk.until(lambda: logic.jobs.workerPid is not None, PATIENCE_S)
    due = time.monotonic() + chance.uniform(0.0, 0.5)
    if share is None:
        desk.until(lambda: time.monotonic() > due, PATIENCE_S)
    else:
        desk.until(lambda: run.isOver or (run.progress is not None and run.progress.fraction >= share), PATIENCE_S)
    stage = "after the end" if run.isOver else START_OF_WORKER if run.progress is None else run.progress.stage
    pid, killed, cpu = logic.jobs.workerPid, time.monotonic(), time.process_time()
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        stage = "after the end"
    ended: list[float] = []

    def usable() -> bool:
        if not ended and has_ended(pid):
            ended.append(time.monotonic())
        return ui.generateButton.text == BUTTON and ui.generateButton.enabled and not logic.isBusy

    desk.until(usable, PATIENCE_S)
    waited, cpu = time.monotonic() - killed, time.process_time() - cpu
    after_death = time.monotonic() - ended[0] if ended else 0.0
    faults = []
    if run.failure is None:
        # too late: the result was there, and what was killed an idle worker
        from Xray2MRIModule.jobs.generation_nodes import take_back

        desk.parameters.volume = logic.runs[0].volumeNode
        take_back(logic.application, run)
    elif run.failure.code not in ("worker-died", "worker-cannot-start") or "\n" in ui.generateMessageLabel.text:
        faults.append(f"said {ui.generateMessageLabel.text}")
    # what is drawn later must not bring anything back
    settled = time.monotonic() + 0.3
    desk.until(lambda: time.monotonic() > settled)
    found = nodes(desk.scene)
    faults += [f"left {name}" for name in sorted(found - before)] + [f"lost {name}" for name in sorted(before - found)]
    return Kill(stage, waited, after_death, cpu, faults + broken(desk.scene))


def has_ended(pid: int) -> bool:
    """Whether a process has ended, also when nobody has asked for its exit code yet; False where it cannot be told."""
    if not Path("/proc").is_dir():
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def nodes(scene: Any) -> set[str]:
    """IDs of all nodes, and the names of all items of the subject hierarchy."""
    import vtk

    hierarchy, items = scene.GetSubjectHierarchyNode(), vtk.vtkIdList()
    hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), items, True)
    names = {f"item {hierarchy.GetItemName(items.GetId(number))}" for number in range(items.GetNumberOfIds())}
    return names | {scene.GetNthNode(number).GetID() for number in range(scene.GetNumberOfNodes())}


def broken(scene: Any) -> list[str]:
    """Nodes that refer to a node that is not there, and volumes without voxels."""
    faults = []
    for number in range(scene.GetNumberOfNodes()):
        node = scene.GetNthNode(number)
        roles = [node.GetNthNodeReferenceRole(index) for index in range(node.GetNumberOfNodeReferenceRoles())]
        for role in roles:
            for index in range(node.GetNumberOfNodeReferences(role)):
                other = node.GetNthNodeReferenceID(role, index)
                if other and scene.GetNodeByID(other) is None:
                    faults.append(f"{node.GetID()} refers to {other}, which is not there")
        if node.IsA("vtkMRMLVolumeNode") and node.GetImageData() is None:
            faults.append(f"{node.GetID()} has no voxels")
    return faults


def processes() -> int:
    """Children of this process that are alive; counted where the system tells."""
    count, own = 0, os.getpid()
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text(encoding="utf-8")
        except OSError:
            continue
        count += f"\nPPid:\t{own}\n" in text and "State:\tZ" not in text
    return count


def print_table(kills: list[Kill], state: str, left: int) -> None:
    """Print the result as a table, and each fault below it."""
    stages = [kill.stage for kill in kills]
    counted = ", ".join(f"{stage} {stages.count(stage)}" for stage in sorted(set(stages)))
    waits = sorted(kill.waited_s for kill in kills)
    print("| measurement | result | wanted |\n|---|---|---|")
    print(f"| kills of the worker, and the stage they fell into | {len(kills)}: {counted} | |")
    figures = f"{waits[len(waits) // 2]:.2f} / {waits[-1]:.2f} s"
    print(f"| time until the panel was usable again, median / longest | {figures} | longest under {WANTED_S:g} s |")
    after = max(kill.after_death_s for kill in kills)
    print(f"| of it after the system had ended the process, longest | {after:.2f} s | |")
    print(f"| processor time of the panel's process in it, longest | {max(kill.cpu_s for kill in kills):.2f} s | |")
    print(f"| scenes with a node too many, too few or broken | {sum(bool(kill.faults) for kill in kills)} | 0 |")
    print(f"| a run after all that | {state} | done |")
    print(f"| processes left after the panel had gone | {left} | 0 |")
    for number, kill in enumerate(kills):
        for fault in kill.faults:
            print(f"kill {number} ({kill.stage}): {fault}")


def _runner(name: str) -> Any:
    from subprocess_runner import SubprocessRunner
    from Xray2MRIModule.worker.process_runner import QProcessRunner

    return {"qprocess": QProcessRunner, "subprocess": SubprocessRunner}[name]


def _generate(desk: Any) -> None:
    desk.ui.generateButton.click()
    desk.until(lambda: desk.ui.generateButton.text == BUTTON, PATIENCE_S)


if __name__ == "__main__":
    sys.exit(main())
