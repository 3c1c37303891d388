"""The radiograph of a request: its own file, or its pixels where the file would not show what the user sees."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

from ..application import Application
from ..failure import Failure, JobFailed
from ..scene.radiograph_node import is_radiograph, radiograph_file, radiograph_size, write_pixels
from ..translation import tr as _
from .job import Job
from .job_control import SENT_AGAIN, JobControl

RADIOGRAPH_GONE = Failure("no-radiograph", _("The radiograph was deleted."), _("Choose another one."))


class RadiographInput:
    """Gives the worker a file for a radiograph, and remembers which radiographs need their pixels written."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._pixelsOnly: set[str] = set()  # IDs of radiographs that the library would turn upright

    def fields(self, job: Job, radiograph: Any) -> dict[str, Any]:
        """The field ``radiograph`` of a request. Raises JobFailed for a node that is none, OSError."""
        failure = is_radiograph(radiograph)
        if failure is not None:
            raise JobFailed(failure)
        job.remember("radiograph", radiograph)
        if self.isPixelsOnly(radiograph):
            job.folder.mkdir(parents=True, exist_ok=True)
            return {"radiograph": str(write_pixels(radiograph, job.folder))}
        return {"radiograph": str(radiograph_file(self._application, radiograph, job.folder))}

    def isPixelsOnly(self, radiograph: Any) -> bool:
        """Whether the pixels are sent instead of the file."""
        return radiograph.GetID() in self._pixelsOnly

    def sendPixelsInstead(
        self, job: Job, radiograph: Any, jobs: JobControl, fields: Callable[[], dict[str, Any]]
    ) -> Failure | None:
        """Send a finished job once more with the pixels, if the library has turned the file upright.

        Rectangles would not fit the image that the user sees. Returns SENT_AGAIN, or None where the result fits.
        """
        about = job.result["film"]
        fits = not about["turned_upright"] and (about["columns"], about["rows"]) == tuple(radiograph_size(radiograph))
        if fits or self.isPixelsOnly(radiograph):
            return None
        self.usePixelsOnly(radiograph)
        shutil.rmtree(job.folder, ignore_errors=True)
        jobs.begin(job, fields)
        return SENT_AGAIN

    def usePixelsOnly(self, radiograph: Any) -> None:
        """Send the pixels from now on."""
        self._pixelsOnly.add(radiograph.GetID())

    def forgetAll(self) -> None:
        """The scene was closed: IDs will mean other nodes."""
        self._pixelsOnly.clear()
