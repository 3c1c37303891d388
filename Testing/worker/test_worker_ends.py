"""How the background worker ends: with its caller, when killed, when idle, when told to; nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from worker_process import worker_environment

from Xray2MRILib.volume.pseudo_mri import PseudoMRI

# long enough that no machine finishes it before the test does something to it
ENDLESS = {"slices": 500, "steps": 1000}
QUICK = {"slices": 5, "steps": 2}


def _left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_end_of_file_ends_a_working_worker_at_once(start, request_for, tmp_path):
    worker = start()
    worker.send("generate", **request_for("endless", **ENDLESS))
    worker.wait_for("progress", stage="sample")
    closed = time.monotonic()
    worker.process.stdin.close()
    worker.process.wait(10)
    assert time.monotonic() - closed < 1.0
    assert _left_over(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_killing_the_launcher_does_not_leave_a_worker_behind(start, request_for):
    # a launcher stands between caller and worker, as in 3D Slicer; the caller can kill only that
    launcher = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))"
    worker = start(launcher=[sys.executable, "-c", launcher])
    pid = worker.next()["pid"]
    assert pid != worker.process.pid
    worker.send("generate", **request_for("endless", **ENDLESS))
    worker.wait_for("progress", stage="sample")
    worker.process.kill()
    worker.process.wait()
    os.kill(pid, 0)  # still there, as long as the pipe is open
    worker.process.stdin.close()
    limit = time.monotonic() + 20.0  # generous: a busy machine is no fault
    while time.monotonic() < limit:
        if not _is_running(pid):
            return
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the worker outlived its caller")


def _is_running(pid: int) -> bool:
    """False also for a process that has ended and that its new parent has not collected yet."""
    try:
        os.kill(pid, 0)
        return (
            Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0] != "Z"
        )
    except ProcessLookupError:
        return False
    except OSError:  # no /proc, as on macOS
        return True


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("stage", ["sample", "write"])
def test_a_killed_worker_leaves_no_half_file(start, request_for, tmp_path, stage):
    worker = start()
    worker.send("generate", **request_for("killed", slices=60))
    worker.wait_for("progress", stage=stage)
    os.kill(worker.process.pid, signal.SIGKILL)
    worker.process.wait()
    names = [name for name in _left_over(tmp_path) if not name.startswith(".xray2mri-")]
    if names:
        # it was quicker than the signal: then everything is there and whole
        assert names == ["killed.json", "killed.nrrd"]
        assert PseudoMRI.load(tmp_path / "killed.nrrd").num_slices == 60


def test_nothing_foreign_reaches_stdout(start, request_for, tmp_path):
    noise = tmp_path / "noise"
    noise.mkdir()
    (noise / "sitecustomize.py").write_text(
        textwrap.dedent("""
            import ctypes, os, sys
            def chatter(event, arguments):
                if event == "import" and arguments[0] in ("torch", "diffusers", "SimpleITK"):
                    os.write(1, b"from a system call\\n")
                    print("from Python", flush=True)
                    sys.__stdout__.write("from the original stdout\\n")
                    sys.__stdout__.flush()
                    os.system("echo from a child process")
                    library = ctypes.CDLL(None)
                    library.puts(b"from C")
                    library.fflush(None)
            sys.addaudithook(chatter)
        """),
        encoding="utf-8",
    )
    worker = start(extra_path=noise)
    worker.send("generate", **request_for("noisy"))
    # every line is checked against the table of reports on its way in
    assert worker.wait_for("result", "error")["type"] == "result"
    worker.send("shutdown")
    assert worker.rest() == []


def test_a_worker_without_work_ends(start):
    worker = start("--idle-shutdown", "0.5")
    worker.wait_for("hello")
    since = time.monotonic()
    assert [report["type"] for report in worker.rest()] == ["log"]
    assert worker.process.wait(5) == 0
    assert time.monotonic() - since < 5


def test_shutdown_cancels_what_runs(start, request_for, tmp_path):
    worker = start()
    worker.send("generate", **request_for("endless", **ENDLESS))
    worker.wait_for("progress", stage="sample")
    worker.send("shutdown")
    assert [report["code"] for report in worker.rest() if report["type"] == "error"] == ["cancelled"]
    assert worker.process.wait(10) == 0
    assert _left_over(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
def test_pipes_that_do_not_block_are_no_end_of_file():
    """Some callers give the ends that they use themselves, where "nothing yet" is an error of the system."""
    (child_in, to_worker), (from_worker, child_out) = os.pipe(), os.pipe()
    for descriptor in (child_in, child_out):
        os.set_blocking(descriptor, False)
    with subprocess.Popen(
        [sys.executable, "-m", "Xray2MRILib.worker"], stdin=child_in, stdout=child_out, stderr=subprocess.DEVNULL,
        env=worker_environment(),
    ) as process, open(from_worker, encoding="utf-8") as reports:  # fmt: skip
        os.close(child_in)
        os.close(child_out)
        assert [json.loads(reports.readline())["type"] for _ in range(2)] == ["starting", "hello"]
        time.sleep(0.3)
        os.write(to_worker, b'{"type":"fly"}\n')
        assert json.loads(reports.readline())["code"] == "bad-request"
        os.close(to_worker)
        assert process.wait(20) == 0


@pytest.mark.parametrize("seconds", ["nan", "-1", "inf", "soon"])
def test_a_time_that_nobody_can_wait_is_refused(seconds):
    command = [sys.executable, "-m", "Xray2MRILib.worker", f"--idle-shutdown={seconds}"]
    done = subprocess.run(command, capture_output=True, text=True, env=worker_environment(), check=False)
    assert done.returncode == 2
    assert f"'{seconds}' is no number of seconds" in done.stderr
    assert done.stdout == ""


def test_a_torch_that_cannot_be_loaded_is_told(start, tmp_path):
    """What a library that is missing in the system raises, is not an ImportError."""
    (tmp_path / "torch.py").write_text("raise OSError('libcudart.so: cannot open shared object file')\n", "utf-8")
    worker = start(extra_path=tmp_path)
    assert [report["type"] for report in worker.rest()] == ["starting", "error"]
    assert worker.reports[-1]["code"] == "worker-cannot-start"
    assert worker.reports[-1]["message"] == "The background process cannot start: OSError."
    assert worker.process.wait(10) == 1


def test_a_job_without_memory_and_one_with_a_result_that_is_no_json_end_in_a_sentence():
    from Xray2MRILib.worker.server import Worker

    said = []

    class Door:
        """Channel and reader in one."""

        finish_job = staticmethod(lambda: None)

        def send_error(self, error, job):
            said.append((job, error.code))

    worker = Worker(Door(), Door())

    def raising(message: dict) -> dict:
        raise MemoryError

    worker._work |= {"export": raising, "compare": lambda message: {"psnr": float("nan")}}
    worker._run_job({"type": "export", "job": "1"})
    worker._run_job({"type": "compare", "job": "2"})
    assert said == [("1", "out-of-memory"), ("2", "internal")]
