"""The jobs of the background process: one after another, each with its reports and its one end."""

from __future__ import annotations

import queue
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, ProcessingError, Xray2MRIError, refusal_of_system, unusable_name
from ..files.crash_log import failure_text
from .channel import ReportChannel, RequestReader, report_line
from .slice_files import SliceFiles

if TYPE_CHECKING:
    from ..generation.volume_from_radiograph import Generation

# limit for volumes in memory for densify; a volume of 500 slices has 131 MB
KEPT_VOLUMES_BYTES = 512_000_000
# fields that may identify a person; removed from failure reports
_PATHS = ("radiograph", "volume", "reference", "controls", "output", "output_folder", "montage", "preview",
          "slice_folder", "comparison", "network", "morphing_model")  # fmt: skip


class Worker:
    """Runs jobs one after another and keeps the model and the latest volumes in memory for the next ones."""

    def __init__(self, channel: ReportChannel, reader: RequestReader) -> None:
        from ..generation.pipeline_cache import PipelineCache

        self._channel = channel
        self._reader = reader
        self._pipelines = PipelineCache()
        self._done: OrderedDict[str, Generation] = OrderedDict()
        # request -> method that runs it and returns the fields of the result
        self._work: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "generate": self._generate,
            "densify": self._densify,
            "prepare": self._prepare,
            "early-oa": self._explain_early_osteoarthritis,
            "progress": self._progress,
            "compare": self._compare,
            "export": self._export,
            "enhance": self._enhance,
        }

    def serve(self, idle_shutdown_s: float) -> None:
        """Run jobs until ``shutdown`` or until there is no request for ``idle_shutdown_s`` seconds."""
        while True:
            try:
                message = self._reader.jobs.get(timeout=min(idle_shutdown_s, threading.TIMEOUT_MAX))
            except queue.Empty:
                self._channel.send("log", message=f"No request for {idle_shutdown_s:g} seconds: the worker ends.")
                return
            if message is None:
                return
            self._run_job(message)

    def _run_job(self, message: dict[str, Any]) -> None:
        job = message["job"]
        try:
            line = report_line("result", job=job, result=self._work[message["type"]](message))
        except Xray2MRIError as error:
            failure = error
        except UnicodeEncodeError:
            failure = unusable_name()
        except MemoryError:
            failure = ProcessingError(
                "This machine does not have enough memory.",
                code="out-of-memory",
                hint="Choose fewer slices, or close other programs.",
            )
        except Exception as error:
            known = refusal_of_system(error) if isinstance(error, OSError) else None
            failure = known or self._unforeseen(error, message)
        else:
            self._reader.finish_job()
            self._channel.write(line)
            return
        self._reader.finish_job()
        self._channel.send_error(failure, job)

    @staticmethod
    def _unforeseen(error: Exception, message: dict[str, Any]) -> Xray2MRIError:
        """Print the traceback without what may identify a person; returns the error that tells of it."""
        print(failure_text(error, [str(message.get(name, "")) for name in _PATHS]), file=sys.stderr, flush=True)
        return Xray2MRIError(
            f"An unexpected {type(error).__name__} stopped the job.", code="internal", hint="See the log for details."
        )

    def _generate(self, message: dict[str, Any]) -> dict[str, Any]:
        from ..generation.settings import GenerationSettings
        from ..generation.volume_from_radiograph import generate

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
        return self._remember(message["job"], generation)

    def _densify(self, message: dict[str, Any]) -> dict[str, Any]:
        from ..generation.volume_from_radiograph import densify

        earlier = self._find_earlier(message)
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
        return self._remember(message["job"], generation)

    def _prepare(self, message: dict[str, Any]) -> dict[str, Any]:
        from ..generation.radiograph_check import check_radiograph
        from ..generation.settings import GenerationSettings

        choices = {name: message.get(name) for name in ("side", "roi", "knee", "photometric")}
        return check_radiograph(
            Path(message["radiograph"]),
            GenerationSettings.from_message(choices),
            preview=message.get("preview") or None,
            should_cancel=self._reader.cancel.is_set,
        )

    def _explain_early_osteoarthritis(self, message: dict[str, Any]) -> dict[str, Any]:
        from ..generation.early_osteoarthritis import explain_early_osteoarthritis
        from ..generation.settings import GenerationSettings

        choices = {name: message.get(name) for name in ("side", "roi", "knee", "photometric")}
        return explain_early_osteoarthritis(
            Path(message["radiograph"]),
            Path(message["output"]),
            GenerationSettings.from_message(choices),
            network=Path(message["network"]) if message.get("network") else None,
            should_cancel=self._reader.cancel.is_set,
        )

    def _progress(self, message: dict[str, Any]) -> dict[str, Any]:
        from ..generation.settings import GenerationSettings
        from ..progression.radiograph_series import series_of_radiograph

        return series_of_radiograph(
            Path(message["radiograph"]),
            Path(message["output_folder"]),
            GenerationSettings.from_message(message),
            to_grade=4 if message.get("to_grade") is None else message["to_grade"],
            course=message.get("course") or None,
            frames=8 if message.get("frames") is None else message["frames"],
            volumes=bool(message.get("volumes")),
            morphing_model=Path(message["morphing_model"]) if message.get("morphing_model") else None,
            pipelines=self._pipelines,
            on_progress=lambda event: self._channel.send("progress", job=message["job"], **event),
            should_cancel=self._reader.cancel.is_set,
        )

    def _compare(self, message: dict[str, Any]) -> dict[str, Any]:
        from ..comparison.compare import compare
        from ..reports.comparison_files import write_comparison

        return compare(
            message["volume"],
            message["reference"],
            method=message.get("align") or "rigid",
            initial=message.get("initial"),
            controls=message.get("controls"),
            output_folder=message["output_folder"],
            write=write_comparison,
            on_progress=lambda event: self._channel.send("progress", job=message["job"], **event),
            should_cancel=self._reader.cancel.is_set,
        ).result

    def _export(self, message: dict[str, Any]) -> dict[str, Any]:
        from ..export.convert import convert

        files = convert(
            message["volume"],
            message["output"],
            message.get("format"),
            radiograph=message.get("radiograph"),
            comparison=message.get("comparison"),
            keep_identifiers=bool(message.get("keep_identifiers")),
            should_cancel=self._reader.cancel.is_set,
        )
        return {"files": [str(path) for path in files]}

    def _enhance(self, message: dict[str, Any]) -> dict[str, Any]:
        from ..super_resolution.enhance import EnhancementSettings, enhance

        given = {"spacing_mm": message["spacing"], "thickness_mm": message.get("thickness")}
        given |= {name: message[name] for name in ("model", "teacher", "device") if message.get(name) is not None}
        return enhance(
            message["volume"],
            message["output"],
            EnhancementSettings(**given),
            on_progress=lambda event: self._channel.send("progress", job=message["job"], **event),
            should_cancel=self._reader.cancel.is_set,
        )

    def _find_earlier(self, message: dict[str, Any]) -> Generation:
        """The earlier volume of a densify request, from memory or from its files."""
        if message.get("of_job") is not None:
            earlier = self._done.get(message["of_job"])
            if earlier is None:
                raise InputError(
                    f"The volume of job {message['of_job']} is not in memory.",
                    code="no-such-job",
                    hint="Give its volume file and the radiograph instead.",
                )
            return earlier
        if message.get("volume") is None or message.get("radiograph") is None:
            raise InputError(
                "The request densify names neither an earlier job nor a volume and its radiograph.",
                code="bad-request",
                hint="Give of_job, or volume and radiograph.",
            )
        from ..generation.volume_from_radiograph import reopen

        choices = {name: message[name] for name in ("model", "device", "precision") if message.get(name) is not None}
        return reopen(message["volume"], message["radiograph"], **choices)

    def _remember(self, job: str, generation: Generation) -> dict[str, Any]:
        """Keep the volume for densify and drop the oldest ones beyond the limit; returns its result."""
        self._done.pop(job, None)
        self._done[job] = generation
        while len(self._done) > 1 and sum(kept.volume.nbytes for kept in self._done.values()) > KEPT_VOLUMES_BYTES:
            self._done.popitem(last=False)
        return generation.result
