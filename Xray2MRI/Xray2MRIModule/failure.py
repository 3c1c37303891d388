"""A failure as the user reads it: what is wrong and what to do, never a traceback."""

from __future__ import annotations

from dataclasses import dataclass

from .translation import tr as _


@dataclass(frozen=True)
class Failure:
    """``code`` is a stable word for programs, ``message`` one sentence, ``hint`` what to do about it, may be empty.

    ``field`` names the setting at fault as in the worker's protocol, e.g. "roi"; empty when it is none.
    """

    code: str
    message: str
    hint: str = ""
    field: str = ""

    @property
    def is_cancellation(self) -> bool:
        """Whether the user asked for it, so that nothing needs to be explained."""
        return self.code == "cancelled"

    def sentence(self) -> str:
        """Message and hint on one line."""
        return " ".join(part.strip() for part in (self.message, self.hint) if part.strip())


CANCELLED = Failure("cancelled", _("Cancelled."))


class JobFailed(Exception):  # noqa: N818 (cancellation is no fault)
    """What ``Job.wait`` raises; ``failure`` tells why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.sentence())
        self.failure = failure
