"""What the end of a worker means for the jobs that it had: which fail with which sentence, which is sent once more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..jobs.failure import CANCELLED, Failure
from ..translation import tr as _
from .process_runner import ProcessEnd
from .request import Job

_MOST_TRIES = 2


@dataclass(frozen=True)
class Verdict:
    """``again`` is a job for the next worker, ``failed`` are those that end now."""

    again: Job | None = None
    failed: list[tuple[Job, Failure]] = field(default_factory=list)


def judge_end(
    end: ProcessEnd,
    running: Job | None,
    waiting: Iterable[Job],
    *,
    started: bool,
    asked: bool,
    complaint: Failure | None,
    log: str,
) -> Verdict:
    """Judge the end of a worker.

    ``started`` tells whether it had said hello, ``asked`` whether it had been asked to end, ``complaint`` what it said
    against starting, ``log`` what it had printed. Jobs that wait go on waiting for another worker, unless this one
    could not start: the next one could not either.
    """
    again: Job | None = None
    failed: list[tuple[Job, Failure]] = []
    if running is not None and running.cancelled_at is not None:
        failed.append((running, CANCELLED))
    elif running is not None and not running.heard_of and running.tries < _MOST_TRIES:
        again = running  # it ended, e.g. for lack of work, before the job came
    elif running is not None:
        failed.append((running, _death(end)))
    if not started and not asked:
        failure = complaint or _failed_start(end, log)
        failed += [(job, failure) for job in (*([again] if again else []), *waiting)]
        again = None
    return Verdict(again, failed)


def _death(end: ProcessEnd) -> Failure:
    return Failure(
        "worker-died",
        _("The background worker ended unexpectedly ({reason}).").format(reason=end.reason or _exit_code(end)),
        _("Try again; if it happens again, choose fewer slices or another device. The log holds the details."),
    )


def _failed_start(end: ProcessEnd, log: str) -> Failure:
    last = next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "")
    why = end.reason or last[:300] or _exit_code(end)
    return Failure(
        "worker-cannot-start",
        _("The background worker cannot be started ({reason}).").format(reason=why.rstrip(".")),
        _("See the section Environment."),
    )


def _exit_code(end: ProcessEnd) -> str:
    return _("exit code {number}").format(number=end.exit_code)
