"""How far a job is and how long it still takes, from the parts it consists of."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any


class JobProgress:
    """Turns "this part, so far" into one fraction for the whole job that never falls, and an estimate of the time left.

    Parameters
    ----------
    expected_seconds
        Part name -> rough duration, in the order of work. Only the proportions matter.
    pacemaker
        The long part whose measured pace corrects all expectations that lie ahead.
    report
        Receives ``{"stage", "step", "of", "fraction", "eta_s"}`` as in protocol.REPORTS["progress"].
    clock
        Seconds; replaced in tests.
    """

    def __init__(
        self,
        expected_seconds: Mapping[str, float],
        pacemaker: str,
        report: Callable[[dict[str, Any]], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._expected = dict(expected_seconds)
        self._total = sum(self._expected.values())
        self._pacemaker = pacemaker
        self._report = report
        self._clock = clock
        self._fraction = 0.0
        self._pace_started: float | None = None
        self._pace: float | None = None

    def at(self, part: str, share: float = 0.0, *, stage: str | None = None, step: int = 0, of: int = 1) -> None:
        """Report that all parts before ``part`` are over and ``share`` (0 to 1) of this one is done.

        ``stage`` names what goes on in the words of the user; by default the part.
        """
        now = self._clock()
        names = list(self._expected)
        place = names.index(part)
        ahead = self._expected[part] * (1.0 - share) + sum(self._expected[name] for name in names[place + 1 :])
        if part == self._pacemaker:
            if self._pace_started is None:
                self._pace_started = now
            if share >= 0.02:
                self._pace = (now - self._pace_started) / (self._expected[part] * share)
        self._fraction = max(self._fraction, min(1.0, 1.0 - ahead / self._total))
        self._report(
            {
                "stage": stage or part,
                "step": step,
                "of": of,
                "fraction": round(self._fraction, 4),
                "eta_s": None if self._pace is None else round(self._pace * ahead, 1),
            }
        )

    def finished(self) -> None:
        """Report the end of the job."""
        self._fraction = 1.0
        self._report({"stage": "done", "step": 1, "of": 1, "fraction": 1.0, "eta_s": 0.0})
