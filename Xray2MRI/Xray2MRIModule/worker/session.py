"""The conversation with one background worker that is kept warm between jobs (protocol version 1).

Jobs wait in a queue until the worker has said hello, one runs at a time. A worker that dies costs the job that ran,
which fails with one sentence; the next job starts another worker. Nothing here blocks, and all callbacks run in the
thread that calls ``poll`` or runs the event loop. Every wait has an end: for the first word of a worker, for a
cancelled job, and for the end of a process that was killed.
"""

from __future__ import annotations

import itertools
import logging
import os
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from Xray2MRILib.worker.protocol import PROTOCOL_VERSION, REPORTS, LineSplitter, decode, encode, fault

from ..jobs.failure import CANCELLED, Failure
from ..translation import tr as _
from .exit_diagnosis import judge_end
from .launch_command import WorkerCommand
from .process_runner import ProcessEnd, ProcessRunner
from .request import Job, Listener, ignore

STOPPED, STARTING, READY, BUSY = "stopped", "starting", "ready", "busy"
CANCEL_GRACE_S = 2.0
# a cold start of torch from a network drive takes a minute; a program that is no worker never says hello
START_PATIENCE_S = 180.0
_MOST_KILLS = 3
_LOG_CHARACTERS = 200_000


class WorkerSession:
    """Starts a worker when there is work, and talks to it.

    Parameters
    ----------
    runner_factory
        Makes a ProcessRunner for each worker process.
    command
        Gives the WorkerCommand; asked at every start, so that another interpreter can be chosen. May raise OSError.
    on_change
        Called without arguments when ``state`` or ``hello`` changed.
    cancel_grace_s
        A job that does not end so long after cancel loses its worker.
    start_patience_s
        A worker that has not said hello so long after its start is ended.
    clock
        Seconds.
    """

    def __init__(
        self,
        runner_factory: Callable[[], ProcessRunner],
        command: Callable[[], WorkerCommand],
        *,
        on_change: Callable[[], None] = lambda: None,
        cancel_grace_s: float = CANCEL_GRACE_S,
        start_patience_s: float = START_PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._runner_factory = runner_factory
        self._command = command
        self._on_change = on_change
        self._cancel_grace_s = cancel_grace_s
        self._start_patience_s = start_patience_s
        self._clock = clock
        self._runner: ProcessRunner | None = None
        self._queue: deque[Job] = deque()
        self._running: Job | None = None
        self._said_hello = False
        self._worker_pid: int | None = None
        self._kill_at: float | None = None
        self._kills = 0
        self._hello_until = 0.0
        self._complaint: Failure | None = None
        self._numbers = itertools.count(1)
        self._log: deque[str] = deque()
        self._log_size = 0
        self.hello: dict[str, Any] | None = None
        self.incarnation = 0  # counts worker processes: a volume kept in the memory of one is unknown to the next

    @property
    def state(self) -> str:
        """ "stopped", "starting" (no hello yet), "ready" or "busy"."""
        if self._runner is None:
            return STOPPED
        if not self._said_hello:
            return STARTING
        return READY if self._running is None else BUSY

    @property
    def has_work(self) -> bool:
        """Whether any job waits or runs, or the worker is on its way up or down: then poll must be called."""
        return bool(self._queue) or self._running is not None or self.state == STARTING or self._kill_at is not None

    @property
    def worker_pid(self) -> int | None:
        """Process number of the worker itself, once it told."""
        return self._worker_pid

    @property
    def log(self) -> str:
        """What the worker printed and logged, the latest 200 kB."""
        return "".join(self._log)

    def new_identifier(self) -> str:
        """A job name that no other job of this program has."""
        return f"{os.getpid()}-{next(self._numbers)}"

    def submit(self, kind: str, fields: dict[str, Any], **callbacks: Callable[..., None]) -> Job:
        """Queue a request; ``callbacks`` are on_result, on_error, on_progress and on_slice.

        Never raises for its content: what is wrong with it arrives at on_error.
        """
        identifier = fields.get("job") or self.new_identifier()
        job = Job(identifier, {"type": kind, **fields, "job": identifier}, **callbacks)
        self._queue.append(job)
        self._advance()
        return job

    def cancel(self, job: Job) -> None:
        """Stop a job: at once while it waits; within the grace time, if need be by force, when it runs."""
        if job in self._queue:
            self._queue.remove(job)
            self._call(job.on_error, CANCELLED)
        elif job is self._running and job.cancelled_at is None:
            job.cancelled_at = self._clock()
            self._write({"type": "cancel", "job": job.identifier})
        self._on_change()

    def start(self) -> None:
        """Start the worker, if there is none, so that it is warm when work comes."""
        if self._runner is not None:
            return
        self._said_hello, self._worker_pid, self._kill_at, self._complaint = False, None, None, None
        self._kills, self._hello_until = 0, self._clock() + self._start_patience_s
        self.hello = None
        self.incarnation += 1
        runner = self._runner_factory()
        splitter = LineSplitter()
        runner.on_stdout = lambda data: [self._on_line(line) for line in splitter.feed(data)] and None
        runner.on_stderr = lambda data: self._note(data.decode("utf-8", "replace"))
        runner.on_finished = self._on_finished
        self._runner = runner
        try:
            command = self._command()
        except OSError as error:
            self._on_finished(ProcessEnd(None, True, str(error)))
            return
        runner.start(command.program, command.arguments, command.environment)
        self._on_change()

    def stop(self) -> None:
        """Ask the worker to end and free its memory; a running job is cancelled."""
        if self._runner is None:
            return
        for job in list(self._queue):
            self.cancel(job)
        if self._running is not None and self._running.cancelled_at is None:
            self._running.cancelled_at = self._clock()
        self._write({"type": "shutdown"})
        self._kill_at = self._clock() + self._cancel_grace_s

    def close(self) -> None:
        """End everything now. Jobs under way fail as cancelled; no process is left behind."""
        runner, self._runner = self._runner, None
        pid, self._worker_pid = self._worker_pid, None
        if runner is not None:
            runner.on_stdout = runner.on_stderr = runner.on_finished = ignore
            runner.terminate_tree(pid)
        jobs = [*([self._running] if self._running else []), *self._queue]
        self._running, self._kill_at, self._said_hello, self.hello = None, None, False, None
        self._queue.clear()
        for job in jobs:
            self._call(job.on_error, CANCELLED)
        self._on_change()

    def poll(self) -> None:
        """Deliver what came in, and lose patience with a worker that does not obey."""
        if self._runner is not None:
            self._runner.poll()
        if self._runner is None:
            return
        now = self._clock()
        if self._kill_at is not None:
            if now > self._kill_at:
                self._kill()
        elif self._running is not None and self._running.cancelled_at is not None:
            if now - self._running.cancelled_at > self._cancel_grace_s:
                self._kill()
        elif not self._said_hello and now > self._hello_until:
            self._complaint = self._complaint or Failure(
                "worker-cannot-start",
                _("The background worker did not answer within {count} seconds.").format(
                    count=round(self._start_patience_s)
                ),
                _("Close other programs and try again, or see the section Environment."),
            )
            self._kill()

    def _kill(self) -> None:
        """End the worker by force, again after the grace time, and in the end go on without it."""
        self._kills += 1
        self._kill_at = self._clock() + self._cancel_grace_s
        runner = self._runner
        if self._kills <= _MOST_KILLS:
            runner.terminate_tree(self._worker_pid)
            return
        # e.g. one that hangs in a driver: the system ends it when it comes out of there
        runner.on_stdout = runner.on_stderr = runner.on_finished = ignore
        self._on_finished(ProcessEnd(None, True, _("it cannot be ended")))

    def _advance(self) -> None:
        if not self._queue or self._running is not None:
            return
        if self._runner is None:
            self.start()
        if not self._said_hello or self._kill_at is not None or not self._queue:
            return
        job = self._queue.popleft()
        try:
            line = encode(job.request)
        except ValueError:
            self._call(job.on_error, Failure("bad-request", _("A setting is not a number."), _("Choose it again.")))
            self._advance()
            return
        job.tries += 1
        self._running = job
        self._runner.write(line)
        self._on_change()

    def _write(self, message: dict[str, Any]) -> None:
        if self._runner is not None:
            self._runner.write(encode(message))

    def _on_line(self, line: bytes) -> None:
        message = decode(line)
        sentence = "not a message" if message is None else fault(message, REPORTS)
        if message is None or sentence is not None:
            self._note(f"[{sentence}] {line[:500].decode('utf-8', 'replace')}\n")
            return
        job = self._running
        if message.get("job") is not None and (job is None or message["job"] != job.identifier):
            return  # of a job that this side has given up
        getattr(self, f"_on_{message['type']}")(message, job)

    def _on_starting(self, message: dict[str, Any], job: Job | None) -> None:
        self._worker_pid = message["pid"]
        if message["protocol"] != PROTOCOL_VERSION:
            self._complaint = Failure(
                "wrong-protocol",
                _("The worker speaks version {its} of the protocol, this module {own}.").format(
                    its=message["protocol"], own=PROTOCOL_VERSION
                ),
                _("Install module and library of the same version."),
            )
            self._runner.terminate_tree(self._worker_pid)

    def _on_hello(self, message: dict[str, Any], job: Job | None) -> None:
        self.hello = message
        self._said_hello = True
        self._on_change()
        self._advance()

    def _on_progress(self, message: dict[str, Any], job: Job | None) -> None:
        job.heard_of = True
        if job.cancelled_at is None:
            self._call(job.on_progress, message)

    def _on_slice(self, message: dict[str, Any], job: Job | None) -> None:
        job.heard_of = True
        if job.cancelled_at is None:
            self._call(job.on_slice, message)

    def _on_result(self, message: dict[str, Any], job: Job | None) -> None:
        if job.cancelled_at is not None:
            self._finish(job.on_error, CANCELLED)
        else:
            self._finish(job.on_result, message["result"])

    def _on_error(self, message: dict[str, Any], job: Job | None) -> None:
        failure = Failure(message["code"], message["message"], message["hint"], message.get("field") or "")
        if message.get("job") is not None:
            self._finish(job.on_error, CANCELLED if job.cancelled_at is not None else failure)
            return
        self._note(f"{failure.sentence()}\n")
        if not self._said_hello:
            self._complaint = failure

    def _on_log(self, message: dict[str, Any], job: Job | None) -> None:
        self._note(f"{message['message']}\n")

    def _finish(self, callback: Listener, content: Any) -> None:
        self._running = None
        self._call(callback, content)
        self._on_change()
        self._advance()

    def _on_finished(self, end: ProcessEnd) -> None:
        verdict = judge_end(
            end, self._running, self._queue, started=self._said_hello,
            asked=self._kill_at is not None and self._complaint is None, complaint=self._complaint, log=self.log,
        )  # fmt: skip
        self._running = self._runner = self._worker_pid = self._kill_at = self.hello = None
        self._said_hello = False
        self._note(f"The worker ended: {end.reason or f'exit code {end.exit_code}'}.\n")
        lost = [job for job, _ in verdict.failed]
        self._queue = deque(job for job in self._queue if job not in lost)
        if verdict.again is not None:
            self._queue.appendleft(verdict.again)
        for job, failure in verdict.failed:
            self._call(job.on_error, failure)
        self._on_change()
        self._advance()

    def _note(self, text: str) -> None:
        self._log.append(text)
        self._log_size += len(text)
        while self._log_size > _LOG_CHARACTERS and len(self._log) > 1:
            self._log_size -= len(self._log.popleft())

    def _call(self, callback: Listener, content: Any) -> None:
        try:
            callback(content)
        except Exception:  # a fault in the panel must not break the conversation
            logging.exception("Xray2MRI: a listener failed")
