"""Preparing many knees in several processes, of which any may die: of memory, of a damaged file, by a kill.

A process that dies breaks its whole pool. The knees that were in work are then tried again one by one, each in a
process of its own; a knee whose process dies again is refused, and all others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from ..device import begin_worker
from .knee_preparation import KneeTask, Outcome

_DIED = "The process that prepared this knee ended; it may have run out of memory."


def prepare_all(
    tasks: Sequence[KneeTask], work: Callable[[KneeTask], Outcome], workers: int
) -> Iterator[tuple[KneeTask, Outcome]]:
    """Every task with its outcome, in the order in which they are done.

    ``workers`` processes work at a time; 0 works in this one. Raises what ``work`` raises.
    """
    if not workers:
        yield from ((task, work(task)) for task in tasks)
        return
    waiting = list(tasks)[::-1]
    while waiting:
        suspects: list[KneeTask] = []
        for task, outcome in _with_pool(waiting, work, workers, suspects):
            yield task, outcome
        for task in suspects:
            yield task, _alone(task, work)


def _with_pool(
    waiting: list[KneeTask], work: Callable[[KneeTask], Outcome], workers: int, suspects: list[KneeTask]
) -> Iterator[tuple[KneeTask, Outcome]]:
    """Work through ``waiting`` from its end until it is empty or the pool breaks; ``suspects`` were in work then."""
    pool = _pool(workers)
    running: dict[Future[Outcome], KneeTask] = {}
    try:
        while waiting or running:
            # no more than the processes can begin: only these can have been in work when one of them dies
            while waiting and len(running) < workers:
                task = waiting.pop()
                running[pool.submit(work, task)] = task
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                outcome = future.result()
                yield running.pop(future), outcome
    except BrokenProcessPool:
        suspects += running.values()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _alone(task: KneeTask, work: Callable[[KneeTask], Outcome]) -> Outcome:
    pool = _pool(1)
    try:
        return pool.submit(work, task).result()
    except BrokenProcessPool:
        return Outcome("worker-died", _DIED, _DIED)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, get_context("spawn"), begin_worker)
