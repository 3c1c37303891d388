"""The map of early osteoarthritis of a radiograph: its request, and its node in the scene."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..application import Application
from ..failure import Failure
from ..scene import subject_folder
from ..scene.activation_map import keep_map
from .job import Job
from .job_control import JobControl
from .radiograph_input import RADIOGRAPH_GONE, RadiographInput


class EarlyOsteoarthritis:
    """Asks the worker which places of a radiograph speak for KL-2 rather than KL-0."""

    def __init__(self, application: Application, jobs: JobControl, radiographs: RadiographInput) -> None:
        self._application = application
        self._jobs = jobs
        self._radiographs = radiographs

    def explain(
        self,
        radiographNode: Any,
        *,
        network: str = "",
        side: str = "auto",
        roi: Sequence[float] | None = None,
        knee: int | None = None,
        photometric: str = "auto",
        onDone: Callable[[Job], None] | None = None,
        onError: Callable[[Failure], None] | None = None,
    ) -> Job:
        """See ModuleLogic.explainEarlyOsteoarthritis."""
        job = self._jobs.newJob("early-oa")
        job.signals.connect(onDone=onDone, onError=onError)
        box = None if roi is None else [float(value) for value in roi]
        job.choices = {"network": str(network) or None, "side": side, "roi": box, "knee": knee or None,
                       "photometric": photometric}  # fmt: skip
        self._jobs.begin(job, lambda: self._fields(job, radiographNode))
        return job

    def finish(self, job: Job) -> Failure | None:
        """Keep the map as a node beside its radiograph."""
        radiograph = job.radiographNode
        if radiograph is None:
            return RADIOGRAPH_GONE
        again = self._radiographs.sendPixelsInstead(job, radiograph, self._jobs, lambda: self._fields(job, radiograph))
        if again is not None:
            return again
        node = keep_map(self._application.scene, radiograph, job.result)
        job.remember("map", node)
        subject_folder.put_beside(self._application.scene, radiograph, node)
        return None

    def _fields(self, job: Job, radiograph: Any) -> dict[str, Any]:
        return {**job.choices, **self._radiographs.fields(job, radiograph), "output": str(job.folder / "map.npy")}
