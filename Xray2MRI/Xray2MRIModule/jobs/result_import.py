"""Putting results into the scene in steps: one step per tick of the timer, so that the window stays responsive."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator

from ..failure import Failure
from ..translation import tr as _
from .job import Job

Steps = Generator[None, None, Failure | None]


class ResultImports:
    """Results that are being imported.

    ``onEnd(job, failure)`` is called after the last step; failure is None if all steps succeeded.
    """

    def __init__(self, onEnd: Callable[[Job, Failure | None], None]) -> None:
        self._onEnd = onEnd
        self._open: list[tuple[Job, Steps]] = []

    def __bool__(self) -> bool:
        return bool(self._open)

    def begin(self, job: Job, steps: Steps) -> None:
        """Take the first step."""
        self._open.append((job, steps))
        self._step(job, steps)

    def advance(self) -> None:
        """Take one step for each result."""
        for job, steps in list(self._open):
            if any(other is steps for _, other in self._open):
                self._step(job, steps)

    def cancel(self, job: Job) -> bool:
        """Take no further step for a job; its generator undoes its own work. Returns whether there was an import."""
        found = [steps for other, steps in self._open if other is job]
        self._open = [item for item in self._open if item[0] is not job]
        for steps in found:
            steps.close()
        return bool(found)

    def cancelAll(self) -> list[Job]:
        """Cancel every import; returns the jobs."""
        jobs = [job for job, _ in self._open]
        for job in jobs:
            self.cancel(job)
        return jobs

    def _step(self, job: Job, steps: Steps) -> None:
        try:
            next(steps)
            return
        except StopIteration as end:
            failure = end.value
        except (OSError, ValueError, KeyError, TypeError) as error:
            logging.exception("Xray2MRI: a result could not be imported")
            message = _("The result could not be loaded ({reason}).").format(reason=str(error).rstrip("."))
            failure = Failure("result-unreadable", message, _("Try again."))
        self._open = [item for item in self._open if item[1] is not steps]
        self._onEnd(job, failure)
