"""Knees prepared by other processes: the same in the same order, and no process outlives a killed training."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

ROOT = Path(__file__).resolve().parents[2]

# a worker says which process it is, and then the training hangs
HANGING = """
import sys, time
from functools import partial
from Xray2MRILib.training.data.pair_data import map_in_processes
if __name__ == "__main__":
    for pid in map_in_processes(partial(eval, "__import__('os').getpid()"), [{}], 1):
        print(pid, flush=True)
        time.sleep(1000)
"""


@pytest.mark.slow
def test_order_and_results_do_not_depend_on_the_workers() -> None:
    from Xray2MRILib.training.data.pair_data import map_in_processes

    paths = [Path(str(k)) for k in range(11)]  # more than a worker is given at once
    assert list(map_in_processes(partial(os.path.join, "folder"), paths, 0)) == [f"folder/{k}" for k in range(11)]
    assert list(map_in_processes(partial(os.path.join, "folder"), paths, 2)) == [f"folder/{k}" for k in range(11)]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_workers_end_with_a_killed_training(tmp_path: Path) -> None:
    (tmp_path / "hanging.py").write_text(HANGING, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "hanging.py")], env=environment, stdout=subprocess.PIPE, text=True
    ) as training:
        worker = int(training.stdout.readline())
        os.kill(worker, 0)
        training.send_signal(signal.SIGKILL)
    for _ in range(600):
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        if Path(f"/proc/{worker}/stat").exists() and " Z " in Path(f"/proc/{worker}/stat").read_text(encoding="utf-8"):
            return  # ended; its exit code has not been read
        time.sleep(0.1)
    os.kill(worker, signal.SIGKILL)
    raise AssertionError("the worker outlived the training")
