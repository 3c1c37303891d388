"""Sessions that leave no process behind, and the fields of a request."""

from __future__ import annotations

import pytest
from subprocess_runner import SubprocessRunner
from Xray2MRIModule.worker.launch_command import worker_command
from Xray2MRIModule.worker.session import WorkerSession

QUICK = {"slices": 3, "steps": 2, "device": "cpu"}


@pytest.fixture
def open_session():
    """Makes sessions and leaves no process behind."""
    sessions = []

    def opened(command=worker_command, **choices) -> WorkerSession:
        sessions.append(WorkerSession(SubprocessRunner, command, **choices))
        return sessions[-1]

    yield opened
    for session in sessions:
        session.close()


@pytest.fixture
def request_for(knee_radiograph, tiny_model, tmp_path):
    """Fields of a generate request."""

    def fields(name: str, **settings) -> dict:
        own = {"radiograph": str(knee_radiograph), "output": str(tmp_path / f"{name}.nrrd"), "model": str(tiny_model)}
        return {**own, **QUICK, **settings}

    return fields
