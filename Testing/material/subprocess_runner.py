"""A process runner for Python without Qt, so that tests can talk to a real worker without an event loop."""

from __future__ import annotations

import queue
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from Xray2MRIModule.worker.process_runner import ProcessEnd, ProcessRunner, describe_failed_start, describe_signal

_DRAIN_S = 1.0  # longest wait for the output that a dead process left


class SubprocessRunner(ProcessRunner):
    """Threads only move bytes into a queue; callbacks run in ``poll``."""

    def __init__(self) -> None:
        super().__init__()
        self._process: subprocess.Popen | None = None
        self._events: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._running = False

    def start(self, program: str, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        """See ProcessRunner; a failure to start is reported by the next poll."""
        self._running = True
        try:
            self._process = subprocess.Popen(
                [program, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env=dict(environment),
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            reason = describe_failed_start(program, error.strerror or str(error))
            self._events.put(("finished", ProcessEnd(None, True, reason)))
            return
        readers = [
            threading.Thread(target=self._read, args=(pipe, name), daemon=True, name=f"worker {name}")
            for pipe, name in ((self._process.stdout, "stdout"), (self._process.stderr, "stderr"))
        ]
        for reader in readers:
            reader.start()
        threading.Thread(target=self._await_end, args=(self._process, readers), daemon=True, name="worker end").start()

    @property
    def is_running(self) -> bool:
        """See ProcessRunner."""
        return self._running

    @property
    def pid(self) -> int | None:
        """See ProcessRunner."""
        return None if self._process is None else self._process.pid

    def write(self, data: bytes) -> None:
        """See ProcessRunner."""
        if self._process is None or self._process.stdin.closed:
            return
        try:
            self._process.stdin.write(data)
        except OSError:
            pass  # its end will be reported

    def close_stdin(self) -> None:
        """See ProcessRunner."""
        if self._process is None:
            return
        try:
            self._process.stdin.close()
        except OSError:
            pass

    def kill(self) -> None:
        """See ProcessRunner."""
        if self._process is not None:
            self._process.kill()

    def poll(self) -> None:
        """Deliver everything that came in since the last call."""
        while not self._events.empty():
            kind, content = self._events.get()
            if kind == "finished":
                self._running = False
                self.close_stdin()
                self.on_finished(content)
            else:
                (self.on_stdout if kind == "stdout" else self.on_stderr)(content)

    def _read(self, pipe: Any, name: str) -> None:
        with pipe:
            while data := pipe.read(65536):
                self._events.put((name, data))

    def _await_end(self, process: subprocess.Popen, readers: list[threading.Thread]) -> None:
        code = process.wait()
        # a worker behind a killed launcher may still hold the pipe
        limit = time.monotonic() + _DRAIN_S
        for reader in readers:
            reader.join(max(0.0, limit - time.monotonic()))
        self._events.put(("finished", ProcessEnd(code, code < 0, describe_signal(-code) if code < 0 else "")))
