"""One request to the background worker."""

from __future__ import annotations

import itertools
import os
from typing import Any

from ..signal import JobSignals

_numbers = itertools.count(1)


class Request:
    """One message that starts a job in the worker, and what the worker reports about it.

    Parameters
    ----------
    kind
        Type of the message: prepare, generate, densify, compare or export.
    fields
        Its other fields, see Xray2MRILib.worker.protocol.

    Attributes
    ----------
    signals
        ``progress`` and ``slice`` carry reports of the worker, ``finished`` the result, ``failed`` a Failure.
    cancelled_at
        Time of the cancellation; None without one.
    acknowledged
        Whether the worker has reported anything about the request.
    tries
        How often it was sent.
    """

    def __init__(self, kind: str, fields: dict[str, Any]) -> None:
        # no other request of this program has the same one
        self.identifier: str = fields.get("job") or f"{os.getpid()}-{next(_numbers)}"
        self.message = {"type": kind, **fields, "job": self.identifier}
        self.signals = JobSignals()
        self.cancelled_at: float | None = None
        self.acknowledged = False
        self.tries = 0
