"""The background process that makes volumes for another program: ``python -m Xray2MRILib.worker``.

The conversation is described in protocol.py. The process ends by itself when its caller does: end of file on stdin
ends it at once, whatever it is doing, so that no worker is left holding a GPU.
"""

from __future__ import annotations

import argparse
import os
import queue
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import InputError, Xray2MRIError
from .protocol import PROTOCOL_VERSION, REQUESTS, LineSplitter, decode, encode, fault

if TYPE_CHECKING:
    from .generation import Generation

IDLE_SHUTDOWN_S = 300.0
# volumes kept for densify; a volume of 500 slices is 131 MB
KEPT_VOLUMES_BYTES = 512_000_000
# fields that may name a person; kept out of failure reports
_PATHS = ("radiograph", "volume", "reference", "output", "output_folder", "montage", "preview", "slice_folder",
          "comparison")  # fmt: skip


class ReportChannel:
    """The original stdout, for our lines only. From here on, file descriptor 1 leads to stderr for everybody else."""

    def __init__(self) -> None:
        sys.stdout.flush()
        self._descriptor = os.dup(1)
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        if sys.platform == "win32":
            import msvcrt

            msvcrt.setmode(self._descriptor, os.O_BINARY)
        self._lock = threading.Lock()

    def send(self, kind: str, **fields: Any) -> None:
        """Write one report. Ends the process when nobody reads any more."""
        data = encode({"type": kind, **fields})
        with self._lock:
            try:
                while data:
                    data = data[os.write(self._descriptor, data) :]
            except OSError:
                os._exit(0)

    def send_error(self, error: Xray2MRIError, job: str | None = None) -> None:
        """Write one error report, for a job or for none."""
        of_job = {} if job is None else {"job": job}
        self.send("error", **of_job, code=error.code, message=error.message, hint=error.hint)


class RequestReader(threading.Thread):
    """Reads stdin for ever: answers what needs no work, sets the cancel flag, hands jobs to the main thread."""

    def __init__(self, channel: ReportChannel) -> None:
        super().__init__(daemon=True, name="requests")
        self._channel = channel
        self._lock = threading.Lock()
        self._running: str | None = None
        self.jobs: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self.cancel = threading.Event()

    def run(self) -> None:
        splitter = LineSplitter()
        while True:
            try:
                data = os.read(0, 65536)
            except OSError:
                data = b""
            if not data:
                os._exit(0)
            for line in splitter.feed(data):
                self._take(line)

    def job_over(self) -> None:
        """Let the next job in. Called before the last report of a job, so that its reader may send the next at once."""
        with self._lock:
            self._running = None
            self.cancel.clear()

    def _take(self, line: bytes) -> None:
        message = decode(line)
        sentence = "A line was not a JSON object with a type." if message is None else fault(message, REQUESTS)
        if message is None or sentence is not None:
            job = None if message is None else message.get("job")
            error = InputError(sentence or "", code="bad-request", hint="Xray2MRILib/protocol.py lists the messages.")
            self._channel.send_error(error, job if isinstance(job, str) else None)
        elif message["type"] == "shutdown":
            self.cancel.set()
            self.jobs.put(None)
        elif message["type"] == "cancel":
            self._cancel(message.get("job"))
        else:
            self._accept(message)

    def _accept(self, message: dict[str, Any]) -> None:
        with self._lock:
            running = self._running
            if running is None:
                self._running = message["job"]
                self.jobs.put(message)
        if running is not None:
            hint = "Wait for its result or cancel it."
            self._channel.send_error(
                InputError(f"Job {running} is still running.", code="busy", hint=hint), message["job"]
            )

    def _cancel(self, job: str | None) -> None:
        with self._lock:
            known = self._running is not None and job in (None, self._running)
            if known:
                self.cancel.set()
        if not known:
            name = "No job" if job is None else f"No job {job}"
            self._channel.send_error(InputError(f"{name} is running.", code="no-such-job"), job)


