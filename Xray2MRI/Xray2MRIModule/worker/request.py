"""One request to the background worker on its way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..jobs.failure import Failure

Listener = Callable[[Any], None]


def ignore(_: Any) -> None:
    """A listener that does not care."""


@dataclass
class Job:
    """One request on its way. Exactly one of ``on_result`` and ``on_error`` is called, once."""

    identifier: str
    request: dict[str, Any]
    on_result: Listener = ignore
    on_error: Callable[[Failure], None] = ignore
    on_progress: Listener = ignore
    on_slice: Listener = ignore
    cancelled_at: float | None = field(default=None, init=False)
    heard_of: bool = field(default=False, init=False)
    tries: int = field(default=0, init=False)
