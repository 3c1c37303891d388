"""How far a job is and how long it still takes, from the parts it consists of."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import Cancelled
from .time_left import Pace, TimeLeft


class JobProgress:
    """Turns "this part, so far" into one fraction for the whole job that never falls, and an estimate of the time left.

    Parameters
    ----------
    expected_seconds
        Part name -> rough duration, in the order of work.
    pacemaker
        The long part whose measured pace replaces its expected duration; the others are short, and their durations
        stay.
    report
        Receives ``{"stage", "step", "of", "fraction", "eta_s"}`` as in protocol.REPORTS["progress"].
    clock
        Seconds; replaced in tests.
    proportions_only
        The expected seconds tell proportions alone: no time is shown before a pace has been measured.
    """

    def __init__(
        self,
        expected_seconds: Mapping[str, float],
        pacemaker: str,
        report: Callable[[dict[str, Any]], None],
        clock: Callable[[], float] = time.monotonic,
        *,
        proportions_only: bool = False,
    ) -> None:
        self._expected = dict(expected_seconds)
        self._total = sum(self._expected.values())
        self._pacemaker = pacemaker
        self._report = report
        self._clock = clock
        self._proportions_only = proportions_only
        self._fraction = 0.0
        self._pace = Pace(clock)
        self._left = TimeLeft(clock)
        self._part: str | None = None
        self._part_began = 0.0

    def at(self, part: str, share: float = 0.0, *, stage: str | None = None, step: int = 0, of: int = 1) -> None:
        """Report that all parts before ``part`` are over and ``share`` (0 to 1) of this one is done.

        ``stage`` names what goes on in the words of the user; by default the part.
        """
        if part != self._part:
            self._part, self._part_began = part, self._clock()
        if part == self._pacemaker:
            self._pace.report(share)
        ahead = self._expected[part] * (1.0 - share) + sum(self._expected[name] for name in self._after(part))
        self._fraction = max(self._fraction, min(1.0, 1.0 - ahead / self._total))
        self._report(
            {
                "stage": stage or part,
                "step": step,
                "of": of,
                "fraction": round(self._fraction, 4),
                "eta_s": self._eta(part, share),
            }
        )

    def finished(self) -> None:
        """Report the end of the job."""
        self._fraction = 1.0
        self._report({"stage": "done", "step": 1, "of": 1, "fraction": 1.0, "eta_s": 0.0})

    def _after(self, part: str) -> list[str]:
        names = list(self._expected)
        return names[names.index(part) + 1 :]

    def _eta(self, part: str, share: float) -> float | None:
        """Seconds left, as they are shown."""
        whole = self._pace.whole_s()
        later = self._after(part)
        if self._proportions_only:
            # what lies behind the long part has no seconds of its own
            scale = None if whole is None else whole / self._expected[self._pacemaker]
            ahead = self._expected[part] * (1.0 - share) + sum(self._expected[name] for name in later)
            return self._left.show(None if scale is None else scale * ahead)
        rest = sum(self._expected[name] for name in later if name != self._pacemaker)
        if part == self._pacemaker:
            own = (whole if whole is not None else self._expected[part]) * (1.0 - share)
            return self._left.show(own + rest, known=whole is not None)
        spent = self._clock() - self._part_began
        own = max(self._expected[part] * (1.0 - share) - spent, 0.0)
        if self._pacemaker in later:
            return self._left.show(own + rest + self._expected[self._pacemaker], known=False)
        return self._left.show(own + rest)


class StageTimer:
    """Leads a job through its stages: reports progress, measures each stage, notices cancellation between them.

    The first three parameters are those of JobProgress. ``should_cancel`` is asked at the beginning of each stage.
    """

    def __init__(
        self,
        expected_seconds: Mapping[str, float],
        pacemaker: str,
        on_progress: Callable[[dict[str, Any]], None] | None,
        should_cancel: Callable[[], bool] | None,
    ) -> None:
        self._pacemaker = pacemaker
        self._progress = JobProgress(expected_seconds, pacemaker, on_progress or (lambda event: None))
        self._should_cancel = should_cancel or (lambda: False)
        self._stage: str | None = None
        self._since = time.monotonic()
        self.timings_s: dict[str, float] = {}

    def enter(self, stage: str) -> None:
        """Begin a stage. Raises Cancelled when the caller asked for it."""
        self.leave()
        if self._should_cancel():
            raise Cancelled()
        self._stage, self._since = stage, time.monotonic()
        self._progress.at(stage)

    def leave(self) -> None:
        """End the stage that is on."""
        if self._stage is not None:
            self.timings_s[self._stage] = round(time.monotonic() - self._since, 3)
            self._stage = None

    def listener(self, on_slice: Callable[[dict[str, Any]], None] | None) -> Callable[[dict[str, Any]], None]:
        """A callback for the pipeline that passes slices to ``on_slice`` and everything else to the progress."""

        def listen(event: dict[str, Any]) -> None:
            if event["stage"] != "slice":
                words = {name: event[name] for name in ("stage", "step", "of")}
                self._progress.at(self._pacemaker, event["fraction"], **words)
            elif on_slice is not None:
                on_slice(event)

        return listen

    def finished(self) -> None:
        """Report the end."""
        self.leave()
        self._progress.finished()
