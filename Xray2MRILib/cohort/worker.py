"""A worker of a cohort: ``python -m Xray2MRILib.cohort.worker``.

One JSON object a line in both directions. The run sends ``{"type": "task", ...fields of task.Task}``, ``drain`` and
``shutdown``; the worker answers ``hello``, ``progress``, ``finished``, ``fault`` and ``returned``. It has several tasks
in hand, so that reading and writing do not keep the model waiting. End of file on stdin ends it at once: a worker never
outlives its run.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..device import wait_passively
from ..errors import InputError, Xray2MRIError
from ..files.standard_streams import open_missing_streams
from ..worker.channel import ReportChannel
from ..worker.protocol import LineSplitter, decode
from .task import Task
from .volume_maker import IN_HAND, ReturnedWork, VolumeMaker

_PROGRESS_EVERY_S = 5.0


class CohortWorker:
    """Carries out tasks in threads and reports on them."""

    def __init__(self, channel: ReportChannel) -> None:
        self._channel = channel
        self._maker = VolumeMaker()
        self._threads = ThreadPoolExecutor(IN_HAND, thread_name_prefix="task")

    def serve(self) -> None:
        """Take messages from stdin until its end."""
        splitter = LineSplitter()
        while data := _read_stdin():
            for line in splitter.feed(data):
                message = decode(line) or {"type": "?"}
                if message["type"] == "task":
                    self._threads.submit(self._carry_out, Task.from_message(message["task"]))
                elif message["type"] == "drain":
                    self._maker.drain()
                elif message["type"] == "shutdown":
                    self._threads.shutdown(wait=True)
                    return

    def _carry_out(self, task: Task) -> None:
        last = 0.0

        def on_stage(stage: str) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last >= _PROGRESS_EVERY_S or last == 0.0:
                last = now
                self._channel.send("progress", work=task.work, stage=stage)

        try:
            result = self._maker.carry_out(task, on_stage)
        except ReturnedWork:
            self._channel.send("returned", work=task.work)
        except BaseException as error:
            self._channel.send("fault", work=task.work, **describe_fault(error, task))
        else:
            self._channel.send("finished", work=task.work, result=result)


def describe_fault(error: BaseException, task: Task) -> dict[str, Any]:
    """Code, sentence and blame of an error; an unexpected one goes to stderr without the names of the user's files."""
    if not isinstance(error, Xray2MRIError):
        from ..files.crash_log import failure_text

        print(failure_text(error, [task.radiograph, task.reference]), file=sys.stderr, flush=True)
        if isinstance(error, MemoryError):
            return {"code": "out-of-memory", "sentence": "This machine does not have enough memory.", "input": False}
        return {
            "code": "internal",
            "sentence": f"An unexpected {type(error).__name__} stopped the work.",
            "input": False,
        }
    # an output that cannot be written is no fault of the radiograph
    return {
        "code": error.code,
        "sentence": error.sentence(),
        "input": isinstance(error, InputError) and error.code != "bad-output",
    }


def _read_stdin() -> bytes:
    try:
        return os.read(0, 65536)
    except OSError:
        return b""


def main(arguments: list[str] | None = None) -> int:
    """Serve until stdin ends. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m Xray2MRILib.cohort.worker", description=__doc__)
    parser.add_argument(
        "threads", nargs="?", type=int, default=0, help="threads of the networks; 0: the library's choice"
    )
    options = parser.parse_args(arguments)
    wait_passively()
    open_missing_streams()
    channel = ReportChannel()
    import torch

    if options.threads:
        torch.set_num_threads(options.threads)
    channel.send("hello", pid=os.getpid())
    CohortWorker(channel).serve()
    return 0


if __name__ == "__main__":
    # the run decides about Ctrl-C
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    code = main()
    sys.stderr.flush()
    os._exit(code)
