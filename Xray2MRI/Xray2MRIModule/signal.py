"""Signals in plain Python: one object emits, others connect functions. Qt's own signals need a QObject subclass, which
PythonQt supports badly."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any


class Signal:
    """Calls the connected functions in the order in which they were connected."""

    def __init__(self) -> None:
        self._slots: list[Callable[..., Any]] = []

    def connect(self, slot: Callable[..., Any] | None) -> None:
        """Call ``slot`` at each emission from now on; None connects nothing."""
        if slot is not None:
            self._slots.append(slot)

    def disconnect(self, slot: Callable[..., Any]) -> None:
        """Call ``slot`` no more; no effect if it is not connected."""
        if slot in self._slots:
            self._slots.remove(slot)

    def clear(self) -> None:
        """Disconnect all functions."""
        self._slots.clear()

    def emit(self, *arguments: Any) -> None:
        """Call all functions. An exception in one of them is logged, and the others are called all the same."""
        for slot in list(self._slots):
            try:
                slot(*arguments)
            except Exception:  # a fault in the panel must not break the job
                logging.exception("Xray2MRI: a connected function failed")


class JobSignals:
    """The signals of one job. Exactly one of ``finished`` and ``failed`` is emitted, once and last.

    Attributes
    ----------
    progress, slice
        Emitted with each report of progress and each final slice.
    finished
        Emitted with the result.
    failed
        Emitted with a Failure, also after a cancellation.
    """

    def __init__(self) -> None:
        self.progress, self.slice = Signal(), Signal()
        self.finished, self.failed = Signal(), Signal()

    def connect(
        self,
        *,
        onProgress: Callable[[Any], Any] | None = None,
        onSlice: Callable[[Any], Any] | None = None,
        onDone: Callable[[Any], Any] | None = None,
        onError: Callable[[Any], Any] | None = None,
    ) -> None:
        """Connect several functions at once; None connects nothing."""
        self.progress.connect(onProgress)
        self.slice.connect(onSlice)
        self.finished.connect(onDone)
        self.failed.connect(onError)

    def clear(self) -> None:
        """Disconnect all functions from all signals."""
        for signal in (self.progress, self.slice, self.finished, self.failed):
            signal.clear()
