"""The analysis of a radiograph before a generation: knees, side, view, grade, grey levels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..failure import Failure
from ..translation import tr as _
from .job import Job
from .job_control import JobControl
from .radiograph_input import RADIOGRAPH_GONE, RadiographInput

_AS_SHOWN = _("The file says that the image is rotated; it was used as shown. Check the side.")


class Preparation:
    """Analyses one radiograph at a time; a new call replaces an unfinished one."""

    def __init__(self, jobs: JobControl, radiographs: RadiographInput) -> None:
        self._jobs = jobs
        self._radiographs = radiographs
        self._job: Job | None = None

    def prepare(
        self,
        radiographNode: Any,
        *,
        side: str = "auto",
        roi: Sequence[float] | None = None,
        knee: int | None = None,
        photometric: str = "auto",
        onDone: Callable[[dict[str, Any]], None] | None = None,
        onError: Callable[[Failure], None] | None = None,
    ) -> Job:
        """See ModuleLogic.prepare."""
        job = self._jobs.newJob("prepare")
        job.signals.connect(onDone=None if onDone is None else lambda done: onDone(done.result), onError=onError)
        self.drop()
        self._job = job
        box = None if roi is None else [float(value) for value in roi]
        job.choices = {"side": side, "roi": box, "knee": knee or None, "photometric": photometric}
        self._jobs.begin(job, lambda: self._radiographs.fields(job, radiographNode) | job.choices)
        return job

    def finish(self, job: Job) -> Failure | None:
        """Accept the result, or analyse the pixels instead if the library has turned the file upright."""
        radiograph = job.radiographNode
        if radiograph is None:
            return RADIOGRAPH_GONE
        if self._radiographs.isPixelsOnly(radiograph):
            job.result["film_warnings"] = [*job.result["film_warnings"], _AS_SHOWN]
        return self._radiographs.sendPixelsInstead(
            job, radiograph, self._jobs, lambda: self._radiographs.fields(job, radiograph) | job.choices
        )

    def drop(self) -> None:
        """Cancel an unfinished analysis; its callbacks are not called."""
        job, self._job = self._job, None
        if job is not None and not job.isOver:
            job.signals.clear()
            self._jobs.cancel(job)
