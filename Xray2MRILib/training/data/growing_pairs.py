"""Pairs that appear in a folder while a training runs: prepared by other processes and taken in between two steps."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from ...device import begin_worker
from ...errors import InputError
from .training_knee import list_training_pairs

_LOOK_EVERY_S = 0.5
_WAITING = 32  # prepared pairs that wait to be taken, 13 MB each


class GrowingPairs:
    """The pairs that come into ``folder``; a thread looks for them and has them prepared.

    Parameters
    ----------
    folder
        Where they appear, each complete at once.
    work
        What prepares one, in a process of its own; must be picklable.
    workers
        How many processes do so; 0 lets the thread do it.
    known
        Names of the pairs that the training has already.
    most
        How many pairs, known ones included, there may be; None for no limit.

    A pair that cannot be read is left out, which is printed.
    """

    def __init__(
        self, folder: Path, work: Callable[[Path], Any], workers: int, known: list[str], most: int | None = None
    ) -> None:
        self._folder, self._work, self._workers = folder, work, workers
        self._known, self._most = set(known), most
        self._ready: queue.Queue[tuple[str, Any]] = queue.Queue(_WAITING)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> GrowingPairs:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def take(self, most: int) -> list[tuple[str, Any]]:
        """Name and what was prepared of at most ``most`` pairs that are ready; never waits."""
        taken: list[tuple[str, Any]] = []
        while len(taken) < most:
            try:
                taken.append(self._ready.get_nowait())
            except queue.Empty:
                break
        return taken

    def _look(self) -> None:
        pool = (
            ProcessPoolExecutor(self._workers, get_context("spawn"), begin_worker)
            if self._workers
            else ThreadPoolExecutor(1)
        )
        running: dict[str, Future[Any]] = {}
        try:
            while not self._ended.is_set():
                for path in self._new(2 * max(self._workers, 1) - len(running)):
                    running[path.name] = pool.submit(self._work, path)
                done = [name for name, future in running.items() if future.done()]
                for name in done:
                    self._put(name, running.pop(name))
                if not done:
                    self._ended.wait(_LOOK_EVERY_S / 10 if running else _LOOK_EVERY_S)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _new(self, most: int) -> list[Path]:
        if most <= 0:
            return []
        try:
            found = [path for path in list_training_pairs(self._folder) if path.name not in self._known]
        except InputError:
            return []  # none yet
        if self._most is not None:
            most = min(most, self._most - len(self._known))
        found = found[: max(most, 0)]
        self._known |= {path.name for path in found}
        return found

    def _put(self, name: str, future: Future[Any]) -> None:
        try:
            prepared = future.result()
        except Exception as error:  # one pair less is no reason to end a training
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            print(f"{name} is left out: {reason}", flush=True)
            return
        while not self._ended.is_set():
            try:
                self._ready.put((name, prepared), timeout=_LOOK_EVERY_S)
                return
            except queue.Full:
                continue


class GrowingRows:
    """Tensors with one row per knee on a device, to which rows are added."""

    def __init__(self, tensors: Mapping[str, Tensor], room: int) -> None:
        """``tensors`` are the first rows; ``room`` is how many there will probably be."""
        self._count = len(next(iter(tensors.values())))
        self._held = {name: _with_room(tensor, max(room, self._count)) for name, tensor in tensors.items()}

    def __len__(self) -> int:
        return self._count

    def add(self, rows: Mapping[str, Tensor]) -> None:
        """Add rows, [N, ...] each, from any device. Names that were not there at the beginning are left out."""
        added = len(next(iter(rows.values())))
        last = self._count + added
        for name, held in self._held.items():
            if last > len(held):
                held = self._held[name] = _with_room(held[: self._count], 2 * last)
            held[self._count : last] = rows[name]
        self._count = last

    def tensors(self) -> dict[str, Tensor]:
        """All rows so far, as views."""
        return {name: held[: self._count] for name, held in self._held.items()}


def _with_room(tensor: Tensor, room: int) -> Tensor:
    held = torch.empty((room, *tensor.shape[1:]), dtype=tensor.dtype, device=tensor.device)
    held[: len(tensor)] = tensor
    return held


__all__ = ["GrowingPairs", "GrowingRows"]
