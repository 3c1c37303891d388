"""A child process behind the small interface: real processes, no Qt."""

from __future__ import annotations

import os
import sys
import threading
import time

import pytest
from subprocess_runner import SubprocessRunner
from Xray2MRIModule.worker.process_runner import ProcessEnd, kill_process

ECHO = "import sys\nfor line in sys.stdin.buffer:\n sys.stdout.buffer.write(line[::-1]); sys.stdout.flush()\n"


class Collected:
    """A runner with everything that it reported."""

    def __init__(self, *arguments: str, program: str = sys.executable) -> None:
        self.runner = SubprocessRunner()
        self.out, self.err, self.ends, self.threads = b"", b"", [], set()
        self.runner.on_stdout = self._out
        self.runner.on_stderr = self._err
        self.runner.on_finished = self._end
        self.runner.start(program, arguments, dict(os.environ))

    def _out(self, data: bytes) -> None:
        self.out += data
        self.threads.add(threading.get_ident())

    def _err(self, data: bytes) -> None:
        self.err += data
        self.threads.add(threading.get_ident())

    def _end(self, end: ProcessEnd) -> None:
        self.ends.append(end)
        self.threads.add(threading.get_ident())

    def until(self, condition, seconds: float = 30.0) -> None:
        limit = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < limit, (self.out, self.err, self.ends)
            self.runner.poll()
            time.sleep(0.01)


def test_both_directions_in_the_thread_of_the_owner():
    child = Collected("-c", ECHO)
    child.runner.write(b"abc\n")
    child.until(lambda: child.out == b"\ncba")
    assert child.runner.is_running
    child.runner.close_stdin()
    child.until(lambda: child.ends)
    assert child.ends == [ProcessEnd(0, False)]
    assert not child.runner.is_running
    assert child.threads == {threading.get_ident()}
    child.runner.write(b"too late\n")
    child.runner.close_stdin()
    child.runner.terminate_tree()


def test_the_last_words_come_before_the_end():
    child = Collected("-c", "import os, sys; os.write(2, b'x' * 100000); os.write(1, b'y' * 50); sys.exit(3)")
    child.until(lambda: child.ends)
    assert (len(child.err), len(child.out)) == (100000, 50)
    assert child.ends == [ProcessEnd(3, False)]


def test_a_program_that_is_not_there():
    child = Collected(program="/nowhere/python")
    assert child.ends == []
    child.until(lambda: child.ends)
    assert child.ends[0].exit_code is None
    assert child.ends[0].reason.startswith("python cannot start: ")
    assert "/nowhere" not in child.ends[0].reason


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_the_worker_behind_a_launcher_is_ended_too():
    # the worker ignores the closed pipe, the worst case
    worker = "import os, time; os.write(1, str(os.getpid()).encode()); time.sleep(600)"
    launcher = f"import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', {worker!r}]))"
    child = Collected("-c", launcher)
    child.until(lambda: child.out)
    pid = int(child.out)
    assert pid != child.runner.pid
    child.runner.terminate_tree(pid)
    child.until(lambda: child.ends)
    assert child.ends[0].crashed
    assert "SIGKILL" in child.ends[0].reason
    limit = time.monotonic() + 5
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < limit:
        # a zombie waits for whoever inherits it
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            if stat.read().split()[2] == "Z":
                return
        time.sleep(0.02)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_killing_what_is_gone_is_no_error():
    child = Collected("-c", "")
    child.until(lambda: child.ends)
    kill_process(child.runner.pid)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_number_that_stands_for_many_processes_is_not_killed(monkeypatch):
    """A worker reports its own number; -1 would mean every process of the user."""
    killed = []
    monkeypatch.setattr(os, "kill", lambda pid, number: killed.append(pid))
    for pid in (-1, 0, 1, os.getpid(), 2**31, 2**70):
        kill_process(pid)
    assert killed == []
    kill_process(2**31 - 1)
    assert killed == [2**31 - 1]
