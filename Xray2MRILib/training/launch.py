"""Start a training in several processes of this machine, pass on what the first one says, and end all when one ends.

``accelerate launch`` and ``torchrun`` start them as well; here a failure is one sentence, and nothing is left running.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import signal
import socket
import time
import traceback
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from threading import Thread
from typing import Any

from ..errors import InputError, ProcessingError, Xray2MRIError

_PATIENCE_S = 10.0  # for a process that is ending
_OTHERS_S = 2.0  # for the messages of the others after one has failed


def train_in_processes(module: str, recipe: dict[str, Any], output: Path, *, count: int, resume: bool) -> Any:
    """``train`` of a module of this package in ``count`` processes; returns what the first one returns.

    What the first process prints is printed here. Raises the error of the process that failed, and ProcessingError
    (code ``process-ended``) when one was killed; the other processes are ended before.
    """
    check_count(count, str(recipe["device"]))
    context = get_context("spawn")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    readers: dict[Connection, int] = {}
    processes: list[Any] = []
    try:
        for index in range(count):
            reader, writer = context.Pipe(duplex=False)
            arguments = (index, count, port, writer, module, recipe, output, resume)
            processes.append(context.Process(target=_work, args=arguments))
            processes[-1].start()
            writer.close()  # so that the end of the process ends the pipe
            readers[reader] = index
        return _follow(readers, processes)
    finally:
        _end(processes)


def check_count(count: int, device: str) -> None:
    """Refuse more processes than GPUs. Raises InputError (code ``bad-option``)."""
    import torch

    gpus = torch.cuda.device_count()
    if device != "cpu" and (gpus or device != "auto") and count > gpus:
        raise InputError(
            f"This machine has {gpus} GPU{'' if gpus == 1 else 's'}, fewer than the {count} processes.",
            code="bad-option",
            hint="Start at most as many processes as there are GPUs.",
            field="processes",
        )


def _follow(readers: dict[Connection, int], processes: list[Any]) -> Any:
    """Pass on messages until all processes have ended or one has failed; returns the first one's result."""
    result: Any = {}
    errors: dict[int, Exception] = {}
    waiting, deadline = dict(readers), float("inf")
    while waiting and time.monotonic() < deadline:
        for reader in wait(list(waiting), timeout=0.5):
            assert isinstance(reader, Connection)
            index = waiting[reader]
            try:
                kind, content = reader.recv()
            except (EOFError, OSError):
                del waiting[reader]
                processes[index].join(_PATIENCE_S)
                kind, content = "ended", processes[index].exitcode
            if kind == "said":
                print(content, end="", flush=True)
            elif kind == "result":
                result = content
            elif kind == "error":
                errors[index] = content
            if kind == "error" or (kind == "ended" and content != 0):
                deadline = min(deadline, time.monotonic() + _OTHERS_S)
    _raise_failure(processes, errors)
    return result


def _raise_failure(processes: list[Any], errors: dict[int, Exception]) -> None:
    """Raise what explains a failure best: a process that was killed, an error of ours, any other error."""
    for index, process in enumerate(processes):
        code = process.exitcode
        if code and index not in errors:
            reason = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            raise ProcessingError(
                f"Training process {index + 1} of {len(processes)} ended unexpectedly ({reason}), and the others were "
                "stopped.",
                code="process-ended",
                hint="The last checkpoint is complete: resume the training from it.",
                field="resume",
            )
    for error in sorted(errors.values(), key=lambda error: not isinstance(error, Xray2MRIError)):
        raise error


def _end(processes: list[Any]) -> None:
    for process in processes:
        if process.is_alive():
            process.terminate()
    for process in processes:
        process.join(_PATIENCE_S)
        if process.is_alive():
            process.kill()
            process.join()


class _Lines(io.TextIOBase):
    """A text stream whose content goes through a pipe."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):  # the parent is gone; this process ends with it
            self._connection.send(("said", text))
        return len(text)


def _work(
    index: int, count: int, port: int, connection: Connection, module: str, recipe: dict[str, Any], output: Path,
    resume: bool,
) -> None:  # fmt: skip
    """The main function of one process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent as well, which ends all of them
    _end_with_parent()
    os.environ |= {
        "RANK": str(index), "LOCAL_RANK": str(index), "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
    }  # fmt: skip
    code = 0
    try:
        with contextlib.redirect_stdout(_Lines(connection) if index == 0 else io.StringIO()):
            result = importlib.import_module(module).train(recipe, output, resume=resume)
        connection.send(("result", result) if index == 0 else ("done", None))
    except Xray2MRIError as error:
        connection.send(("error", error))
        code = error.exit_code
    except Exception:
        connection.send(("error", RuntimeError(f"Training process {index + 1}:\n{traceback.format_exc()}")))
        code = 1
    connection.close()
    os._exit(code)  # threads of the process group would wait for the others


def _end_with_parent() -> None:
    """Exit when the parent is killed."""
    parent = parent_process()
    assert parent is not None  # ``train_in_processes`` started this process

    def exit_with_parent() -> None:
        parent.join()
        os._exit(1)

    Thread(target=exit_with_parent, daemon=True).start()
