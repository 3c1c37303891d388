"""One process of the background worker: its start, its messages, and its end within a limited time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from Xray2MRILib.worker.protocol import REPORTS, LineSplitter, decode, encode, fault

from ..failure import Failure
from ..translation import tr as _
from .launch_command import WorkerCommand
from .process_runner import ProcessEnd, ProcessRunner
from .worker_log import WorkerLog

_MOST_KILLS = 3


class WorkerProcess:
    """A worker from its start to its end.

    Parameters
    ----------
    runner
        A ProcessRunner that was not started yet.
    log
        Receives all output that is not a message.
    on_message
        Called with each valid message.
    on_exit
        Called once with a ProcessEnd.
    grace_s
        Seconds between two attempts to end the process.
    patience_s
        Seconds until the first ``hello``; a process that takes longer is killed.
    clock
        Seconds.

    Attributes
    ----------
    hello
        The worker's ``hello``; None before it.
    pid
        Process number of the worker itself, once the worker has reported it.
    complaint
        Why the worker could not start, by its own account or for lack of an answer.
    """

    def __init__(
        self,
        runner: ProcessRunner,
        log: WorkerLog,
        *,
        on_message: Callable[[dict[str, Any]], None],
        on_exit: Callable[[ProcessEnd], None],
        grace_s: float,
        patience_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._runner, self._log = runner, log
        self._on_message, self._on_exit = on_message, on_exit
        self._grace_s, self._patience_s, self._clock = grace_s, patience_s, clock
        self._hello_until = clock() + patience_s
        self._kill_at: float | None = None
        self._kills = 0
        self._exited = False
        self._splitter = LineSplitter()
        self.hello: dict[str, Any] | None = None
        self.pid: int | None = None
        self.complaint: Failure | None = None
        runner.on_stdout = self._on_stdout
        runner.on_stderr = lambda data: log.append(data.decode("utf-8", "replace"))
        runner.on_finished = self._on_finished

    @property
    def is_ending(self) -> bool:
        """Whether it was asked to end or killed, and has not ended yet."""
        return self._kill_at is not None

    def start(self, command: WorkerCommand) -> None:
        """Start the process. A failure to start arrives at ``on_exit``."""
        self._runner.start(command.program, command.arguments, command.environment)

    def write(self, line: bytes) -> None:
        """Send an encoded message; no effect when the process is gone."""
        self._runner.write(line)

    def stop(self) -> None:
        """Ask the process to end; after the grace time it is killed."""
        self.write(encode({"type": "shutdown"}))
        self._kill_at = self._clock() + self._grace_s

    def refuse(self, complaint: Failure) -> None:
        """Kill the process because it cannot be used; what else it says is not heard."""
        self.complaint = complaint
        self._on_message = lambda _: None
        self._runner.terminate_tree(self.pid)

    def close(self) -> None:
        """Kill the process and report nothing more about it."""
        self._silence()
        self._runner.terminate_tree(self.pid)

    def kill(self) -> None:
        """Kill the process, again after the grace time, and at last continue without it."""
        self._kills += 1
        self._kill_at = self._clock() + self._grace_s
        if self._kills <= _MOST_KILLS:
            self._runner.terminate_tree(self.pid)
            return
        # e.g. one that hangs in a driver: the system ends it when it leaves the driver
        self._silence()
        self._on_finished(ProcessEnd(None, True, _("it cannot be killed")))

    def poll(self) -> None:
        """Deliver what came in, and kill a process that exceeds its time."""
        self._runner.poll()
        if self._exited:
            return
        now = self._clock()
        if self._kill_at is not None:
            if now > self._kill_at:
                self.kill()
        elif self.hello is None and now > self._hello_until:
            self.complaint = self.complaint or Failure(
                "worker-cannot-start",
                _("The background process did not answer within {count} seconds.").format(
                    count=round(self._patience_s)
                ),
                _("Close other programs and try again, or see section 7, Environment."),
            )
            self.kill()

    def _on_stdout(self, data: bytes) -> None:
        for line in self._splitter.feed(data):
            message = decode(line)
            sentence = "not a message" if message is None else fault(message, REPORTS)
            if message is None or sentence is not None:
                self._log.append(f"[{sentence}] {line[:500].decode('utf-8', 'replace')}\n")
                if message is not None and message["type"] in ("result", "error"):
                    self._on_message(_unreadable_end(message.get("job")))
            else:
                self._on_message(message)

    def _on_finished(self, end: ProcessEnd) -> None:
        self._exited = True
        self._on_exit(end)

    def _silence(self) -> None:
        self._runner.on_stdout = self._runner.on_stderr = self._runner.on_finished = lambda _: None
        self._on_message = lambda _: None  # ignore the lines that follow


def _unreadable_end(job: Any) -> dict[str, Any]:
    """What stands for the last report of a job that is not in order: without one the job would never end."""
    return {
        "type": "error", "job": job if isinstance(job, str) else None, "code": "bad-report",
        "message": _("The background process gave an answer that cannot be read."),
        "hint": _("Install the module and the library in the same version."),
    }  # fmt: skip
