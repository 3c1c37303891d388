"""Putting results into the scene piece by piece: one step a tick of the timer, so that the window stays alive."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator

from ..translation import tr as _
from .failure import Failure
from .run import Run

Steps = Generator[None, None, Failure | None]


class TakeOvers:
    """Results on their way. ``onEnd(run, failure)`` follows the last step; failure is None when all went well."""

    def __init__(self, onEnd: Callable[[Run, Failure | None], None]) -> None:
        self._onEnd = onEnd
        self._open: list[tuple[Run, Steps]] = []

    def __bool__(self) -> bool:
        return bool(self._open)

    def begin(self, run: Run, steps: Steps) -> None:
        """Take the first step."""
        self._open.append((run, steps))
        self._step(run, steps)

    def proceed(self) -> None:
        """Take one step for each result."""
        for run, steps in list(self._open):
            if any(other is steps for _, other in self._open):
                self._step(run, steps)

    def giveUp(self, run: Run) -> bool:
        """Take no further step for a run and let it undo what it does itself. Returns whether it was on its way."""
        found = [steps for other, steps in self._open if other is run]
        self._open = [item for item in self._open if item[0] is not run]
        for steps in found:
            steps.close()
        return bool(found)

    def giveUpAll(self) -> list[Run]:
        """The same for all; returns the runs."""
        runs = [run for run, _ in self._open]
        for run in runs:
            self.giveUp(run)
        return runs

    def _step(self, run: Run, steps: Steps) -> None:
        try:
            next(steps)
            return
        except StopIteration as end:
            failure = end.value
        except (OSError, ValueError, KeyError, TypeError) as error:
            logging.exception("Xray2MRI: a result could not be taken over")
            message = _("The result cannot be taken over ({reason}).").format(reason=str(error).rstrip("."))
            failure = Failure("result-unreadable", message, _("Try again."))
        self._open = [item for item in self._open if item[1] is not steps]
        self._onEnd(run, failure)
