"""A timer in Qt's event loop while there is work; without Qt the owner must poll."""

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
        """Start the timer; no effect if it runs."""
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
        """Stop the timer."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.stop()
            timer.disconnect("timeout()", self._function)
            timer.deleteLater()
