"""Where the tasks of a cohort are carried out, and which kind a plan asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from .task import Report, Task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .plan import CohortPlan


class Executor(Protocol):
    """Where tasks are carried out."""

    def has_room(self, alone: bool = False) -> bool:
        """Whether a task can be submitted."""

    def submit(self, task: Task) -> None:
        """Send a task to a worker."""

    def reports(self, timeout: float) -> Iterator[Report]:
        """What the workers reported."""

    @property
    def in_flight(self) -> int:
        """Number of tasks under way."""

    def drain(self) -> None:
        """Hand back what was not begun."""

    def close(self) -> None:
        """End all workers."""


def start_executor(plan: CohortPlan) -> Executor:
    """The workers of a plan. Raises Xray2MRIError when they cannot be started."""
    if plan.executor == "ray":
        from .ray_executor import RayExecutor

        return RayExecutor(plan.workers, plan.gpus_per_worker, plan.address, plan.settings.device)
    from .local_executor import LocalExecutor, choose_workers

    workers, threads = choose_workers(plan.settings.device, plan.workers)
    return LocalExecutor(workers, threads)