class Worker:
    """Carries out jobs one after the other and keeps the model and the latest volumes for the next ones."""

    def __init__(self, channel: ReportChannel, reader: RequestReader) -> None:
        from .generation import PipelineCache

        self._channel = channel
        self._reader = reader
        self._pipelines = PipelineCache()
        self._done: OrderedDict[str, Generation] = OrderedDict()
        # request -> what carries it out and returns the result's fields
        self._work: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "generate": self._generate,
            "densify": self._densify,
            "prepare": self._prepare,
            "compare": self._compare,
            "export": self._export,
        }

    def serve(self, idle_shutdown_s: float) -> None:
        """Return after ``shutdown`` or when no request came for ``idle_shutdown_s`` seconds."""
        while True:
            try:
                message = self._reader.jobs.get(timeout=min(idle_shutdown_s, threading.TIMEOUT_MAX))
            except queue.Empty:
                self._channel.send("log", message=f"No request for {idle_shutdown_s:g} seconds: the worker ends.")
                return
            if message is None:
                return
            self._carry_out(message)

    def _carry_out(self, message: dict[str, Any]) -> None:
        from .failure_report import failure_text

        job = message["job"]
        try:
            result = self._work[message["type"]](message)
        except Xray2MRIError as error:
            failure = error
        except Exception as error:
            private = [str(message.get(name, "")) for name in _PATHS]
            print(failure_text(error, private), file=sys.stderr, flush=True)
            failure = Xray2MRIError(
                f"An unforeseen {type(error).__name__} stopped the job.",
                code="internal",
                hint="The log holds the details.",
            )
        else:
            self._reader.job_over()
            self._channel.send("result", job=job, result=result)
            return
        self._reader.job_over()
        self._channel.send_error(failure, job)

    def _generate(self, message: dict[str, Any]) -> dict[str, Any]:
        from .generation import generate
        from .generation_settings import GenerationSettings

        slices = SliceFiles(self._channel, message)
        try:
            generation = generate(
                Path(message["radiograph"]),
                Path(message["output"]),
                GenerationSettings.from_message(message),
                montage=Path(message["montage"]) if message.get("montage") else None,
                pipelines=self._pipelines,
                on_progress=lambda event: self._channel.send("progress", job=message["job"], **event),
                on_slice=slices.write if slices.wanted else None,
                should_cancel=self._reader.cancel.is_set,
            )
        except BaseException:
            slices.remove()
            raise
        return self._kept(message["job"], generation)

    def _densify(self, message: dict[str, Any]) -> dict[str, Any]:
        from .generation import densify

        earlier = self._earlier(message)
        slices = SliceFiles(self._channel, message)
        try:
            generation = densify(
                earlier,
                message["slices"],
                Path(message["output"]),
                pipelines=self._pipelines,
                on_progress=lambda event: self._channel.send("progress", job=message["job"], **event),
                on_slice=slices.write if slices.wanted else None,
                should_cancel=self._reader.cancel.is_set,
            )
        except BaseException:
            slices.remove()
            raise
        return self._kept(message["job"], generation)

    def _prepare(self, message: dict[str, Any]) -> dict[str, Any]:
        from .film_appraisal import appraise_film
        from .generation_settings import GenerationSettings

        choices = {name: message.get(name) for name in ("side", "roi", "knee")}
        return appraise_film(
            Path(message["radiograph"]),
            GenerationSettings.from_message(choices),
            preview=message.get("preview") or None,
            should_cancel=self._reader.cancel.is_set,
        )

    def _compare(self, message: dict[str, Any]) -> dict[str, Any]:
        from .comparison.compare import compare

        return compare(
            message["volume"],
            message["reference"],
            method=message.get("align") or "rigid",
            initial=message.get("initial"),
            controls=message.get("controls"),
            output_folder=message["output_folder"],
            on_progress=lambda event: self._channel.send("progress", job=message["job"], **event),
            should_cancel=self._reader.cancel.is_set,
        ).result

    def _export(self, message: dict[str, Any]) -> dict[str, Any]:
        from .export.convert import convert

        files = convert(
            message["volume"],
            message["output"],
            message.get("format"),
            film=message.get("radiograph"),
            comparison=message.get("comparison"),
            keep_identifiers=bool(message.get("keep_identifiers")),
            should_cancel=self._reader.cancel.is_set,
        )
        return {"files": [str(path) for path in files]}

    def _earlier(self, message: dict[str, Any]) -> Generation:
        """The volume that a densify request speaks of, from memory or from its files."""
        if message.get("of_job") is not None:
            earlier = self._done.get(message["of_job"])
            if earlier is None:
                raise InputError(
                    f"The volume of job {message['of_job']} is not in memory.",
                    code="no-such-job",
                    hint="Name its volume file and the radiograph instead.",
                )
            return earlier
        if message.get("volume") is None or message.get("radiograph") is None:
            raise InputError(
                "The message densify names no earlier job, nor a volume and its radiograph.",
                code="bad-request",
                hint="Give of_job, or volume and radiograph.",
            )
        from .generation import reopen

        choices = {name: message[name] for name in ("model", "device") if message.get(name) is not None}
        return reopen(message["volume"], message["radiograph"], **choices)

    def _kept(self, job: str, generation: Generation) -> dict[str, Any]:
        """Keep the volume for densify while there is room; returns its result."""
        self._done.pop(job, None)
        self._done[job] = generation
        while (
            len(self._done) > 1 and sum(kept.volume.array.nbytes for kept in self._done.values()) > KEPT_VOLUMES_BYTES
        ):
            self._done.popitem(last=False)
        return generation.result


