"""A cohort as folders of pairs: ``training``, ``validation`` and ``test``, each as a folder of simulated pairs is.

What identifies people stays in a private folder beside the output: the salt of the keys, and the journal. The run may
be stopped or killed at any moment; the same command continues it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError, ProcessingError
from .cohort_report import Row, write_report
from .cohort_settings import CohortSettings
from .journal import Journal
from .knee_preparation import KneeTask, Outcome, fingerprint, prepare_pair
from .knee_study import KneeStudy, LeftOut
from .participant_key import PARTS, knee_name, part_of, participant_key, salt_in
from .shard_manifest import write_shard_manifest
from .worker_pool import prepare_all

_PAIR_BYTES = 2_700_000


@dataclass(frozen=True)
class CohortResult:
    """How many knees were prepared in each part, how many refused, and the report."""

    prepared: dict[str, int]
    refused: int
    report: Path


def prepare_cohort(
    studies: Sequence[KneeStudy],
    output: Path,
    settings: CohortSettings,
    *,
    left_out: Sequence[LeftOut] = (),
    private: Path | None = None,
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> CohortResult:
    """Prepare every study that an earlier run has not, and write manifests and report.

    ``private`` is the private folder, by default ``output`` with "-private" behind its name. ``progress`` receives the
    numbers of knees done and in all. Raises InputError for a folder of another cohort, ProcessingError when the disk
    cannot hold the pairs.
    """
    settings.claim(output)
    private = private or output.with_name(f"{output.name}-private")
    if private.resolve() == output.resolve() or output.resolve() in private.resolve().parents:
        raise InputError(
            f"The private folder {private.name} lies in the output.", code="bad-output", hint="Choose another place."
        )
    salt = salt_in(private)
    tasks = [_task(study, output, settings, salt) for study in studies]
    for part in PARTS:
        (output / part).mkdir(exist_ok=True)
    journal = Journal(private)
    try:
        outcomes: dict[str, Outcome] = {}
        prints: dict[str, str] = {}
        todo: list[KneeTask] = []
        for task in tasks:
            name = task.pair.stem
            try:
                prints[name] = fingerprint(task)
            except InputError as error:
                outcomes[name] = Outcome(error.code, error.message, "A file or folder is missing.")
                continue
            known = journal.known(task, prints[name])
            if known is None:
                todo.append(task)
            else:
                outcomes[name] = known
        _check_space(output, len(todo))
        done = len(tasks) - len(todo)
        for task, outcome in prepare_all(todo, prepare_pair, workers):
            if not outcome.prepared:
                task.pair.unlink(missing_ok=True)  # of the same knee from other files
            journal.add(task, prints[task.pair.stem], outcome)
            outcomes[task.pair.stem] = outcome
            done += 1
            if progress is not None:
                progress(done, len(tasks))
    finally:
        journal.close()
    for part in PARTS:
        write_shard_manifest(output / part, part, settings)
    rows = [Row(task, outcomes[task.pair.stem]) for task in tasks]
    report = write_report(output, private, rows, left_out)
    prepared = {part: sum(row.outcome.prepared and row.part == part for row in rows) for part in PARTS}
    return CohortResult(prepared, sum(not row.outcome.prepared for row in rows) + len(left_out), report)


def _task(study: KneeStudy, output: Path, settings: CohortSettings, salt: bytes) -> KneeTask:
    name = knee_name(study.participant, study.visit, study.side, salt, plain=settings.keep_identifiers)
    key = study.participant if settings.keep_identifiers else participant_key(study.participant, salt)
    part = part_of(study.participant, settings.shares, settings.split_seed)
    return KneeTask(study, output / part / f"{name}.npz", key, settings)


def _check_space(output: Path, count: int) -> None:
    free = shutil.disk_usage(output).free
    if free < count * _PAIR_BYTES:
        raise ProcessingError(
            f"The {count} pairs need about {count * _PAIR_BYTES / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free.",
            code="disk-full",
            hint="Free some space or write to another disk.",
        )
