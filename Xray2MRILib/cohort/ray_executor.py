"""Workers of a Ray cluster: actors that keep the model, on this machine or on many.

The manifest, the leases and the retries are those of the local executor: only the run writes the manifest. An actor
writes its volumes into the folder of the cohort, which all machines must see under the same path. Ray is optional, see
https://docs.ray.io/en/latest/ray-core/fault-tolerance.html.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from typing import Any

from ..errors import InputError, ProcessingError
from .task import DIED, FAULT, FINISHED, PROGRESS, RETURNED, Report, Task
from .volume_maker import IN_HAND, ReturnedWork, VolumeMaker

_RESTARTS = 3
# the queue repeats calls, not Ray: it gives them to an actor that lives; Ray would wait for the machine that is gone
_CALL_RETRIES = 0
# calls at an actor: one with the model, one that is read meanwhile
_CALLS = 2
_PULSE_S = 60.0
_KNOCK_S = 10.0
# a cluster may have to start machines first
_START_S = 900.0


class GeneratorActor:
    """A worker inside of a Ray actor: answers each task with the fields of a Report, never with an exception."""

    def __init__(self, threads: int) -> None:
        if threads:
            import torch

            torch.set_num_threads(threads)
        self._maker = VolumeMaker()

    def carry_out(self, message: dict[str, Any]) -> dict[str, Any]:
        """Carry out a task."""
        from .worker import describe_fault

        task = Task.from_message(message)
        try:
            return {"kind": FINISHED, "result": self._maker.carry_out(task)}
        except ReturnedWork:
            return {"kind": RETURNED}
        except Exception as error:  # one exception must not end the actor
            return {"kind": FAULT, **describe_fault(error, task)}

    def drain(self) -> None:
        """Hand back what the model has not begun with."""
        self._maker.drain()

    def pid(self) -> int:
        """Process number; an answer tells that the actor has been started."""
        import os

        return os.getpid()


class RayExecutor:
    """Sends tasks to actors and collects their answers with ``ray.wait``.

    Parameters
    ----------
    workers
        Number of actors; None: as many as the cluster has room for.
    gpus
        Share of a GPU for each actor; None: 1 where the cluster has GPUs, else 0.
    address
        Address of a running cluster, ``auto`` for that of this machine; None starts one for this run.
    device
        Device of the settings; ``cpu`` asks for no GPU.

    Raises InputError (code ``missing-dependency``) without Ray, ProcessingError (``no-cluster``) without its cluster.
    """

    def __init__(self, workers: int | None, gpus: float | None, address: str | None, device: str = "auto") -> None:
        self._ray = _import_ray()
        self._started = not self._ray.is_initialized()
        if self._started:
            _join_cluster(self._ray, address)
        there = self._ray.cluster_resources()
        has_gpus = there.get("GPU", 0) > 0 and device != "cpu"
        share = gpus if gpus is not None else float(has_gpus)
        cores = 1.0 if share else min(2.0, there.get("CPU", 1.0))
        rooms = there.get("GPU", 0) // share if share else there.get("CPU", 1) // cores
        self._kind = self._ray.remote(
            num_cpus=cores, num_gpus=share, max_restarts=_RESTARTS, max_task_retries=_CALL_RETRIES,
            max_concurrency=IN_HAND,
        )(GeneratorActor)  # fmt: skip
        self._threads = 0 if share else int(cores)
        self._actors: list[_Actor] = []
        for number in range(1, max(1, int(workers or rooms)) + 1):
            self._actors.append(_Actor(f"ray-{number}", self._new_actor()))
        self._calls: dict[Any, tuple[_Actor, Task]] = {}
        self._draining = False
        self._pulse = self._alive_at = time.monotonic()

    @property
    def in_flight(self) -> int:
        """Number of tasks under way."""
        return len(self._calls)

    def has_room(self, alone: bool = False) -> bool:
        """Whether an actor takes another task; at most two each, so that work does not pile up."""
        return self._choose(alone) is not None

    def submit(self, task: Task) -> None:
        """Send a task to the actor with the least work."""
        actor = self._choose(task.alone)
        assert actor is not None, "ask has_room first"
        actor.in_hand[task.work] = task
        self._calls[actor.handle.carry_out.remote(task.as_message())] = (actor, task)

    def reports(self, timeout: float) -> Iterator[Report]:
        """The answers that have come; waits up to ``timeout`` seconds for the first one."""
        if not self._calls:
            time.sleep(min(timeout, 0.1))
            self._check_that_one_lives()
            return
        ready, _ = self._ray.wait(list(self._calls), num_returns=1, timeout=timeout)
        more, _ = self._ray.wait(list(self._calls), num_returns=len(self._calls), timeout=0)
        for call in dict.fromkeys([*ready, *more]):
            actor, task = self._calls.pop(call)
            actor.in_hand.pop(task.work, None)
            yield self._answer(call, actor, task)
        if time.monotonic() - self._pulse > _PULSE_S:  # the leases of long work are renewed
            self._pulse = time.monotonic()
            for actor, task in self._calls.values():
                yield Report(PROGRESS, task.work, actor.name)

    def drain(self) -> None:
        """Have all work handed back that no model has begun with."""
        self._draining = True
        for actor in self._actors:
            actor.handle.drain.remote()

    def close(self) -> None:
        """End all actors, and the cluster if this run started it."""
        for actor in self._actors:
            with contextlib.suppress(Exception):
                self._ray.kill(actor.handle)
        self._calls.clear()
        if self._started:
            self._ray.shutdown()

    def _answer(self, call: Any, actor: _Actor, task: Task) -> Report:
        try:
            answer = self._ray.get(call)
        except self._ray.exceptions.RayError as error:
            # the actor is gone for good, or its node; another one takes its place
            with contextlib.suppress(Exception):
                self._ray.kill(actor.handle)
            actor.replace(self._new_actor())
            sentence = f"A worker of the cluster ended while it had the radiograph ({type(error).__name__})."
            return Report(DIED, task.work, actor.name, code="worker-died", sentence=sentence)
        return Report(
            answer["kind"], task.work, actor.name, answer.get("result"), answer.get("code", ""),
            answer.get("sentence", ""), bool(answer.get("input")),
        )  # fmt: skip

    def _new_actor(self) -> Any:
        return self._kind.remote(self._threads)

    def _choose(self, alone: bool) -> _Actor | None:
        if self._draining:
            return None
        free = [actor for actor in self._actors if actor.has_room(alone) and actor.lives(self._ray)]
        return min(free, key=lambda actor: len(actor.in_hand)) if free else None

    def _check_that_one_lives(self) -> None:
        now = time.monotonic()
        if any(actor.lives(self._ray) for actor in self._actors):
            self._alive_at = now
        elif now - self._alive_at > _START_S:
            raise ProcessingError(
                f"No worker of the cluster has started in {_START_S / 60:.0f} minutes.",
                code="no-cluster",
                hint="See with ray status whether it has the cores and GPUs that a worker asks for.",
            )


class _Actor:
    """A handle and the tasks that it has. It gets work once it has answered: until then it may wait for a machine."""

    def __init__(self, name: str, handle: Any) -> None:
        self.name = name
        self.in_hand: dict[tuple[str, str], Task] = {}
        self.replace(handle)

    def replace(self, handle: Any) -> None:
        self.handle = handle
        self._answer: Any = handle.pid.remote()
        self._lives = False

    def lives(self, ray: Any) -> bool:
        if not self._lives:
            self._lives = bool(ray.wait([self._answer], timeout=0)[0])
        return self._lives

    def has_room(self, alone: bool) -> bool:
        if any(task.alone for task in self.in_hand.values()):
            return False
        return not self.in_hand if alone else len(self.in_hand) < _CALLS


def _import_ray() -> Any:
    try:
        import ray
        import ray.exceptions
    except ImportError:
        raise InputError(
            "Ray is not installed.", code="missing-dependency", hint="Install the extra cluster, or choose local.",
            field="executor",
        ) from None  # fmt: skip
    return ray


def _knock(address: str | None) -> None:
    """Raise OSError where nothing listens; Ray itself would wait for many minutes."""
    host, found, port = (address or "").removeprefix("ray://").rpartition(":")
    if found and port.isdecimal():
        socket.create_connection((host, int(port)), _KNOCK_S).close()


def _join_cluster(ray: Any, address: str | None) -> None:
    try:
        _knock(address)
        # "local" starts one, whatever else runs on this machine
        own = {"address": "local", "include_dashboard": False}
        ray.init(log_to_driver=False, **(own if address is None else {"address": address}))
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__
        raise ProcessingError(
            f"The Ray cluster cannot be reached: {reason.rstrip('.')}.",
            code="no-cluster",
            hint="Start it with ray start, or give another address.",
            field="address",
        ) from None
