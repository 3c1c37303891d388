"""A request to the background worker and what happened to it; programs that stand for a faulty worker."""

from __future__ import annotations

import os
import sys
import time

from Xray2MRIModule.worker.launch_command import WorkerCommand
from Xray2MRIModule.worker.request import Request
from Xray2MRIModule.worker.session import WorkerSession


class Story:
    """What happened to one request."""

    def __init__(self, session: WorkerSession, kind: str, **fields) -> None:
        self.progress, self.slices, self.results, self.failures = [], [], [], []
        self.request = Request(kind, fields)
        self.request.signals.connect(
            onProgress=self.progress.append, onSlice=self.slices.append,
            onDone=self.results.append, onError=self.failures.append,
        )  # fmt: skip
        session.submit(self.request)

    @property
    def over(self) -> bool:
        """Whether it has its one end."""
        assert len(self.results) + len(self.failures) <= 1
        return bool(self.results or self.failures)


def until(session: WorkerSession, condition, seconds: float = 180.0) -> None:
    """Poll until a condition holds; fails after ``seconds``."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, session.log[-2000:]
        session.poll()
        time.sleep(0.01)


def python_program(program: str) -> WorkerCommand:
    """The command that runs a program of one text."""
    return WorkerCommand(sys.executable, ("-c", program), dict(os.environ))
