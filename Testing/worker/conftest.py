"""Workers that end with their test, a warm one, and the fields of a request."""

from __future__ import annotations

import pytest
from worker_process import WorkerProcess

QUICK = {"slices": 5, "steps": 2}


@pytest.fixture
def start():
    """Starts workers and ends them after the test."""
    workers = []

    def started(*options: str, **arguments) -> WorkerProcess:
        workers.append(WorkerProcess(*options, **arguments))
        return workers[-1]

    yield started
    for worker in workers:
        worker.end()


@pytest.fixture(scope="module")
def worker():
    """One warm worker for all tests that leave it alive."""
    shared = WorkerProcess()
    shared.wait_for("hello")
    yield shared
    shared.end()


@pytest.fixture
def request_for(knee_radiograph, tiny_model, tmp_path):
    """Fields of a generate request with its own output."""

    def fields(job: str, **settings) -> dict:
        return {
            "job": job,
            "radiograph": str(knee_radiograph),
            "output": str(tmp_path / f"{job}.nrrd"),
            "model": str(tiny_model),
            "device": "cpu",
            **QUICK,
            **settings,
        }

    return fields
