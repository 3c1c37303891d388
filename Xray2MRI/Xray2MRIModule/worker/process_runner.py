"""A child process with pipes whose output arrives as callbacks in the owner's thread.

The implementation for Slicer is a QProcess. There the program is a launcher that starts the real Python. Killing the
launcher would not end the worker: its own process must be killed too, and the closed pipe ends it in any case.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..translation import tr as _

_NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)
_TASKKILL_S = 5.0
_MOST_PROCESSES = 2**31


@dataclass(frozen=True)
class ProcessEnd:
    """How a process ended: ``exit_code`` (None when it never ran), ``crashed``, ``reason`` in words (may be empty)."""

    exit_code: int | None
    crashed: bool
    reason: str = ""


class ProcessRunner:
    """The interface. Callbacks may be set at any time; ``on_finished`` is called exactly once per start.

    Attributes
    ----------
    on_stdout, on_stderr
        Receive bytes as they come, cut anywhere.
    on_finished
        Receives a ProcessEnd, also when the process could not be started.
    """

    def __init__(self) -> None:
        self.on_stdout: Callable[[bytes], None] = lambda data: None
        self.on_stderr: Callable[[bytes], None] = lambda data: None
        self.on_finished: Callable[[ProcessEnd], None] = lambda end: None

    def start(self, program: str, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start the program with exactly this environment."""
        raise NotImplementedError

    @property
    def is_running(self) -> bool:
        """Whether the process was started and its end was not reported yet."""
        raise NotImplementedError

    @property
    def pid(self) -> int | None:
        """Process number of what was started, maybe a launcher."""
        raise NotImplementedError

    def write(self, data: bytes) -> None:
        """Send bytes to the process; without effect when it is gone."""
        raise NotImplementedError

    def close_stdin(self) -> None:
        """Close the pipe to the process. A worker ends at once then."""
        raise NotImplementedError

    def kill(self) -> None:
        """Kill what was started."""
        raise NotImplementedError

    def poll(self) -> None:
        """Deliver what has come in, where no event loop does so."""

    def terminate_tree(self, worker_pid: int | None = None) -> None:
        """Kill the process and, if it is a launcher, the worker that it started."""
        launcher = self.pid
        self.close_stdin()
        if not self.is_running:
            return
        self.kill()
        if worker_pid is not None and worker_pid != launcher:
            kill_process(worker_pid)


class QProcessRunner(ProcessRunner):
    """For Slicer: everything happens in the event loop, without threads and without a console window."""

    def __init__(self) -> None:
        super().__init__()
        self._process: Any = None
        self._crashExit = self._failedToStart = -1

    def start(self, program: str, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        """See ProcessRunner."""
        import qt

        # looked up now: a process may end when Slicer does
        self._crashExit, self._failedToStart = int(qt.QProcess.CrashExit), int(qt.QProcess.FailedToStart)
        process = qt.QProcess()
        process.setProcessChannelMode(qt.QProcess.SeparateChannels)
        variables = qt.QProcessEnvironment()
        for name, value in environment.items():
            variables.insert(name, value)
        process.setProcessEnvironment(variables)
        self._process = process
        for name, slot in self._connections():
            process.connect(name, slot)
        process.start(str(program), [str(argument) for argument in arguments])

    @property
    def is_running(self) -> bool:
        """See ProcessRunner."""
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """See ProcessRunner."""
        return None if self._process is None else int(self._process.processId()) or None

    def write(self, data: bytes) -> None:
        """See ProcessRunner."""
        if self._process is not None:
            self._process.write(data)

    def close_stdin(self) -> None:
        """See ProcessRunner."""
        if self._process is not None:
            self._process.closeWriteChannel()

    def kill(self) -> None:
        """See ProcessRunner."""
        if self._process is not None:
            self._process.kill()

    def _connections(self) -> list[tuple[str, Callable[..., None]]]:
        return [
            ("readyReadStandardOutput()", self._on_output),
            ("readyReadStandardError()", self._on_error_output),
            ("finished(int,QProcess::ExitStatus)", self._on_finished),
            ("errorOccurred(QProcess::ProcessError)", self._on_error),
        ]

    def _on_output(self) -> None:
        if self._process is not None:
            self._deliver(self.on_stdout, self._process.readAllStandardOutput())

    def _on_error_output(self) -> None:
        if self._process is not None:
            self._deliver(self.on_stderr, self._process.readAllStandardError())

    @staticmethod
    def _deliver(callback: Callable[[bytes], None], data: Any) -> None:
        data = bytes(data.data())
        if data:
            callback(data)

    def _on_finished(self, code: int, status: Any) -> None:
        if self._process is None:
            return
        self._on_output()
        self._on_error_output()
        crashed = int(status) == self._crashExit
        self._end(ProcessEnd(int(code), crashed, describe_signal(int(code)) if crashed else ""))

    def _on_error(self, error: Any) -> None:
        # only then no finished() follows
        if self._process is not None and int(error) == self._failedToStart:
            reason = describe_failed_start(self._process.program(), self._process.errorString())
            self._end(ProcessEnd(None, True, reason))

    def _end(self, end: ProcessEnd) -> None:
        process, self._process = self._process, None
        for name, slot in self._connections():
            process.disconnect(name, slot)
        process.deleteLater()
        self.on_finished(end)


def kill_process(pid: int) -> None:
    """Kill a process and its children by number; no effect when it is gone.

    No effect either for numbers that a faulty worker may report and that stand for many processes, for the first one of
    the system, or for this one.
    """
    if not 1 < pid < _MOST_PROCESSES or pid == os.getpid():
        return
    if sys.platform == "win32":
        command = ["taskkill", "/PID", str(pid), "/T", "/F"]
        try:
            subprocess.run(command, capture_output=True, check=False, creationflags=_NO_WINDOW, timeout=_TASKKILL_S)
        except (OSError, subprocess.TimeoutExpired):
            pass  # the caller checks whether it has ended
        return
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def describe_failed_start(program: str, why: str) -> str:
    """One sentence part without the folder of the program."""
    return _("{program} cannot start: {reason}").format(program=os.path.basename(program), reason=why)


def describe_signal(number: int) -> str:
    """Number and name of a POSIX signal; empty when it is none."""
    try:
        return _("signal {number}, {name}").format(number=number, name=signal.Signals(number).name)
    except ValueError:
        return ""
