"""How the background worker is started: which Python, with which environment."""

from __future__ import annotations

from dataclasses import dataclass

from ..environment.interpreter import childEnvironment, inferencePython, workerArguments


@dataclass(frozen=True)
class WorkerCommand:
    """Program, arguments and the whole environment of the worker process."""

    program: str
    arguments: tuple[str, ...]
    environment: dict[str, str]


def worker_command(options: tuple[str, ...] = ()) -> WorkerCommand:
    """The command for the Python that the user chose, by default Slicer's own.

    ``options`` go to the worker, e.g. ``("--idle-shutdown", "600")``. Raises FileNotFoundError if the library is
    missing.
    """
    python = inferencePython()
    return WorkerCommand(python, (*workerArguments(), *options), childEnvironment(python))
