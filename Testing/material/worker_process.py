"""A worker as its callers see it: a child process with pipes, and a thread that collects what it says."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from Xray2MRILib.worker.protocol import REPORTS, LineSplitter, decode, encode, fault

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 180.0


def worker_environment(extra_path: Path | None = None) -> dict[str, str]:
    """The environment that a caller gives to the worker."""
    paths = [str(path) for path in (extra_path, ROOT) if path is not None]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUTF8": "1", "OMP_NUM_THREADS": "1"}


class WorkerProcess:
    """Starts a worker and talks to it. Every line that it prints must be a report in order."""

    def __init__(self, *options: str, launcher: list[str] | None = None, extra_path: Path | None = None) -> None:
        command = [sys.executable, "-m", "Xray2MRILib.worker", *options]
        self.process = subprocess.Popen(
            [*(launcher or []), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=worker_environment(extra_path),
        )
        self.reports: list[dict[str, Any]] = []
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue()
        threading.Thread(target=self._collect, daemon=True).start()

    def _collect(self) -> None:
        splitter = LineSplitter()
        while data := os.read(self.process.stdout.fileno(), 65536):
            for line in splitter.feed(data):
                self._queue.put(decode(line) or {"type": "NOT A REPORT", "line": line})
        self._queue.put(None)

    def send(self, kind: str, **fields: Any) -> None:
        """Send one request."""
        self.send_bytes(encode({"type": kind, **fields}))

    def send_bytes(self, data: bytes) -> None:
        """Send anything."""
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def next(self, patience_s: float = PATIENCE_S) -> dict[str, Any] | None:
        """The next report; None after the end of the worker's output."""
        report = self._queue.get(timeout=patience_s)
        if report is not None:
            self.reports.append(report)
            assert fault(report, REPORTS) is None, report
        return report

    def wait_for(self, *kinds: str, patience_s: float = PATIENCE_S, **fields: Any) -> dict[str, Any]:
        """The next report of one of these kinds with these fields."""
        limit = time.monotonic() + patience_s
        while time.monotonic() < limit:
            report = self.next(patience_s)
            assert report is not None, f"the worker ended while {kinds} was awaited"
            if report["type"] in kinds and all(report.get(name) == value for name, value in fields.items()):
                return report
        raise AssertionError(f"no {kinds} within {patience_s} s")

    def rest(self) -> list[dict[str, Any]]:
        """Everything said until the end."""
        reports = []
        while (report := self.next()) is not None:
            reports.append(report)
        return reports

    def end(self) -> None:
        """Close the pipes; nothing may survive that."""
        if self.process.stdin and not self.process.stdin.closed:
            self.process.stdin.close()
        try:
            self.process.wait(10)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
