"""A pseudo-MRI of every radiograph of the scene, one after another, with the queue of the command ``cohort``."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from Xray2MRILib.cohort.work_queue import DONE, FAILED, REFUSED, WorkQueue

from ..application import Application
from ..failure import Failure
from ..scene import subject_folder
from ..scene.radiograph_node import loaded_radiographs
from ..signal import Signal
from ..translation import tr as _
from .generation import Generation
from .job import Job, Progress
from .job_control import JobControl

# what belongs to one radiograph is not used for the others
_OF_ONE_RADIOGRAPH = ("side", "roi", "knee", "kl", "kl_grade", "photometric")
# tried again: the radiograph need not be to blame
_AGAIN = ("worker-died",)
# no other radiograph would fare better
_ENDS_ALL = (
    "worker-cannot-start",
    "missing-dependency",
    "disk",
    "disk-full",
    "busy",
    "no-such-model",
    "no-such-device",
)
_RETRIES = 2


@dataclass(frozen=True)
class QueueProgress:
    """Radiograph ``number`` of ``count``, its own Progress, and the finished ``fraction`` of the whole."""

    number: int
    count: int
    ofRadiograph: Progress
    fraction: float


class RadiographQueue:
    """The radiographs of one call, by the IDs of their nodes.

    Attributes
    ----------
    volumes
        Radiograph -> ID of its volume.
    failures
        Radiograph -> why it has none.
    job
        The generation under way.
    folderItem
        The folder of all results in the subject hierarchy.
    progress, finished
        Signals: a QueueProgress; at the end this queue.
    """

    def __init__(self, identifiers: Sequence[str], folderItem: int, pump: Callable[[], None]) -> None:
        self.identifiers = list(identifiers)
        self.folderItem = folderItem
        self.volumes: dict[str, str] = {}
        self.failures: dict[str, Failure] = {}
        self.job: Job | None = None
        self.isOver = False
        self.isCancelled = False
        self.progress, self.finished = Signal(), Signal()
        self.work: WorkQueue[str] = WorkQueue(_RETRIES)
        for identifier in self.identifiers:
            self.work.add(identifier)
        self._pump = pump

    @property
    def count(self) -> int:
        """Number of radiographs."""
        return len(self.identifiers)

    @property
    def numberDone(self) -> int:
        """Number of radiographs that are over."""
        return self.work.count(DONE, REFUSED, FAILED)

    def wait(self, timeout: float | None = None) -> RadiographQueue:
        """Wait in a Python console until all are over. Raises TimeoutError after ``timeout`` seconds."""
        limit = None if timeout is None else time.monotonic() + timeout
        while not self.isOver:
            if limit is not None and time.monotonic() > limit:
                raise TimeoutError(f"{self.numberDone} of {self.count} radiographs are over after {timeout:g} s.")
            self._pump()
            time.sleep(0.01)
        return self


class AllRadiographs:
    """Works through the radiographs of the scene with the one worker."""

    def __init__(self, application: Application, jobs: JobControl, generation: Generation) -> None:
        self._application = application
        self._jobs = jobs
        self._generation = generation
        self.current: RadiographQueue | None = None

    def loaded(self) -> list[Any]:
        """The radiographs of the scene."""
        return loaded_radiographs(self._application.scene)

    def generate(
        self,
        settings: dict[str, Any] | None = None,
        radiographNodes: Sequence[Any] | None = None,
        *,
        onProgress: Callable[[QueueProgress], None] | None = None,
        onDone: Callable[[RadiographQueue], None] | None = None,
    ) -> RadiographQueue:
        """See ModuleLogic.generateAll."""
        nodes = self.loaded() if radiographNodes is None else list(radiographNodes)
        chosen = {name: value for name, value in (settings or {}).items() if name not in _OF_ONE_RADIOGRAPH}
        folder = subject_folder.create_group_folder(
            self._application.scene, _("Pseudo-MRI of all radiographs (synthetic)")
        )
        queue = RadiographQueue([node.GetID() for node in nodes], folder, self._jobs.pump)
        queue.progress.connect(onProgress)
        queue.finished.connect(onDone)
        self.current = queue
        self._next(queue, chosen)
        return queue

    def cancel(self) -> None:
        """Begin no further radiograph, and stop the one under way. Finished volumes stay."""
        queue = self.current
        if queue is not None and not queue.isOver:
            queue.isCancelled = True
            if queue.job is not None:
                self._jobs.cancel(queue.job)

    def drop(self) -> None:
        """The scene is about to close: begin no further radiograph, and tell nobody."""
        queue, self.current = self.current, None
        if queue is not None:
            queue.isCancelled = True
            queue.progress.clear()

    def _next(self, queue: RadiographQueue, settings: dict[str, Any]) -> None:
        identifier = None if queue.isCancelled else queue.work.take()
        if identifier is None:
            self._end(queue)
            return
        job: list[Job] = []

        def onProgress(progress: Progress) -> None:
            fraction = (queue.numberDone + progress.fraction) / queue.count
            queue.progress.emit(QueueProgress(queue.numberDone + 1, queue.count, progress, fraction))

        def onDone(done: Job) -> None:
            queue.work.finish(identifier, DONE)
            queue.volumes[identifier] = done.volumeNode.GetID()
            queue.failures.pop(identifier, None)
            self._next(queue, settings)

        def onError(failure: Failure) -> None:
            queue.failures[identifier] = failure
            if failure.code in _AGAIN:
                queue.work.fail(identifier)
            else:
                queue.work.finish(identifier, REFUSED)
            if failure.is_cancellation or failure.code in _ENDS_ALL:
                queue.isCancelled = True
            self._next(queue, settings)

        node = self._application.scene.GetNodeByID(identifier)
        # the name of the radiograph may be the patient's
        name = _("Pseudo-MRI {number} (synthetic)").format(number=queue.identifiers.index(identifier) + 1)
        job.append(self._generation.generate(
            node, settings, name=name, group=queue.folderItem, onProgress=onProgress,
            onDone=onDone, onError=onError,
        ))  # fmt: skip
        # a generation that cannot begin is over already, and the next one is under way
        if not job[0].isOver:
            queue.job = job[0]

    def _end(self, queue: RadiographQueue) -> None:
        queue.job, queue.isOver = None, True
        if self.current is queue:
            self.current = None
        subject_folder.remove_empty_group(self._application.scene, queue.folderItem)
        queue.finished.emit(queue)
