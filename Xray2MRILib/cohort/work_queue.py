"""The queue of a cohort: what waits, what runs, what is over, and what is tried again.

The command and the Slicer module use the same queue. Only the standard library is imported.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

WAITING, RUNNING, DONE, REFUSED, FAILED = "waiting", "running", "done", "refused", "failed"
STATES = (WAITING, RUNNING, DONE, REFUSED, FAILED)
K = TypeVar("K", bound=Hashable)


class WorkQueue(Generic[K]):
    """Keys in the order in which they were added.

    Parameters
    ----------
    retries
        How often work that failed is tried again. Refused work, i.e. unusable input, never is.
    """

    def __init__(self, retries: int = 2) -> None:
        self._retries = retries
        self._waiting: deque[K] = deque()
        self._states: dict[K, str] = {}
        self._attempts: dict[K, int] = {}

    def add(self, key: K, state: str = WAITING) -> None:
        """Add work; a key that is known already is left alone."""
        if key not in self._states:
            self._states[key] = state
            if state == WAITING:
                self._waiting.append(key)

    def take(self) -> K | None:
        """The next waiting work, which now runs; None when nothing waits."""
        if not self._waiting:
            return None
        key = self._waiting.popleft()
        self._states[key] = RUNNING
        self._attempts[key] = self._attempts.get(key, 0) + 1
        return key

    def put_back(self, key: K) -> None:
        """Running work waits again as if it had not been taken."""
        self._attempts[key] -= 1
        self._states[key] = WAITING
        self._waiting.appendleft(key)

    def finish(self, key: K, state: str = DONE) -> None:
        """Running work is over: done or refused."""
        self._states[key] = state

    def fail(self, key: K, *, final: bool = False) -> bool:
        """Running work failed. Returns whether it is tried again, after everything that waits now."""
        again = not final and self._attempts[key] <= self._retries
        self._states[key] = WAITING if again else FAILED
        if again:
            self._waiting.append(key)
        return again

    def set_aside(self, key: K) -> None:
        """Running work leaves the queue until ``restore``: somebody else has it."""
        self._attempts[key] -= 1
        self._states[key] = WAITING

    def restore(self, key: K) -> None:
        """Work that was set aside waits again."""
        self._waiting.append(key)

    def attempts(self, key: K) -> int:
        """How often the work was taken."""
        return self._attempts.get(key, 0)

    def state(self, key: K) -> str:
        """The state of a key."""
        return self._states[key]

    def count(self, *states: str) -> int:
        """Number of keys in these states."""
        return sum(state in states for state in self._states.values())

    @property
    def has_waiting(self) -> bool:
        """Whether ``take`` would return a key."""
        return bool(self._waiting)
