"""The conversation with one background worker that is kept warm between jobs (protocol version 1).

Requests wait in a queue until the worker has said hello; one runs at a time. If a worker dies, the request that ran
fails with one sentence, and the next request starts another worker. Nothing here blocks, and all signals are emitted in
the thread that calls ``poll`` or runs the event loop. Every wait has a limit: for the first report of a worker, for a
cancelled job, and for the end of a process that was killed.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from Xray2MRILib.worker.protocol import PROTOCOL_VERSION, encode

from ..failure import CANCELLED, Failure
from ..signal import Signal
from ..translation import tr as _
from .exit_diagnosis import diagnose_exit
from .launch_command import WorkerCommand
from .process_runner import ProcessEnd, ProcessRunner
from .request import Request
from .worker_log import WorkerLog
from .worker_process import WorkerProcess

STOPPED, STARTING, READY, BUSY = "stopped", "starting", "ready", "busy"
CANCEL_GRACE_S = 2.0
# a cold start of torch from a network drive takes a minute; a program that is no worker never says hello
START_PATIENCE_S = 180.0


class WorkerSession:
    """Starts a worker when there is work, and talks to it.

    Parameters
    ----------
    runner_factory
        Makes a ProcessRunner for each worker process.
    command
        Gives the WorkerCommand; called at every start, so that another interpreter can be chosen. May raise OSError.
    cancel_grace_s
        If a cancelled job takes longer than this to end, its worker is killed.
    start_patience_s
        If a worker takes longer than this to say hello, it is killed.
    clock
        Seconds.

    Attributes
    ----------
    changed
        Emitted when ``state`` or ``hello`` changed.
    incarnation
        Counts the worker processes: a volume in the memory of one is unknown to the next.
    """

    def __init__(
        self,
        runner_factory: Callable[[], ProcessRunner],
        command: Callable[[], WorkerCommand],
        *,
        cancel_grace_s: float = CANCEL_GRACE_S,
        start_patience_s: float = START_PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._runner_factory = runner_factory
        self._command = command
        self._cancel_grace_s = cancel_grace_s
        self._start_patience_s = start_patience_s
        self._clock = clock
        self._process: WorkerProcess | None = None
        self._queue: deque[Request] = deque()
        self._running: Request | None = None
        self._log = WorkerLog()
        self.changed = Signal()
        self.incarnation = 0
        # one entry for each report of the protocol
        self.handlers: dict[str, Callable[[dict[str, Any], Any], None]] = {
            "starting": self._on_starting,
            "hello": self._on_hello,
            "progress": self._on_progress,
            "slice": self._on_slice,
            "result": self._on_result,
            "error": self._on_error,
            "log": self._on_log,
        }

    @property
    def state(self) -> str:
        """ "stopped", "starting" (no hello yet), "ready" or "busy"."""
        if self._process is None:
            return STOPPED
        if self.hello is None:
            return STARTING
        return READY if self._running is None else BUSY

    @property
    def has_work(self) -> bool:
        """Whether a request waits or runs, or the worker starts or ends: then poll must be called."""
        ending = self._process is not None and self._process.is_ending
        return bool(self._queue) or self._running is not None or self.state == STARTING or ending

    @property
    def hello(self) -> dict[str, Any] | None:
        """What the worker reported about device and versions; None while none is running."""
        return None if self._process is None else self._process.hello

    @property
    def worker_pid(self) -> int | None:
        """Process number of the worker itself, once the worker has reported it."""
        return None if self._process is None else self._process.pid

    @property
    def log(self) -> str:
        """What the worker printed and logged, the latest 200 kB."""
        return self._log.text

    def submit(self, request: Request) -> None:
        """Queue a request. Never raises for its content: what is wrong with it arrives at its signal ``failed``."""
        self._queue.append(request)
        self._advance()

    def cancel(self, request: Request) -> None:
        """Stop a request: at once while it waits; within the grace time, by force if necessary, while it runs."""
        if request in self._queue:
            self._queue.remove(request)
            request.signals.failed.emit(CANCELLED)
        elif request is self._running and request.cancelled_at is None:
            request.cancelled_at = self._clock()
            self._process.write(encode({"type": "cancel", "job": request.identifier}))
        self.changed.emit()

    def start(self) -> None:
        """Start the worker, if there is none, so that it is warm when work comes."""
        if self._process is not None:
            return
        self.incarnation += 1
        self._process = WorkerProcess(
            self._runner_factory(), self._log, on_message=self._on_message, on_exit=self._on_exit,
            grace_s=self._cancel_grace_s, patience_s=self._start_patience_s, clock=self._clock,
        )  # fmt: skip
        try:
            command = self._command()
        except OSError as error:
            self._on_exit(ProcessEnd(None, True, str(error)))
            return
        self._process.start(command)
        self.changed.emit()

    def stop(self) -> None:
        """Ask the worker to end and free its memory; a running job is cancelled."""
        if self._process is None:
            return
        for request in list(self._queue):
            self.cancel(request)
        if self._running is not None and self._running.cancelled_at is None:
            self._running.cancelled_at = self._clock()
        self._process.stop()

    def close(self) -> None:
        """End the worker now. All requests fail as cancelled; no process is left."""
        process, self._process = self._process, None
        if process is not None:
            process.close()
        requests = [*([self._running] if self._running else []), *self._queue]
        self._running = None
        self._queue.clear()
        for request in requests:
            request.signals.failed.emit(CANCELLED)
        self.changed.emit()

    def poll(self) -> None:
        """Deliver what came in, and kill a worker that does not answer in time."""
        process = self._process
        if process is None:
            return
        process.poll()
        if process is not self._process or process.is_ending:
            return
        cancelled_at = None if self._running is None else self._running.cancelled_at
        if cancelled_at is not None and self._clock() - cancelled_at > self._cancel_grace_s:
            process.kill()

    def _advance(self) -> None:
        if not self._queue or self._running is not None:
            return
        if self._process is None:
            self.start()
        if self.hello is None or self._process.is_ending or not self._queue:
            return
        request = self._queue.popleft()
        try:
            line = encode(request.message)
        except ValueError:
            failure = Failure("bad-request", _("A setting is not a number."), _("Enter it again."))
            request.signals.failed.emit(failure)
            self._advance()
            return
        request.tries += 1
        self._running = request
        self._process.write(line)
        self.changed.emit()

    def _on_message(self, message: dict[str, Any]) -> None:
        request = self._running
        if message.get("job") is not None and (request is None or message["job"] != request.identifier):
            return  # about a request that is over for this side
        self.handlers[message["type"]](message, request)

    def _on_starting(self, message: dict[str, Any], request: Request | None) -> None:
        self._meet(message)

    def _meet(self, message: dict[str, Any]) -> bool:
        """Remember the worker's number; a worker of another protocol is refused. Returns whether it is not."""
        self._process.pid = message["pid"]
        if message["protocol"] != PROTOCOL_VERSION:
            self._process.refuse(Failure(
                "wrong-protocol",
                _("The background process uses version {its} of the protocol, the module version {own}.").format(
                    its=message["protocol"], own=PROTOCOL_VERSION
                ),
                _("Install the module and the library in the same version."),
            ))  # fmt: skip
        return message["protocol"] == PROTOCOL_VERSION

    def _on_hello(self, message: dict[str, Any], request: Request | None) -> None:
        if not self._meet(message):
            return
        self._process.hello = message
        self.changed.emit()
        self._advance()

    def _on_progress(self, message: dict[str, Any], request: Request) -> None:
        request.acknowledged = True
        if request.cancelled_at is None:
            request.signals.progress.emit(message)

    def _on_slice(self, message: dict[str, Any], request: Request) -> None:
        request.acknowledged = True
        if request.cancelled_at is None:
            request.signals.slice.emit(message)

    def _on_result(self, message: dict[str, Any], request: Request) -> None:
        if request.cancelled_at is not None:
            self._finish(request.signals.failed, CANCELLED)
        else:
            self._finish(request.signals.finished, message["result"])

    def _on_error(self, message: dict[str, Any], request: Request | None) -> None:
        failure = Failure(message["code"], message["message"], message["hint"], message.get("field") or "")
        if message.get("job") is not None:
            self._finish(request.signals.failed, CANCELLED if request.cancelled_at is not None else failure)
            return
        self._log.append(f"{failure.sentence()}\n")
        if self.hello is None:
            self._process.complaint = failure

    def _on_log(self, message: dict[str, Any], request: Request | None) -> None:
        self._log.append(f"{message['message']}\n")

    def _finish(self, signal: Signal, outcome: Any) -> None:
        self._running = None
        signal.emit(outcome)
        self.changed.emit()
        self._advance()

    def _on_exit(self, end: ProcessEnd) -> None:
        process, running = self._process, self._running
        diagnosis = diagnose_exit(
            end, running, self._queue, started=process.hello is not None,
            asked=process.is_ending and process.complaint is None, complaint=process.complaint, log=self.log,
        )  # fmt: skip
        self._process = self._running = None
        self._log.append(f"The worker ended: {end.reason or f'exit code {end.exit_code}'}.\n")
        lost = [request for request, _ in diagnosis.failed]
        self._queue = deque(request for request in self._queue if request not in lost)
        if diagnosis.retry is not None:
            self._queue.appendleft(diagnosis.retry)
        for request, failure in diagnosis.failed:
            request.signals.failed.emit(failure)
        self.changed.emit()
        self._advance()
