"""What a cohort is asked to do, checked before any work begins."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import InputError
from ..generation.settings import GenerationSettings

EXECUTORS = ("local", "ray")


@dataclass(frozen=True)
class CohortPlan:
    """The radiographs, the folder and the choices of a run. Raises InputError (code ``bad-option``).

    Attributes
    ----------
    source
        Table of radiographs, or a folder of them.
    output
        Folder of the results; a folder with results of other settings is refused.
    settings
        The settings of ``generate`` for all radiographs; a row's own columns take precedence.
    columns
        Which column holds what, see radiograph_rows.read_rows.
    evaluate
        Column with a real MRI of the same knee, with which the volume is compared.
    executor
        ``local``: processes on this machine. ``ray``: actors of a Ray cluster.
    workers
        Number of workers; None: as many as suit the machine or the cluster.
    retries
        How often work that failed is tried again, 0 to 20.
    limit
        Largest number of volumes to make in this run.
    only_failed
        Take up only what failed in an earlier run.
    stride
        (i, n): only the rows i, i + n, i + 2 n ..., counted from 0, for n runs side by side.
    keep_ids
        Whether manifest and table contain the user's ids.
    address
        Address of a Ray cluster, ``auto`` for the one of this machine; None starts one.
    gpus_per_worker
        Share of a GPU for each Ray worker; None: 1 with a GPU, otherwise 0.
    """

    source: Path
    output: Path
    settings: GenerationSettings = field(default_factory=GenerationSettings)
    columns: str | None = None
    evaluate: str | None = None
    executor: str = EXECUTORS[0]
    workers: int | None = None
    retries: int = 2
    limit: int | None = None
    only_failed: bool = False
    stride: tuple[int, int] | None = None
    keep_ids: bool = True
    address: str | None = None
    gpus_per_worker: float | None = None

    def __post_init__(self) -> None:
        if self.executor not in EXECUTORS:
            raise _bad("executor", self.executor, f"choose {' or '.join(EXECUTORS)}", "executor")
        for name, value, low, high in (
            ("number of workers", self.workers, 1, 10_000),
            ("number of retries", self.retries, 0, 20),
            ("limit", self.limit, 0, 10**9),
        ):
            if value is not None and not low <= value <= high:
                raise _bad(name, value, f"choose a number from {low} to {high}", name.rpartition(" ")[2])
        if self.stride is not None and not 0 <= self.stride[0] < self.stride[1]:
            raise _bad("stride", "/".join(map(str, self.stride)), "give I/N with I from 0 to N - 1", "stride")
        if self.gpus_per_worker is not None and not 0 <= self.gpus_per_worker <= 64:
            raise _bad("share of a GPU", self.gpus_per_worker, "choose a number from 0 to 64", "gpus_per_worker")

    @property
    def part(self) -> str:
        """Name of this run's share of the work; empty when it has all."""
        return "" if self.stride is None else f"{self.stride[0]}-of-{self.stride[1]}"

    def has_row(self, number: int) -> bool:
        """Whether a row, counted from 1, belongs to this run's share."""
        return self.stride is None or (number - 1) % self.stride[1] == self.stride[0]


def parse_stride(text: str) -> tuple[int, int]:
    """``I/N`` as two numbers. Raises InputError."""
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if found is None:
        raise _bad("stride", repr(text[:40]), "give I/N, such as 0/8", "stride")
    return int(found[1]), int(found[2])


def _bad(title: str, value: object, rule: str, option: str) -> InputError:
    return InputError(f"The {title} cannot be {value}: {rule}.", code="bad-option", field=option)
