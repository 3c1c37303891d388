"""The runner for Slicer on a real QProcess, through the adapter that behaves like Slicer's Qt binding."""

from __future__ import annotations

import os
import sys
import time

import pytest

pytest.importorskip("PySide6.QtWidgets", reason="PySide6 or what it needs is not installed", exc_type=ImportError)
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QApplication
from pythonqt_adapter import QtModule, faults
from Xray2MRIModule.worker.process_runner import ProcessEnd, QProcessRunner


@pytest.fixture
def started(monkeypatch):
    """Starts a program and collects what is heard of it; no slot may have raised."""
    keep = QApplication.instance() or QApplication([])
    monkeypatch.setitem(sys.modules, "qt", QtModule("qt"))
    faults.clear()
    heard = {"out": b"", "err": b"", "ends": []}
    runner = QProcessRunner()

    def collect(name):
        def take(data):
            heard[name] += data

        return take

    runner.on_stdout, runner.on_stderr = collect("out"), collect("err")
    runner.on_finished = heard["ends"].append

    def start(*arguments: str, program: str = sys.executable, **variables: str):
        runner.start(program, arguments, {**os.environ, **variables})
        return runner, heard

    yield start
    runner.terminate_tree()
    _until(lambda: not runner.is_running)
    assert faults == []
    del keep


def _until(condition, seconds: float = 30.0) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit
        QCoreApplication.processEvents()
        time.sleep(0.005)


def test_both_directions_and_the_environment(started):
    program = "import os, sys; print(os.environ['OWN'], flush=True); print(sys.stdin.readline()[::-1], file=sys.stderr)"
    runner, heard = started("-c", program, OWN="value")
    assert runner.is_running
    _until(lambda: heard["out"].strip() == b"value")
    runner.write(b"abc\n")
    _until(lambda: heard["ends"])
    assert heard["err"].strip() == b"cba"
    assert heard["ends"] == [ProcessEnd(0, False)]
    assert not runner.is_running
    runner.write(b"too late")
    runner.close_stdin()


def test_a_program_that_is_not_there(started):
    runner, heard = started(program="/nowhere/python")
    _until(lambda: heard["ends"])
    assert len(heard["ends"]) == 1
    assert heard["ends"][0].exit_code is None
    assert "cannot start" in heard["ends"][0].reason
    assert not runner.is_running


def test_ending_it_by_force(started):
    runner, heard = started("-c", "import time; print('here', flush=True); time.sleep(600)")
    _until(lambda: heard["out"])
    assert runner.pid
    runner.terminate_tree(runner.pid)
    _until(lambda: heard["ends"])
    assert heard["ends"][0].crashed
    assert len(heard["ends"]) == 1


def test_end_of_file_reaches_the_child(started):
    runner, heard = started("-c", "import sys; sys.stdin.read(); sys.exit(5)")
    runner.close_stdin()
    _until(lambda: heard["ends"])
    assert heard["ends"] == [ProcessEnd(5, False)]
