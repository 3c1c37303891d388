"""A radiograph that kills every worker fails alone; the others are done."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from Xray2MRILib.cohort import CohortPlan
from Xray2MRILib.cohort.keyed_rows import KeyedRow
from Xray2MRILib.cohort.lease import Leases
from Xray2MRILib.cohort.radiograph_rows import RadiographRow
from Xray2MRILib.cohort.run import CohortSetup
from Xray2MRILib.cohort.task import DIED, FAULT, FINISHED, Report, Task
from Xray2MRILib.cohort.work_run import WorkRun
from Xray2MRILib.errors import ProcessingError

ROOM = 3


class ScriptedExecutor:
    """One worker with three tasks in hand; ``fate`` of a key: "dies", "memory", "internal", "disk"."""

    def __init__(self, fates: dict[str, str]) -> None:
        self.fates = fates
        self.tasks: list[Task] = []
        self.seen: list[Task] = []

    @property
    def in_flight(self) -> int:
        return len(self.tasks)

    def has_room(self, alone: bool = False) -> bool:
        if any(task.alone for task in self.tasks):
            return False
        return not self.tasks if alone else len(self.tasks) < ROOM

    def submit(self, task: Task) -> None:
        assert self.has_room(task.alone)
        self.tasks.append(task)
        self.seen.append(task)

    def reports(self, timeout: float) -> Iterator[Report]:
        if any(self.fates.get(task.key) == "dies" for task in self.tasks):
            lost, self.tasks = self.tasks, []
            yield from (Report(DIED, task.work, "w", code="worker-died", sentence="It ended.") for task in lost)
            return
        task = self.tasks.pop(0)
        fate = self.fates.get(task.key)
        if fate == "memory" and task.halvings < 2:
            yield Report(FAULT, task.work, "w", code="out-of-memory", sentence="Too little.")
        elif fate == "internal":
            yield Report(FAULT, task.work, "w", code="internal", sentence="An unexpected KeyError.")
        elif fate == "disk":
            yield Report(FAULT, task.work, "w", code="disk-full", sentence="No room for x.png.")
        else:
            yield Report(FINISHED, task.work, "w", {"files": {"volume": {"path": "v"}}, "seconds": 1.0})

    def drain(self) -> None:
        pass

    def close(self) -> None:
        pass


def run(tmp_path, fates: dict[str, str], keys: str = "abcdefg", retries: int = 2):
    films = tmp_path / "films"
    films.mkdir()
    for key in keys:
        (films / f"{key}.png").write_bytes(key.encode())
    setup = CohortSetup(CohortPlan(films, tmp_path / "out", retries=retries), lambda event: None)
    setup.folder.mkdir()
    setup.rows = [KeyedRow(RadiographRow(n, films / f"{key}.png"), key, {"model": "compact"})
                  for n, key in enumerate(keys, 1)]  # fmt: skip
    setup.files.are_intact = lambda line: True
    setup.write_results = lambda rows: (None, None)
    executor = ScriptedExecutor(fates)
    work = WorkRun(setup, Leases(setup.folder), lambda event: None, lambda: False, executor)
    return setup, executor, work


def states(setup) -> dict[str, str]:
    return {row.key: (setup.manifest.last(row.key) or {"state": "waiting"})["state"] for row in setup.rows}


def test_the_poison_fails_and_its_neighbours_do_not(tmp_path):
    setup, executor, work = run(tmp_path, {"b": "dies"})
    work.work_off()
    assert states(setup) == {**dict.fromkeys("acdefg", "done"), "b": "failed"}
    assert [task.key for task in executor.seen].count("b") == 3
    assert all(task.alone for task in executor.seen[ROOM:] if task.key in "abc")
    assert setup.manifest.last("b")["attempt"] == 3


def test_too_little_memory_halves_the_batch(tmp_path):
    setup, executor, work = run(tmp_path, {"a": "memory"})
    work.work_off()
    assert set(states(setup).values()) == {"done"}
    assert [task.halvings for task in executor.seen if task.key == "a"] == [0, 1, 2]


def test_retries_are_counted_in_each_run_anew(tmp_path):
    setup, executor, work = run(tmp_path, {"c": "internal"}, retries=1)
    work.work_off()
    assert states(setup)["c"] == "failed"
    assert [task.key for task in executor.seen].count("c") == 2


def test_a_full_disk_begins_nothing_more(tmp_path):
    setup, executor, work = run(tmp_path, {"b": "disk"})
    with pytest.raises(ProcessingError, match=r"No room for x\.png") as caught:
        work.work_off()
    assert caught.value.code == "disk-full"
    assert "the same command goes on" in caught.value.hint
    assert states(setup)["b"] == "waiting"
    assert len(executor.seen) <= 5
