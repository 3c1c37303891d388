"""How long a job still takes, as a figure that a person believes: early, round, and seldom corrected upwards.

The pace comes from the latest passes alone: the first one, which loads kernels and fills memory, is left out, and what
happened long ago on a machine that was busy then no longer counts. The figure falls with the clock. It rises only when
several reports in a row agree that it must, so that one slow pass does not show.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

# share of the long part that the pace is measured over: a batch of ten of fifty slices, whose passes differ
_WINDOW = 0.2
# fewer reports than that after the first pass say nothing
_LEAST_REPORTS = 3
# reports in a row, and seconds between the first and the last of them, that must ask for a longer time
_AGREEING, _AGREEING_S = 4, 2.0
# what counts as longer at all
_NOTABLE, _NOTABLE_S = 1.15, 2.0
# (below so many seconds, round to so many)
_ROUNDING = ((10.0, 1.0), (60.0, 5.0), (600.0, 10.0), (3600.0, 60.0), (float("inf"), 300.0))


def rounded_seconds(seconds: float) -> float:
    """Seconds as a person would say them: to 1 s below 10 s, to 5 s below a minute, and so on."""
    step = next(step for below, step in _ROUNDING if seconds < below)
    return float(round(max(seconds, 0.0) / step) * step)


def duration_text(seconds: float) -> str:
    """A rounded time in words, e.g. "1 s", "45 s", "3 min 20 s", "1 h 25 min"."""
    whole = max(round(seconds), 1)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min"


class Pace:
    """Seconds that a whole long part takes, by the latest reports on its share.

    ``clock`` gives seconds; replaced in tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started: float | None = None
        self._first_pass_over = False
        self._reports: deque[tuple[float, float]] = deque()  # share, time

    def report(self, share: float) -> None:
        """Note that ``share`` (0 to 1) of the part is done."""
        now = self._clock()
        if self._started is None:
            self._started = now
            self._reports.append((share, now))
            return
        if share <= self._reports[-1][0]:
            return
        if not self._first_pass_over:
            self._first_pass_over = True
            self._reports.clear()
        self._reports.append((share, now))
        while len(self._reports) > _LEAST_REPORTS and self._reports[1][0] <= share - _WINDOW:
            self._reports.popleft()

    def whole_s(self) -> float | None:
        """Seconds of the whole part at this pace; None while unknown."""
        if len(self._reports) < _LEAST_REPORTS:
            return None
        (first, began), (last, ended) = self._reports[0], self._reports[-1]
        return (ended - began) / (last - first)


class TimeLeft:
    """Turns raw estimates into the figure that is shown. ``clock`` gives seconds; replaced in tests."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._shown: float | None = None
        self._shown_at = 0.0
        self._longer_since: float | None = None
        self._longer = 0

    def show(self, estimate: float | None, known: bool = True) -> float | None:
        """The figure in seconds, rounded, for an estimate of this moment; None where nothing can be said.

        That is so while there has been no estimate, and when the time of the last one is over. ``known`` is False for
        an expectation that nothing has been measured of; it never corrects a figure.
        """
        now = self._clock()
        counted = None if self._shown is None else max(self._shown - (now - self._shown_at), 0.0)
        if counted is None:
            self._set(estimate, now)
        elif estimate is None or not known:
            self._set(counted, now)
        elif estimate <= counted:
            self._forget()
            # half of the way: the next report may be slower again
            self._set((estimate + counted) / 2 if counted - estimate < counted / 2 else estimate, now)
        else:
            self._set(self._after(estimate, counted, now), now)
        return max(rounded_seconds(self._shown), 1.0) if self._shown else None

    def _after(self, estimate: float, counted: float, now: float) -> float:
        """The figure when an estimate is longer than what is left of the last figure."""
        if estimate <= counted * _NOTABLE + _NOTABLE_S:
            self._forget()
            return counted
        self._longer_since = now if self._longer_since is None else self._longer_since
        self._longer += 1
        if self._longer < _AGREEING or now - self._longer_since < _AGREEING_S:
            return counted
        self._forget()
        return estimate

    def _set(self, seconds: float | None, now: float) -> None:
        self._shown, self._shown_at = seconds, now

    def _forget(self) -> None:
        self._longer, self._longer_since = 0, None
