"""What the end of a worker means for its requests: which fail with which sentence, and which is sent again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..failure import CANCELLED, Failure
from ..translation import tr as _
from .process_runner import ProcessEnd
from .request import Request

_MOST_TRIES = 2


@dataclass(frozen=True)
class ExitDiagnosis:
    """``retry`` is a request for the next worker, ``failed`` are those that end now."""

    retry: Request | None = None
    failed: list[tuple[Request, Failure]] = field(default_factory=list)


def diagnose_exit(
    end: ProcessEnd,
    running: Request | None,
    waiting: Iterable[Request],
    *,
    started: bool,
    asked: bool,
    complaint: Failure | None,
    log: str,
) -> ExitDiagnosis:
    """Decide what happens to the requests of a worker that ended.

    ``started`` tells whether it had said hello, ``asked`` whether it had been asked to end, ``complaint`` why it could
    not start by its own account, ``log`` what it had printed. Waiting requests go to the next worker, unless this one
    could not start: the next one could not either.
    """
    retry: Request | None = None
    failed: list[tuple[Request, Failure]] = []
    if running is not None and running.cancelled_at is not None:
        failed.append((running, CANCELLED))
    elif running is not None and not running.acknowledged and running.tries < _MOST_TRIES:
        retry = running  # the worker ended, e.g. for lack of work, before the request came
    elif running is not None:
        failed.append((running, _unexpected_exit(end)))
    if not started and not asked:
        failure = complaint or _failed_start(end, log)
        failed += [(request, failure) for request in (*([retry] if retry else []), *waiting)]
        retry = None
    return ExitDiagnosis(retry, failed)


def _unexpected_exit(end: ProcessEnd) -> Failure:
    return Failure(
        "worker-died",
        _("The background process ended unexpectedly ({reason}).").format(reason=end.reason or _exit_code(end)),
        _("Try again. If it happens again, choose fewer slices or another device; the log has the details."),
    )


def _failed_start(end: ProcessEnd, log: str) -> Failure:
    last = next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "")
    why = end.reason or last[:300] or _exit_code(end)
    return Failure(
        "worker-cannot-start",
        _("The background process cannot start ({reason}).").format(reason=why.rstrip(".")),
        _("See section 7, Environment."),
    )


def _exit_code(end: ProcessEnd) -> str:
    return _("exit code {number}").format(number=end.exit_code)
