"""Workers on this machine: processes that keep the model, each with several radiographs in hand.

A worker that dies is replaced. What it had in hand is reported as died; such work runs alone the next time, so that a
radiograph that kills workers takes no other one with it twice.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import ProcessingError
from ..worker.protocol import LineSplitter, decode, encode
from .task import DIED, FAULT, FINISHED, PROGRESS, RETURNED, Report, Task
from .volume_maker import IN_HAND

# a worker that says nothing for so long hangs
SILENCE_S = 900.0
_MOST_FAILED_STARTS = 3
_PACKAGE_PARENT = Path(__file__).resolve().parents[2]


def choose_workers(device: str, workers: int | None = None) -> tuple[int, int]:
    """(workers, threads of each) for this machine: one worker on a GPU, otherwise one for every two cores.

    ``workers`` is the user's number, which the cores are shared among. OMP_NUM_THREADS, if set, is the number of
    threads.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if device != "cpu" and _has_gpu():
        return workers or 1, 0
    workers = workers or max(1, cores // 2)
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return workers, int(asked) if asked.isdecimal() and asked != "0" else max(1, min(2, cores // workers))


def _has_gpu() -> bool:
    from ..device import choose_device

    return choose_device("auto") != "cpu"


class LocalExecutor:
    """Sends tasks to worker processes and collects what they report.

    Parameters
    ----------
    workers, threads
        Number of processes, and threads of each for the networks (0: the library's choice).
    silence_s
        A worker that reports nothing for so long is ended.
    """

    def __init__(self, workers: int, threads: int, silence_s: float = SILENCE_S) -> None:
        self._workers = [_Worker(f"local-{number}", threads) for number in range(1, workers + 1)]
        self._silence_s = silence_s
        self._draining = False

    @property
    def pids(self) -> list[int]:
        """Process numbers of the workers that run."""
        return [worker.process.pid for worker in self._workers if worker.process is not None]

    def has_room(self, alone: bool = False) -> bool:
        """Whether ``submit`` finds a worker; ``alone`` asks for one without other work."""
        return self._choose(alone) is not None

    def submit(self, task: Task) -> None:
        """Send a task to the worker with the least work. Raises ProcessingError when workers cannot be started."""
        worker = self._choose(task.alone)
        assert worker is not None, "ask has_room first"
        worker.send(task)

    def reports(self, timeout: float) -> Iterator[Report]:
        """What was reported; waits up to ``timeout`` seconds for the first report."""
        until = time.monotonic() + timeout
        while True:
            found = [report for worker in self._workers for report in worker.reports(self._silence_s)]
            yield from found
            if found or time.monotonic() >= until:
                return
            _Worker.news.wait(min(0.2, max(0.0, until - time.monotonic())))
            _Worker.news.clear()

    @property
    def in_flight(self) -> int:
        """Number of tasks under way."""
        return sum(len(worker.in_hand) for worker in self._workers)

    def drain(self) -> None:
        """Have all work handed back that no model has begun with."""
        self._draining = True
        for worker in self._workers:
            worker.say({"type": "drain"})

    def close(self) -> None:
        """End all workers at once; unfinished work is lost."""
        for worker in self._workers:
            worker.end()

    def _choose(self, alone: bool) -> _Worker | None:
        if self._draining:
            return None
        free = [worker for worker in self._workers if worker.has_room(alone)]
        return min(free, key=lambda worker: len(worker.in_hand)) if free else None


class _Worker:
    """One process, with a thread that reads what it says."""

    news = threading.Event()

    def __init__(self, name: str, threads: int) -> None:
        self.name = name
        self.process: subprocess.Popen[bytes] | None = None
        self.in_hand: dict[tuple[str, str], Task] = {}
        self._threads = threads
        self._said: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._heard = time.monotonic()
        self._has_started = False
        self._failed_starts = 0

    def has_room(self, alone: bool) -> bool:
        if any(task.alone for task in self.in_hand.values()):
            return False
        return not self.in_hand if alone else len(self.in_hand) < IN_HAND

    def send(self, task: Task) -> None:
        if self.process is None:
            self._start()
        self.in_hand[task.work] = task
        self.say({"type": "task", "task": task.as_message()})

    def say(self, message: dict[str, Any]) -> None:
        if self.process is not None and self.process.stdin is not None:
            with contextlib.suppress(OSError, ValueError):  # its end will be reported
                self.process.stdin.write(encode(message))
                self.process.stdin.flush()

    def reports(self, silence_s: float) -> Iterator[Report]:
        while not self._said.empty():
            message = self._said.get()
            if message is None:
                yield from self._died()
                continue
            self._heard = time.monotonic()
            if message["type"] == "hello":
                self._has_started, self._failed_starts = True, 0
                continue
            work = tuple(message.get("work", ()))
            if work not in self.in_hand:
                continue
            if message["type"] != PROGRESS:
                self.in_hand.pop(work)
            if message["type"] in (PROGRESS, RETURNED, FINISHED, FAULT):
                yield Report(
                    message["type"], work, self.name, message.get("result"), message.get("code", ""),
                    message.get("sentence", ""), bool(message.get("input")),
                )  # fmt: skip
        if self.in_hand and self.process is not None and time.monotonic() - self._heard > silence_s:
            self.process.kill()

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
        self.in_hand.clear()

    def _start(self) -> None:
        paths = [str(_PACKAGE_PARENT), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUTF8": "1"}
        if self._threads:
            environment["OMP_NUM_THREADS"] = str(self._threads)
        debugging = bool(os.environ.get("XRAY2MRI_DEBUG"))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "Xray2MRILib.cohort.worker", str(self._threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if debugging else subprocess.DEVNULL,
            env=environment,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self._heard, self._has_started = time.monotonic(), False
        threading.Thread(target=self._listen, args=(self.process,), daemon=True, name=self.name).start()

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        splitter = LineSplitter()
        assert process.stdout is not None
        while True:
            try:
                data = os.read(process.stdout.fileno(), 65536)
            except (OSError, ValueError):
                data = b""
            if not data:
                break
            for line in splitter.feed(data):
                message = decode(line)
                if message is not None:
                    self._said.put(message)
            _Worker.news.set()
        process.wait()
        self._said.put(None)
        _Worker.news.set()

    def _died(self) -> Iterator[Report]:
        code = self.process.returncode if self.process is not None else None
        self.process = None
        self._failed_starts += not self._has_started
        lost, self.in_hand = self.in_hand, {}
        sentence = f"A worker ended while it had the radiograph ({_end_in_words(code)})."
        for work in lost:
            yield Report(DIED, work, self.name, code="worker-died", sentence=sentence)
        if self._failed_starts >= _MOST_FAILED_STARTS:
            raise ProcessingError(
                f"The workers end while they start ({_end_in_words(code)}).",
                code="worker-cannot-start",
                hint="Generate one radiograph first to see what is missing.",
            )


def _end_in_words(code: int | None) -> str:
    if code is None:
        return "its end is unknown"
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"
