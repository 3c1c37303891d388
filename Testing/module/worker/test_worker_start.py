"""Programs that are no worker, or none that the module can talk to: each ends its requests in a sentence."""

from __future__ import annotations

import json
import os

import pytest
from worker_story import Story, python_program, until
from Xray2MRIModule.worker.launch_command import WorkerCommand


def test_a_program_that_never_says_hello_is_ended(open_session, request_for):
    silent = "import sys\nfor line in sys.stdin: pass"
    session = open_session(lambda: python_program(silent), start_patience_s=0.5, cancel_grace_s=0.5)
    stories = [Story(session, "generate", **request_for(name)) for name in ("a", "b")]
    until(session, lambda: all(story.over for story in stories), 20)
    for story in stories:
        assert story.failures[0].code == "worker-cannot-start"
        assert "did not answer" in story.failures[0].message
    assert session.state == "stopped"
    assert session.incarnation == 1
    assert not session.has_work


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("raise ImportError('no torch here')", "ImportError: no torch here"),
        ("import sys; sys.exit(7)", "exit code 7"),
        ("print('not a message', flush=True)", "not a message"),
        (
            "import json, os; print(json.dumps({'type': 'starting', 'pid': os.getpid(), 'protocol': 99}), flush=True);"
            "input()",
            "version 99",
        ),
        (
            "import json; print(json.dumps({'type': 'error', 'code': 'missing-dependency', 'message': 'No torch.', "
            "'hint': 'Install it.'}), flush=True)",
            "No torch. Install it.",
        ),
    ],
)
def test_a_worker_that_cannot_start(open_session, request_for, program, said):
    session = open_session(lambda: python_program(program))
    stories = [Story(session, "generate", **request_for(name)) for name in ("a", "b")]
    until(session, lambda: all(story.over for story in stories), 20)
    for story in stories:
        assert said in story.failures[0].sentence()
        assert "\n" not in story.failures[0].sentence()
    assert session.state == "stopped"
    assert not session.has_work


def test_no_python_at_all_and_no_library(open_session, request_for):
    session = open_session(lambda: WorkerCommand("/nowhere/python", (), dict(os.environ)))
    story = Story(session, "generate", **request_for("a"))
    until(session, lambda: story.over, 10)
    assert story.failures[0].code == "worker-cannot-start"
    assert "python cannot start" in story.failures[0].message

    def missing() -> WorkerCommand:
        raise FileNotFoundError("The library is missing.")

    session = open_session(missing)
    story = Story(session, "generate", **request_for("a"))
    assert "The library is missing" in story.failures[0].message


def say(*messages: dict) -> str:
    """A program that writes these messages at once, each on a line; "PID" stands for its number."""
    return (
        "import os, sys\n"
        f"text = {chr(10).join(json.dumps(message) for message in messages) + chr(10)!r}\n"
        "sys.stdout.write(text.replace('\"PID\"', str(os.getpid())))\n"
        "sys.stdout.flush()\n"
    )


STARTING = {"type": "starting", "pid": "PID", "protocol": 1}
HELLO = {"type": "hello", "pid": "PID", "protocol": 1, "versions": {}, "device": "cpu", "device_name": "",
         "idle_shutdown_s": 1}  # fmt: skip


@pytest.mark.parametrize("messages", [
    (STARTING | {"protocol": 99}, HELLO | {"protocol": 99}),
    (HELLO | {"protocol": 99},),
])  # fmt: skip
def test_a_worker_of_another_protocol_is_sent_nothing_whatever_it_says(open_session, request_for, messages):
    """Both words come in one piece: the second must not make a worker of what was refused at the first."""
    session = open_session(lambda: python_program(say(*messages) + "print(sys.stdin.readline(), file=sys.stderr)"))
    story = Story(session, "generate", **request_for("a"))
    until(session, lambda: story.over and session.state == "stopped", 20)
    assert story.failures[0].code == "wrong-protocol"
    assert "radiograph" not in session.log
    assert session.incarnation == 1


@pytest.mark.parametrize("answer", [{"type": "result"}, {"type": "error", "code": 3}])
def test_a_job_ends_although_its_last_report_cannot_be_read(open_session, request_for, answer):
    program = (
        say(STARTING, HELLO) + "import json\n"
        "for line in sys.stdin:\n"
        f"    print(json.dumps({answer!r} | {{'job': json.loads(line)['job']}}), flush=True)\n"
    )
    session = open_session(lambda: python_program(program))
    stories = [Story(session, "generate", **request_for(name)) for name in ("a", "b")]
    until(session, lambda: all(story.over for story in stories), 20)
    assert [story.failures[0].code for story in stories] == ["bad-report"] * 2
    assert session.state == "ready"
    assert session.incarnation == 1
