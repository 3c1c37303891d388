"""The background process that generates volumes for another program: ``python -m Xray2MRILib.worker``.

worker/protocol.py describes the messages. The process ends together with its caller: end of file on stdin ends it at
once, even during a job, so that no abandoned worker occupies a GPU.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import sys

from ..device import wait_passively
from ..errors import Xray2MRIError
from ..files.crash_log import failure_text
from ..files.standard_streams import open_missing_streams
from .channel import ReportChannel, RequestReader
from .protocol import PROTOCOL_VERSION
from .server import Worker

IDLE_SHUTDOWN_S = 300.0


def _send_hello(channel: ReportChannel, idle_shutdown_s: float) -> None:
    from ..device import choose_device, describe_device, free_memory_bytes
    from ..volume.provenance import library_versions

    device = choose_device("auto")
    channel.send(
        "hello",
        pid=os.getpid(),
        protocol=PROTOCOL_VERSION,
        versions=library_versions(),
        device=device,
        device_name=describe_device(device),
        free_memory_bytes=free_memory_bytes(device),
        idle_shutdown_s=idle_shutdown_s,
    )


def _seconds(text: str) -> float:
    """A number of seconds that a queue can wait. Raises argparse's error."""
    with contextlib.suppress(ValueError):
        if 0 <= float(text) < math.inf:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text[:40]!r} is no number of seconds, 0 or more")


def main(arguments: list[str] | None = None) -> int:
    """Run the worker until shutdown, idleness or end of file on stdin. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m Xray2MRILib.worker", description=__doc__)
    parser.add_argument("--idle-shutdown", type=_seconds, default=IDLE_SHUTDOWN_S, metavar="SECONDS",
                        help="end after this time without a request (default: %(default)g)")  # fmt: skip
    options = parser.parse_args(arguments)

    wait_passively()
    open_missing_streams()
    channel = ReportChannel()
    channel.send("starting", pid=os.getpid(), protocol=PROTOCOL_VERSION)
    reader = RequestReader(channel)
    reader.start()
    try:
        _send_hello(channel, options.idle_shutdown)
        worker = Worker(channel, reader)
    except ImportError as error:
        channel.send_error(Xray2MRIError(
            f"The package {error.name or 'torch'} cannot be loaded.",
            code="missing-dependency",
            hint="Install Xray2MRI and its dependencies in this Python environment.",
        ))  # fmt: skip
        return 1
    except Exception as error:  # e.g. a library of torch that the system cannot load
        print(failure_text(error), file=sys.stderr, flush=True)
        channel.send_error(Xray2MRIError(
            f"The background process cannot start: {type(error).__name__}.",
            code="worker-cannot-start",
            hint="See the log for details.",
        ))  # fmt: skip
        return 1
    worker.serve(options.idle_shutdown)
    return 0
