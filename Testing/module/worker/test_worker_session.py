"""The conversation with the real worker: one process, real jobs, real deaths."""

from __future__ import annotations

import os
import sys
import time

import pytest
from subprocess_runner import SubprocessRunner
from worker_story import Story, python_program, until
from Xray2MRIModule.worker.launch_command import worker_command
from Xray2MRIModule.worker.process_runner import kill_process
from Xray2MRIModule.worker.request import Request
from Xray2MRIModule.worker.session import WorkerSession

from Xray2MRILib.worker.protocol import REPORTS

ENDLESS = {"slices": 500, "steps": 1000, "device": "cpu"}


def test_one_worker_for_several_jobs(open_session, request_for, knee_radiograph, tmp_path):
    states = []
    session = open_session()
    session.changed.connect(lambda: states.append(session.state))
    assert session.state == "stopped"
    first = Story(session, "generate", **request_for("first", slice_folder=str(tmp_path / "slices")))
    second = Story(session, "prepare", radiograph=str(knee_radiograph))
    third = Story(session, "prepare", radiograph="missing.png")
    until(session, lambda: third.over)
    assert first.results[0]["slices"] == 3
    assert len(first.slices) == 3
    assert first.slices[0]["grid"]["size"] == [256, 256, 3]
    assert first.progress[-1]["fraction"] == 1.0
    assert second.results[0]["side"] in ("left", "right")
    assert third.failures[0].message.endswith(".")
    assert session.incarnation == 1
    assert session.hello["device"] in ("cpu", "cuda", "mps")
    assert states.index("starting") < states.index("ready") < states.index("busy")
    assert session.state == "ready"
    assert not session.has_work

    pid = session.worker_pid
    session.stop()
    until(session, lambda: session.state == "stopped", 10)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_cancelling_what_waits_and_what_runs(open_session, request_for, tmp_path):
    session = open_session()
    early = Story(session, "generate", **request_for("early"))
    session.cancel(early.request)  # the worker has not even started to load torch
    assert early.failures[0].is_cancellation
    running = Story(session, "generate", **request_for("running", **ENDLESS))
    waiting = Story(session, "generate", **request_for("waiting"))
    until(session, lambda: running.progress)
    session.cancel(waiting.request)
    assert waiting.failures[0].is_cancellation
    heard = len(running.progress)
    session.cancel(running.request)
    session.cancel(running.request)
    until(session, lambda: running.over, 20)
    assert running.failures[0].is_cancellation
    assert len(running.progress) == heard
    after = Story(session, "generate", **request_for("after"))
    until(session, lambda: after.over)
    assert after.results, after.failures
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "after.json",
        "after.nrrd",
        "after_noise_free.nrrd",
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_worker_killed_in_the_middle(open_session, request_for):
    session = open_session()
    lost = Story(session, "generate", **request_for("lost", **ENDLESS))
    until(session, lambda: lost.progress)
    queued = Story(session, "generate", **request_for("queued"))
    kill_process(session.worker_pid)
    until(session, lambda: lost.over, 10)
    assert lost.failures[0].code == "worker-died"
    assert "SIGKILL" in lost.failures[0].message
    assert "\n" not in lost.failures[0].sentence()
    # what waited is done by the next worker
    until(session, lambda: queued.over)
    assert queued.results, queued.failures
    assert session.incarnation == 2


@pytest.mark.slow
def test_a_worker_that_ends_of_idleness_is_started_again(open_session, request_for):
    session = open_session(lambda: worker_command(("--idle-shutdown", "0.3")))
    first = Story(session, "generate", **request_for("first"))
    until(session, lambda: first.over and session.state == "stopped")
    second = Story(session, "generate", **request_for("second"))
    until(session, lambda: second.over)
    assert second.results, second.failures
    assert session.incarnation == 2


def test_a_worker_that_does_not_obey_is_ended(open_session, request_for):
    stubborn = (
        "import sys, time, json, os\n"
        "def say(**m): print(json.dumps(m), flush=True)\n"
        "say(type='starting', pid=os.getpid(), protocol=1)\n"
        "say(type='hello', pid=os.getpid(), protocol=1, versions={}, device='cpu', device_name='', idle_shutdown_s=1)\n"
        "job = json.loads(sys.stdin.readline())['job']\n"
        "say(type='progress', job=job, stage='a', step=0, of=1, fraction=0.0)\n"
        "time.sleep(600)\n"
    )
    session = open_session(lambda: python_program(stubborn), cancel_grace_s=0.3)
    story = Story(session, "generate", **request_for("never"))
    until(session, lambda: story.progress, 20)
    asked = time.monotonic()
    session.cancel(story.request)
    until(session, lambda: story.over, 10)
    assert story.failures[0].is_cancellation
    assert time.monotonic() - asked >= 0.3
    assert session.state == "stopped"


class Unending(SubprocessRunner):
    """The child of a system that cannot end it, as happens to one that hangs in a driver: its end is never heard of."""

    def kill(self) -> None:
        pass

    def close_stdin(self) -> None:
        pass


def test_a_worker_that_cannot_be_ended_is_given_up(request_for):
    hung = (
        "import sys, time, json, os\n"
        "def say(**m): print(json.dumps(m), flush=True)\n"
        "say(type='hello', pid=os.getpid(), protocol=1, versions={}, device='cpu', device_name='', idle_shutdown_s=1)\n"
        "job = json.loads(sys.stdin.readline())['job']\n"
        "say(type='progress', job=job, stage='a', step=0, of=1, fraction=0.0)\n"
        "time.sleep(600)\n"
    )
    runners = []

    def runner() -> SubprocessRunner:
        runners.append(Unending() if not runners else SubprocessRunner())
        return runners[-1]

    session = WorkerSession(runner, lambda: python_program(hung), cancel_grace_s=0.2)
    try:
        story = Story(session, "generate", **request_for("never"))
        until(session, lambda: story.progress, 20)
        session.cancel(story.request)
        until(session, lambda: story.over, 10)
        assert story.failures[0].is_cancellation
        assert session.state == "stopped"
        # and the next job has a worker of its own
        again = Story(session, "generate", **request_for("again"))
        until(session, lambda: again.progress, 20)
        assert session.incarnation == 2
    finally:
        session.close()
        for made in runners:
            kill_process(made.pid)


def test_closing_in_the_middle_leaves_nothing(open_session, request_for, tmp_path):
    session = open_session()
    story = Story(session, "generate", **request_for("a", **ENDLESS))
    until(session, lambda: story.progress)
    pid = session.worker_pid
    session.close()
    session.close()
    assert story.failures[0].is_cancellation
    limit = time.monotonic() + 5
    while time.monotonic() < limit and _alive(pid):
        time.sleep(0.02)
    assert not _alive(pid)
    assert session.state == "stopped"


def test_a_listener_that_fails_breaks_nothing(open_session, knee_radiograph):
    session = open_session()

    def faulty(_):
        raise RuntimeError("in the panel")

    request = Request("prepare", {"radiograph": str(knee_radiograph)})
    request.signals.finished.connect(faulty)
    session.submit(request)
    story = Story(session, "prepare", radiograph=str(knee_radiograph))
    until(session, lambda: story.over)
    assert story.results


def test_a_setting_that_is_no_number(open_session, request_for):
    session = open_session()
    story = Story(session, "generate", **request_for("a", guidance_scale=float("nan")))
    until(session, lambda: story.over)
    assert story.failures[0].code == "bad-request"


def test_every_report_of_the_protocol_has_a_handler(open_session):
    assert set(open_session().handlers) == set(REPORTS)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
