"""A clock tick in the event loop while something is under way; without Qt the owner polls by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

INTERVAL_MS = 50


class PollTimer:
    """Calls a function every 50 ms between ``start`` and ``stop``."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function
        self._timer: Any = None

    def start(self) -> None:
        """Begin ticking, unless it does already."""
        try:
            import qt
        except ImportError:
            return
        if self._timer is None:
            self._timer = qt.QTimer()
            self._timer.interval = INTERVAL_MS
            self._timer.connect("timeout()", self._function)
            self._timer.start()

    def stop(self) -> None:
        """End ticking."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.stop()
            timer.disconnect("timeout()", self._function)
            timer.deleteLater()
