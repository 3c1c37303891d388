"""``xray2mri cohort``: the volumes of many radiographs, with a table and a page of all results."""

from __future__ import annotations

import argparse
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..cohort.plan import EXECUTORS, parse_stride
from ..errors import Cancelled
from .generate import add_generation_settings
from .radiograph_arguments import add_json_argument
from .setting_options import settings_from
from .terminal import Terminal

# a remark on the progress at most so often
_REMARK_EVERY_S = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command: those of the cohort, then the settings of generate."""
    add = parser.add_argument
    add("source", metavar="TABLE.csv|FOLDER", type=Path, help="table with a column of radiographs, or a folder of them")
    add("-o", "--output", metavar="OUT", type=Path, required=True,
        help="folder for volumes, manifest, table.csv and summary.html; the same command goes on where a run "
        "ended")  # fmt: skip
    add("--columns", metavar="NAMES",
        help="columns of the table: radiograph=NAME,side=NAME,kl_grade=NAME,id=NAME,..., or the names alone in this "
        "order (default: the columns that are called so)")  # fmt: skip
    add("--evaluate", metavar="MRI_COLUMN", help="column with a real MRI of the same knee; compare the volume with it")
    add("--executor", choices=EXECUTORS, default=EXECUTORS[0],
        help="local: processes on this machine; ray: a Ray cluster (default: %(default)s)")  # fmt: skip
    add("--workers", type=int, metavar="N", help="number of workers (default: by cores or GPUs)")
    add("--retries", type=int, default=2, metavar="N",
        help="further attempts for a volume that failed (default: %(default)s)")  # fmt: skip
    add("--limit", type=int, metavar="N", help="make at most so many volumes in this run")
    add("--only", choices=("failed",), help="take up only what failed before")
    add(
        "--stride",
        metavar="I/N",
        help="every N-th row from row I on, counted from 0, e.g. in a job array",
    )
    add("--dry-run", action="store_true", help="tell what would be done, and write nothing")
    add("--no-ids", action="store_true", help="keep the table's ids out of manifest, table.csv and summary.html")
    add("--address", metavar="ADDRESS", help="address of a running Ray cluster, auto for that of this machine")
    add("--gpus-per-worker", type=float, metavar="SHARE", help="share of a GPU for each worker of Ray, e.g. 0.25")
    add_generation_settings(parser)
    add_json_argument(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Run the cohort; returns its exit code."""
    settings = settings_from(options)
    stride = None if options.stride is None else parse_stride(options.stride)
    from ..cohort.run import run_cohort

    with _stop_at_interrupt(terminal) as stop:
        result = run_cohort(
            options.source, options.output, settings, dry_run=options.dry_run, on_progress=_Remarks(terminal).show,
            should_stop=lambda: stop.wanted, columns=options.columns, evaluate=options.evaluate,
            executor=options.executor, workers=options.workers, retries=options.retries, limit=options.limit,
            only_failed=options.only == "failed", stride=stride, keep_ids=not options.no_ids,
            address=options.address, gpus_per_worker=options.gpus_per_worker,
        )  # fmt: skip
    counts = {state: count for state, count in result.counts.items() if count}
    files = {"table": result.table, "summary": result.summary}
    if options.json:
        named = {name: None if path is None else str(path) for name, path in files.items()}
        terminal.print_json({"counts": counts, "exit_code": result.exit_code, **named, "rows": result.rows})
    else:
        _show(result, counts, files, options.dry_run, terminal)
    if result.interrupted:
        left = counts.get("waiting", 0)
        raise Cancelled(f"Stopped. {left} radiographs are waiting; the same command goes on with them.")
    return 0 if options.dry_run else result.exit_code


def _show(result: Any, counts: dict[str, int], files: dict[str, Path | None], dry: bool, terminal: Terminal) -> None:
    from ..volume.provenance import notice

    for row in result.rows:
        if row["state"] in ("refused", "failed") and row.get("sentence"):
            terminal.say(f"Row {row['row']}, {row['state']}: {row['sentence']}")
    if dry:
        for row in result.rows:
            terminal.print(f"{row['row']:>6}  {row['key'] or '-':<16}  {row['state']}")
    terminal.print(", ".join(f"{count} {state}" for state, count in counts.items()))
    for name, path in files.items():
        if path is not None:
            terminal.print(f"{name:<11} {path}")
    if counts.get("failed"):
        terminal.say("Failed radiographs can be tried again with --only failed.")
    terminal.say(notice())


class _Remarks:
    """Shows the progress of a cohort with its rate."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._last = 0.0

    def show(self, event: dict[str, Any]) -> None:
        now = time.monotonic()
        if now - self._last < _REMARK_EVERY_S and event["fraction"] < 1.0:
            return
        self._last = now
        rate = event.get("per_hour")
        stage = event["stage"] if rate is None else f"{event['stage']} at {rate:.3g} an hour,"
        self._terminal.progress({**event, "stage": stage})


class _Stop:
    wanted = False


@contextmanager
def _stop_at_interrupt(terminal: Terminal) -> Iterator[_Stop]:
    """The first Ctrl-C asks the run to finish what is under way; the second one stops it at once."""
    stop = _Stop()

    def on_interrupt(number: int, frame: object) -> None:
        if stop.wanted:
            raise KeyboardInterrupt
        stop.wanted = True
        terminal.say("Stopping: the volumes under way are finished. Press Ctrl-C again to stop at once.")

    try:
        former = signal.signal(signal.SIGINT, on_interrupt)
    except ValueError:  # not the main thread: whoever called decides
        yield stop
        return
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, former)
