"""A cohort from its table to its results: ``run_cohort``, the procedure behind the command and for notebooks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..generation.settings import GenerationSettings
from .cohort_record import check_record, write_record
from .content_key import model_digest, settings_message
from .keyed_rows import KeyedRow, key_rows
from .lease import Leases
from .manifest import Manifest
from .plan import CohortPlan
from .radiograph_rows import read_rows
from .result_table import result_rows, write_table
from .stored_files import StoredFiles
from .work_queue import DONE, FAILED, REFUSED, STATES, WAITING
from .work_run import WorkRun

Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class CohortResult:
    """The outcome of a run.

    Attributes
    ----------
    rows
        Column of result_table.COLUMNS -> value, one dictionary a row of the table.
    in_share
        For each row, whether it belonged to this run's share.
    interrupted
        Whether the run was stopped before its end.
    table, summary
        Files of the results; None after a dry run.
    seconds
        Duration of the run.
    """

    rows: list[dict[str, Any]]
    in_share: list[bool]
    interrupted: bool = False
    table: Path | None = None
    summary: Path | None = None
    seconds: float = 0.0
    remarks: list[str] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """State -> number of rows of this run's share."""
        mine = [row["state"] for row, own in zip(self.rows, self.in_share, strict=True) if own]
        return {state: mine.count(state) for state in STATES}

    @property
    def exit_code(self) -> int:
        """0: nothing failed; 1: something failed; 2: nothing could be read; 130: stopped before the end."""
        counts = self.counts
        if self.interrupted:
            return 130
        if counts[FAILED]:
            return 1
        return 2 if counts[REFUSED] and counts[REFUSED] == sum(counts.values()) else 0


def run_cohort(
    source: str | Path,
    output: str | Path,
    settings: GenerationSettings | None = None,
    *,
    dry_run: bool = False,
    on_progress: Report | None = None,
    should_stop: Callable[[], bool] | None = None,
    **choices: Any,
) -> CohortResult:
    """Make the volumes of all radiographs of a table or folder; what is there already is not made again.

    Parameters
    ----------
    source, output, settings, choices
        As in CohortPlan: ``columns``, ``evaluate``, ``executor``, ``workers``, ``retries``, ``limit``, ``only_failed``,
        ``stride``, ``keep_ids``, ``address``, ``gpus_per_worker``.
    dry_run
        Only read the table and tell what would be done; nothing is written.
    on_progress
        Receives ``{"stage", "step", "of", "fraction", "eta_s", "per_hour"}``.
    should_stop
        Asked again and again; once True, the volumes under way are finished and no other is begun.

    Raises InputError for a table, folder or setting that cannot be used, ProcessingError when the run cannot go on,
    e.g. because the disk is full. What was finished before stays.
    """
    plan = CohortPlan(Path(source), Path(output), settings or GenerationSettings(), **choices)
    return CohortSetup(plan, on_progress or (lambda event: None)).carry_out(dry_run, should_stop or (lambda: False))


class CohortSetup:
    """The rows and the folder of a plan, ready to run."""

    def __init__(self, plan: CohortPlan, on_progress: Report) -> None:
        self.plan = plan
        self.folder = plan.output.resolve()
        self._on_progress = on_progress
        rows = read_rows(plan.source, plan.columns, plan.evaluate, without=self.folder)
        self.model_sha256 = model_digest(plan.settings.model)
        self.message = settings_message(plan.settings)
        self._is_new = not check_record(self.folder, self.message, self.model_sha256)
        self.rows: Sequence[KeyedRow] = key_rows(rows, plan.settings, self.model_sha256, self._report_hashing)
        self.manifest = Manifest(self.folder, plan.part)
        self.files = StoredFiles(self.folder)

    def carry_out(self, dry_run: bool, should_stop: Callable[[], bool]) -> CohortResult:
        """Run, or tell what a run would do."""
        in_share = [self.plan.has_row(row.row.number) for row in self.rows]
        if dry_run:
            return CohortResult(self.result_rows(), in_share)
        if self._is_new:
            write_record(self.folder, self.message, self.model_sha256)
        leases = Leases(self.folder)
        if not leases.others():
            self.files.remove_leftovers()
        run = WorkRun(self, leases, self._on_progress, should_stop)
        try:
            run.work_off()
        finally:
            leases.give_up_all()
        self.manifest.refresh()
        found = self.result_rows(leases.is_held_elsewhere)
        table, summary = self.write_results(found)
        unfinished = any(
            row["state"] == WAITING for row, own in zip(found, in_share, strict=True) if own
        ) and run.was_stopped  # fmt: skip
        return CohortResult(found, in_share, unfinished, table, summary, run.seconds)

    def result_rows(self, is_running: Callable[[str], bool] = lambda key: False) -> list[dict[str, Any]]:
        """The table's rows as they are now."""
        return result_rows(
            self.rows,
            self.manifest,
            keep_ids=self.plan.keep_ids,
            is_running=is_running,
            is_intact=self.files.are_intact,
        )

    def write_results(self, rows: list[dict[str, Any]]) -> tuple[Path, Path]:
        """Write table.csv and summary.html. Raises InputError and ProcessingError."""
        from ..reports.cohort_summary import write_cohort_summary

        return write_table(rows, self.folder), write_cohort_summary(rows, self.folder, self.message)

    def is_done(self, key: str) -> bool:
        """Whether a volume is there, whole and unchanged."""
        line = self.manifest.last(key)
        return line is not None and line["state"] == DONE and self.files.are_intact(line)

    def _report_hashing(self, done: int, of: int) -> None:
        self._on_progress({"stage": "read", "step": done, "of": of, "fraction": 0.0, "eta_s": None, "per_hour": None})
