"""The loop of a run: gives waiting work to the executor and writes down what comes back."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import ProcessingError, Xray2MRIError
from .executor import Executor, start_executor
from .keyed_rows import KeyedRow
from .manifest import EVALUATION, VOLUME
from .task import DIED, FAULT, FINISHED, PROGRESS, RETURNED, Report, Task
from .throughput import Throughput
from .work_queue import DONE, FAILED, REFUSED, RUNNING, WAITING, WorkQueue

if TYPE_CHECKING:
    from .lease import Leases
    from .run import CohortSetup

Work = tuple[str, str]
_TABLE_EVERY = 50
# a table of many rows is written less often, so that writing takes at most a twentieth of the time
_TABLE_PAUSE = 20
_LOOK_EVERY_S = 0.5
_OTHERS_EVERY_S = 2.0
# no other radiograph would fare better
_ENDS_RUN = ("disk-full", "write-failed", "bad-output", "other-version", "worker-cannot-start", "missing-dependency")


class WorkRun:
    """One run over the waiting work of a cohort.

    Attributes
    ----------
    was_stopped
        Whether the caller asked to stop.
    seconds
        Duration of ``work_off``.
    """

    def __init__(
        self,
        setup: CohortSetup,
        leases: Leases,
        on_progress: Callable[[dict[str, Any]], None],
        should_stop: Callable[[], bool],
        executor: Executor | None = None,
    ) -> None:
        self._setup = setup
        self._leases = leases
        self._on_progress = on_progress
        self._should_stop = should_stop
        self._executor = executor
        self._rows: dict[str, KeyedRow] = {row.key: row for row in setup.rows if row.key and row.refusal is None}
        self._queue: WorkQueue[Work] = WorkQueue(setup.plan.retries)
        self._elsewhere: list[Work] = []
        self._halvings: dict[Work, int] = {}
        self._alone: set[Work] = set()
        self._fault: Xray2MRIError | None = None
        self._since_table = 0
        self._next_table = 0.0
        self.was_stopped = False
        self.seconds = 0.0

    def work_off(self) -> None:
        """Carry out all waiting work. Raises ProcessingError when the run cannot go on."""
        began = time.monotonic()
        self._fill_queue()
        self._throughput = Throughput()
        if self._queue.has_waiting:
            executor = self._executor = self._executor or start_executor(self._setup.plan)
            try:
                while self._goes_on(executor):
                    self._step(executor)
            finally:
                executor.close()
        self.seconds = time.monotonic() - began
        if self._fault is not None:
            with contextlib.suppress(Xray2MRIError):
                self._setup.write_results(self._setup.result_rows())
            raise self._fault

    # the queue

    def _fill_queue(self) -> None:
        plan, setup = self._setup.plan, self._setup
        volumes = 0
        for row in self._rows.values():
            if not plan.has_row(row.row.number):
                continue
            line = setup.manifest.last(row.key)
            if line is not None and line["state"] == REFUSED:
                self._queue.add((row.key, VOLUME), REFUSED)
            elif setup.is_done(row.key):
                self._queue.add((row.key, VOLUME), DONE)
                self._add_evaluation(row)
            elif plan.only_failed and (line is None or line["state"] != FAILED):
                continue
            elif plan.limit is None or volumes < plan.limit:
                self._queue.add((row.key, VOLUME))
                volumes += 1

    def _add_evaluation(self, row: KeyedRow) -> None:
        if not row.signature:
            return
        line = self._setup.manifest.last(row.key, EVALUATION)
        over = line is not None and line.get("mri") == row.signature and line["state"] in (DONE, REFUSED)
        self._queue.add((row.key, EVALUATION), DONE if over else WAITING)

    # the loop

    def _goes_on(self, executor: Executor) -> bool:
        if executor.in_flight:
            return True
        if self.was_stopped or self._fault is not None:
            return False
        return self._queue.has_waiting or bool(self._elsewhere)

    def _step(self, executor: Executor) -> None:
        if not self.was_stopped and self._should_stop():
            self.was_stopped = True
            executor.drain()
        if not self.was_stopped and self._fault is None:
            self._hand_out(executor)
            if not executor.in_flight and not self._queue.has_waiting and self._elsewhere:
                self._look_elsewhere()
        try:
            for report in executor.reports(_LOOK_EVERY_S):
                self._handle(report)
        except ProcessingError as error:
            self._end_with(error)

    def _hand_out(self, executor: Executor) -> None:
        while executor.has_room() and (work := self._queue.take()) is not None:
            alone = work in self._alone
            if alone and not executor.has_room(alone=True):
                self._queue.put_back(work)
                return
            try:
                if not self._leases.take(_lease_name(work)):
                    self._queue.set_aside(work)
                    self._elsewhere.append(work)
                    continue
                if self._is_over(work):
                    self._close(work, DONE)
                    continue
                executor.submit(self._task(work, alone))
            except Xray2MRIError as error:
                self._queue.put_back(work)
                self._leases.give_up(_lease_name(work))
                self._end_with(error)
                return

    def _is_over(self, work: Work) -> bool:
        """Whether another run has done the work meanwhile."""
        self._setup.manifest.refresh()
        key, kind = work
        if kind == VOLUME:
            return self._setup.is_done(key)
        line = self._setup.manifest.last(key, kind)
        return line is not None and line["state"] == DONE and line.get("mri") == self._rows[key].signature

    def _task(self, work: Work, alone: bool) -> Task:
        key, kind = work
        row = self._rows[key]
        assert row.settings is not None
        model = Path(row.settings["model"])
        settings = {**row.settings, "model": str(model.resolve())} if model.is_dir() else row.settings
        reference = "" if row.row.reference is None else str(row.row.reference.resolve())
        return Task(
            key, kind, str(self._setup.folder), str(row.row.radiograph.resolve()), settings, self._setup.model_sha256,
            __version__, self._halvings.get(work, 0), reference, row.signature, alone,
        )  # fmt: skip

    def _look_elsewhere(self) -> None:
        """Wait for work that another run holds; take it over when that run is gone."""
        time.sleep(_OTHERS_EVERY_S)
        waiting, self._elsewhere = self._elsewhere, []
        for work in waiting:
            self._queue.restore(work)

    # what comes back

    def _handle(self, report: Report) -> None:
        work = report.work
        if report.kind == PROGRESS:
            self._leases.renew(_lease_name(work))
            return
        try:
            if report.kind == FINISHED:
                self._append(work, DONE, report, **dict(report.result or {}))
                self._close(work, DONE)
            elif report.kind == FAULT and report.input:
                self._append(work, REFUSED, report)
                self._close(work, REFUSED)
            elif report.kind == RETURNED:
                self._queue.put_back(work)
                self._leases.give_up(_lease_name(work))
            elif report.kind == FAULT and report.code in _ENDS_RUN:
                self._queue.put_back(work)
                self._leases.give_up(_lease_name(work))
                self._end_with(ProcessingError(_without_names(report.sentence, self._rows[work[0]]), code=report.code))
            elif report.kind in (FAULT, DIED):
                self._failed(work, report)
        except Xray2MRIError as error:  # the manifest cannot be written: the work counts as not done
            if self._queue.state(work) == RUNNING:
                self._queue.put_back(work)
            self._leases.give_up(_lease_name(work))
            self._end_with(error)

    def _failed(self, work: Work, report: Report) -> None:
        if report.code == "out-of-memory":
            self._halvings[work] = self._halvings.get(work, 0) + 1
        if report.kind == DIED:
            self._alone.add(work)
        self._append(work, FAILED, report)
        self._leases.give_up(_lease_name(work))
        if not self._queue.fail(work):
            self._over()

    def _append(self, work: Work, state: str, report: Report, **fields: Any) -> None:
        key, kind = work
        row, knee = self._rows[key], None
        if row.settings is not None:
            knee = row.settings.get("knee") or row.settings.get("roi")
        if report.code:
            fields |= {"error_code": report.code, "sentence": _without_names(report.sentence, row)}
        if kind == EVALUATION:
            fields["mri"] = row.signature
        fields["warnings"] = [_without_names(text, row) for text in fields.get("warnings", ())]
        self._setup.manifest.append({
            "key": key, "kind": kind, "id": row.row.identity if self._setup.plan.keep_ids else "", "knee": knee,
            "state": state, "attempt": self._queue.attempts(work), "worker": report.worker, **fields,
        })  # fmt: skip

    def _close(self, work: Work, state: str) -> None:
        self._queue.finish(work, state)
        self._leases.give_up(_lease_name(work))
        if state == DONE and work[1] == VOLUME:
            self._add_evaluation(self._rows[work[0]])
        self._over()

    def _over(self) -> None:
        """One piece of work is over: tell, and renew the table now and then."""
        self._throughput.finished()
        self._since_table += 1
        began = time.monotonic()
        if self._since_table >= _TABLE_EVERY and began >= self._next_table:
            self._since_table = 0
            self._setup.write_results(self._setup.result_rows(self._is_running))
            now = time.monotonic()
            self._next_table = now + _TABLE_PAUSE * (now - began)
        over, of = self._queue.count(DONE, REFUSED, FAILED), self._queue.count(DONE, REFUSED, FAILED, WAITING, RUNNING)
        per_hour = self._throughput.per_hour
        self._on_progress({
            "stage": "radiographs", "step": over, "of": of, "fraction": over / of if of else 1.0,
            "eta_s": self._throughput.seconds_left(of - over), "per_hour": per_hour,
        })  # fmt: skip

    def _is_running(self, key: str) -> bool:
        with contextlib.suppress(KeyError):
            return self._queue.state((key, VOLUME)) == RUNNING
        return False

    def _end_with(self, error: Xray2MRIError) -> None:
        """Begin nothing more; the run ends with this error when what is under way is over."""
        if self._fault is None:
            done = sum(self._setup.is_done(key) for key in self._rows)
            words = "1 volume is" if done == 1 else f"{done} volumes are"
            hint = f"{error.hint} {words} done; the same command goes on with the others.".strip()
            self._fault = ProcessingError(error.message, code=error.code, hint=hint, field=error.field)
            if self._executor is not None:
                self._executor.drain()


def _lease_name(work: Work) -> str:
    key, kind = work
    return key if kind == VOLUME else f"{key}-{kind}"


def _without_names(text: str, row: KeyedRow) -> str:
    """A sentence without the names of the user's files, which may be those of persons."""
    for path, word in ((row.row.radiograph, "[radiograph]"), (row.row.reference, "[MRI]")):
        if path is not None:
            for name in (str(path.resolve()), str(path), path.name):
                text = text.replace(name, word)
    return text
