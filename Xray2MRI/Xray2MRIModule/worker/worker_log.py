"""What the background worker printed and logged, up to a limit."""

from __future__ import annotations

from collections import deque

MOST_CHARACTERS = 200_000


class WorkerLog:
    """Keeps the latest 200 kB of text."""

    def __init__(self) -> None:
        self._parts: deque[str] = deque()
        self._size = 0

    def append(self, text: str) -> None:
        """Add text, and drop the oldest where it gets too much."""
        self._parts.append(text)
        self._size += len(text)
        while self._size > MOST_CHARACTERS and len(self._parts) > 1:
            self._size -= len(self._parts.popleft())

    @property
    def text(self) -> str:
        """All that is kept."""
        return "".join(self._parts)
