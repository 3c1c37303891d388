"""How fast a cohort goes, and how long it still takes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

_WINDOW = 100


class Throughput:
    """Counts finished work; the rate is that of the last hundred pieces.

    ``clock`` gives seconds; replaced in tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: deque[float] = deque([clock()], maxlen=_WINDOW + 1)

    def finished(self) -> None:
        """One more piece is over."""
        self._times.append(self._clock())

    @property
    def per_hour(self) -> float | None:
        """Pieces an hour; None before the second one."""
        spent = self._times[-1] - self._times[0]
        return 3600 * (len(self._times) - 1) / spent if len(self._times) > 2 and spent > 0 else None

    def seconds_left(self, left: int) -> float | None:
        """Seconds for so many more pieces; None while the rate is unknown."""
        rate = self.per_hour
        return None if rate is None else 3600 * left / rate
