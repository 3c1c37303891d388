"""A synthetic course of a radiograph towards a grade: its request, and its frames in the scene."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..application import Application
from ..failure import Failure
from ..scene import subject_folder, synthetic_course
from ..translation import tr as _
from .job import Job, Progress
from .job_control import JobControl
from .radiograph_input import RADIOGRAPH_GONE, RadiographInput
from .result_import import Steps

# the grade of each volume is that of its radiograph; one sample each
_NOT_SENT = ("kl", "kl_grade", "samples")


class Progression:
    """Sends a radiograph to the worker and brings its course back as a sequence."""

    def __init__(self, application: Application, jobs: JobControl, radiographs: RadiographInput) -> None:
        self._application = application
        self._jobs = jobs
        self._radiographs = radiographs

    def progress(
        self,
        radiographNode: Any,
        *,
        toGrade: int = 4,
        course: str = "",
        frames: int = 8,
        volumes: bool = False,
        morphingModel: str = "",
        settings: dict[str, Any] | None = None,
        onProgress: Callable[[Progress], None] | None = None,
        onDone: Callable[[Job], None] | None = None,
        onError: Callable[[Failure], None] | None = None,
    ) -> Job:
        """See ModuleLogic.progress."""
        job = self._jobs.newJob("progress")
        job.signals.connect(onProgress=onProgress, onDone=onDone, onError=onError)
        job.choices = {name: value for name, value in (settings or {}).items() if name not in _NOT_SENT}
        job.choices |= {
            "to_grade": int(toGrade), "course": str(course) or None, "frames": int(frames), "volumes": bool(volumes),
            "morphing_model": str(morphingModel) or None,
        }  # fmt: skip
        self._jobs.beginAlone(job, lambda: self._fields(job, radiographNode))
        return job

    def finish(self, job: Job) -> Steps | Failure | None:
        """Add the course to the scene, one frame a step; undone when it is cancelled meanwhile."""
        radiograph = job.radiographNode
        if radiograph is None:
            return RADIOGRAPH_GONE
        again = self._radiographs.sendPixelsInstead(job, radiograph, self._jobs, lambda: self._fields(job, radiograph))
        return again or self._import(job, radiograph)

    def _fields(self, job: Job, radiograph: Any) -> dict[str, Any]:
        return {**job.choices, **self._radiographs.fields(job, radiograph), "output_folder": str(job.folder / "course")}

    def _import(self, job: Job, radiograph: Any) -> Steps:
        folder, scene = Path(job.result["folder"]), self._application.scene
        films = np.load(folder / "films.npy", allow_pickle=False)
        draft, complete = synthetic_course.CourseDraft(scene, radiograph, job.result, films), False
        try:
            for index in range(len(films)):
                draft.add(index, folder)
                yield
                if job.radiographNode is None:
                    return RADIOGRAPH_GONE
            browser = draft.finish()
            job.folderItem = subject_folder.create_run_folder(scene, _("Synthetic course"), radiograph)
            subject_folder.put(scene, job.folderItem, draft.film, draft.volume, *draft.sequences, browser)
            for role, node in (("film", draft.film), ("courseVolume", draft.volume), ("course", browser)):
                job.remember(role, node)
            synthetic_course.select_frame(browser, 0, self._application.moduleLogic("Sequences"))
            complete = True
        finally:
            if not complete:
                draft.discard()
        return None
