"""The worker's side of the conversation: reports go out through the original stdout, requests come in from stdin."""

from __future__ import annotations

import os
import queue
import re
import sys
import threading
from typing import Any

from ..errors import InputError, Xray2MRIError
from .protocol import REQUESTS, LineSplitter, decode, encode, fault

_HALF_PAIR = re.compile(r"[\ud800-\udfff]")


def report_line(kind: str, **fields: Any) -> bytes:
    """One report as a line of JSON; bytes of a file name that are no UTF-8 become ``?``, since no caller reads them.

    Raises ValueError or TypeError for what JSON cannot hold.
    """
    return encode({"type": kind, **{name: _readable(value) for name, value in fields.items()}})


def _readable(value: Any) -> Any:
    if isinstance(value, str):
        return _HALF_PAIR.sub("?", value)
    if isinstance(value, dict):
        return {_readable(name): _readable(item) for name, item in value.items()}
    return [_readable(item) for item in value] if isinstance(value, (list, tuple)) else value


class ReportChannel:
    """The original stdout, reserved for the protocol; for all other code file descriptor 1 then leads to stderr."""

    def __init__(self) -> None:
        sys.stdout.flush()
        self._descriptor = os.dup(1)
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        if sys.platform == "win32":
            import msvcrt

            msvcrt.setmode(self._descriptor, os.O_BINARY)
        else:
            os.set_blocking(0, True)  # a caller may give pipes of its own event loop, where "nothing yet" is an error
            os.set_blocking(self._descriptor, True)
        self._lock = threading.Lock()

    def send(self, kind: str, **fields: Any) -> None:
        """Write one report. Raises ValueError or TypeError for what JSON cannot hold, before anything is written."""
        self.write(report_line(kind, **fields))

    def write(self, data: bytes) -> None:
        """Write a line of ``report_line``. Ends the process if the reader has closed the pipe."""
        with self._lock:
            try:
                while data:
                    data = data[os.write(self._descriptor, data) :]
            except OSError:
                os._exit(0)

    def send_error(self, error: Xray2MRIError, job: str | None = None) -> None:
        """Write one error report, with or without a job."""
        of_job = {} if job is None else {"job": job}
        self.send("error", **of_job, code=error.code, message=error.message, hint=error.hint, field=error.field)


class RequestReader(threading.Thread):
    """Reads stdin until its end: answers faulty requests, sets the cancel flag, passes jobs to the main thread."""

    def __init__(self, channel: ReportChannel) -> None:
        super().__init__(daemon=True, name="requests")
        self._channel = channel
        self._lock = threading.Lock()
        self._running: str | None = None
        self.jobs: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self.cancel = threading.Event()

    def run(self) -> None:
        splitter = LineSplitter()
        while True:
            try:
                data = os.read(0, 65536)
            except OSError:
                data = b""
            if not data:
                os._exit(0)
            for line in splitter.feed(data):
                self._handle_line(line)

    def finish_job(self) -> None:
        """Accept the next job. Called before the last report of a job, so that the caller can send the next at once."""
        with self._lock:
            self._running = None
            self.cancel.clear()

    def _handle_line(self, line: bytes) -> None:
        message = decode(line)
        sentence = "A line was not a JSON object with a type." if message is None else fault(message, REQUESTS)
        if message is None or sentence is not None:
            job = None if message is None else message.get("job")
            error = InputError(sentence or "", code="bad-request", hint="See worker/protocol.py for the messages.")
            self._channel.send_error(error, job if isinstance(job, str) else None)
        elif message["type"] == "shutdown":
            self.cancel.set()
            self.jobs.put(None)
        elif message["type"] == "cancel":
            self._cancel(message.get("job"))
        else:
            self._accept(message)

    def _accept(self, message: dict[str, Any]) -> None:
        with self._lock:
            running = self._running
            if running is None:
                self._running = message["job"]
                self.jobs.put(message)
        if running is not None:
            hint = "Wait for its result or cancel it."
            self._channel.send_error(
                InputError(f"Job {running} is still running.", code="busy", hint=hint), message["job"]
            )

    def _cancel(self, job: str | None) -> None:
        with self._lock:
            known = self._running is not None and job in (None, self._running)
            if known:
                self.cancel.set()
        if not known:
            name = "No job" if job is None else f"No job {job}"
            self._channel.send_error(InputError(f"{name} is running.", code="no-such-job"), job)