class SliceFiles:
    """Writes each final slice of a job into the caller's folder under a name that appears only when it is complete."""

    def __init__(self, channel: ReportChannel, message: dict[str, Any]) -> None:
        self._channel = channel
        self._job = message["job"]
        self.wanted = bool(message.get("slice_folder"))
        self._folder = Path(message.get("slice_folder") or ".")
        self._written: list[Path] = []

    def write(self, event: dict[str, Any]) -> None:
        """Write the ``image`` of a slice event of generation.generate and report the file."""
        import numpy as np

        from .volume.writing import volume_grid

        path = self._folder / f"depth_{event['depth_index']:03d}_of_{event['of']:03d}.npy"
        temporary = path.with_suffix(".part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with open(temporary, "wb") as file:
                np.save(file, np.ascontiguousarray(event["image"], dtype=np.float32), allow_pickle=False)
            os.replace(temporary, path)
        except OSError as error:
            raise InputError(
                f"The slice folder cannot be written: {error.strerror}.",
                code="bad-output",
                hint="Choose another folder.",
            ) from error
        self._written.append(path)
        report = {name: event[name] for name in ("depth_index", "file_index", "of", "u")}
        grid = volume_grid(event["of"], *event["image"].shape)
        self._channel.send("slice", job=self._job, file=str(path), grey_range=[0.0, 1.0], grid=grid, **report)

    def remove(self) -> None:
        """Take back what was written, after a failure or a cancellation."""
        for path in self._written:
            path.unlink(missing_ok=True)


def _say_hello(channel: ReportChannel, idle_shutdown_s: float) -> None:
    from .device import choose_device, describe_device, free_memory_bytes
    from .volume.provenance import library_versions

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


def main(arguments: list[str] | None = None) -> int:
    """Run the worker until shutdown, idleness or end of file on stdin. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m Xray2MRILib.worker", description=__doc__)
    parser.add_argument("--idle-shutdown", type=float, default=IDLE_SHUTDOWN_S, metavar="SECONDS",
                        help="end after so long without a request (default: %(default)g)")  # fmt: skip
    options = parser.parse_args(arguments)

    channel = ReportChannel()
    channel.send("starting", pid=os.getpid(), protocol=PROTOCOL_VERSION)
    reader = RequestReader(channel)
    reader.start()
    try:
        _say_hello(channel, options.idle_shutdown)
        worker = Worker(channel, reader)
    except ImportError as error:
        channel.send_error(Xray2MRIError(
            f"The package {error.name or 'torch'} cannot be loaded.",
            code="missing-dependency",
            hint="Install Xray2MRI with its dependencies into this Python.",
        ))  # fmt: skip
        return 1
    worker.serve(options.idle_shutdown)
    return 0


if __name__ == "__main__":
    try:
        code = main()
    except KeyboardInterrupt:
        code = 130
    sys.stderr.flush()
    # torch's own threads may take seconds to wind down, and nothing of ours is left to do
    os._exit(code)
