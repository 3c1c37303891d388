"""Runs jobs in the background worker: one at a time, and short analyses of a radiograph at any time."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import isgenerator
from pathlib import Path
from typing import Any

from ..application import Application
from ..environment.interpreter import chooseExternalPython, externalPython
from ..failure import CANCELLED as CANCELLATION
from ..failure import Failure, JobFailed
from ..signal import Signal
from ..translation import tr as _
from ..worker.launch_command import worker_command
from ..worker.poll_timer import PollTimer
from ..worker.process_runner import ProcessRunner, QProcessRunner
from ..worker.request import Request
from ..worker.session import WorkerSession
from .job import CANCELLED, DONE, FAILED, RUNNING, Job, Progress
from .result_import import ResultImports, Steps

# returned by JobHandler.finish when it sent the job to the worker once more
SENT_AGAIN = Failure("sent-again", "")


@dataclass(frozen=True)
class JobHandler:
    """What a kind of job does in the scene.

    ``finish`` imports the result and returns a Failure if it cannot; a generator imports in steps. ``takeSlice``
    receives the report of each slice. ``undo`` removes what an unfinished job put into the scene. ``needsVolume`` tells
    that the job is cancelled when its volume is deleted, ``keepsFiles`` that its temporary files are needed later,
    ``ofRadiograph`` that it begins with a radiograph alone.
    """

    finish: Callable[[Job], Steps | Failure | None] = lambda job: None
    takeSlice: Callable[[Job, dict[str, Any]], None] = lambda job, report: None
    undo: Callable[[Job], None] = lambda job: None
    needsVolume: bool = True
    keepsFiles: bool = True
    ofRadiograph: bool = False


class JobControl:
    """Sends jobs to the worker and keeps their temporary files.

    Parameters
    ----------
    runnerFactory
        Makes the ProcessRunner of a worker; default: a QProcess.
    workerOptions
        Further arguments for the worker.

    Attributes
    ----------
    handlers
        Kind of job -> JobHandler. Set once by the owner before the first job.
    busyChanged, workerChanged
        Signals without arguments: a job has begun or ended; the worker's state has changed.
    polled
        Signal without arguments, emitted at every tick of the timer.
    current
        The job that is under way, other than a short analysis; None when idle.
    """

    def __init__(
        self,
        application: Application,
        runnerFactory: Callable[[], ProcessRunner] | None = None,
        workerOptions: Sequence[str] = (),
    ) -> None:
        self.application = application
        self.handlers: Mapping[str, JobHandler] = {}
        self.busyChanged, self.workerChanged, self.polled = Signal(), Signal(), Signal()
        self.current: Job | None = None
        self._session = WorkerSession(runnerFactory or QProcessRunner, lambda: worker_command(tuple(workerOptions)))
        self._session.changed.connect(self.workerChanged.emit)
        self._timer = PollTimer(self.poll)
        self._folder: Path | None = None
        self._imports = ResultImports(self._onImported)

    # --- state

    @property
    def isBusy(self) -> bool:
        """Whether a generation, densification, comparison or export is under way."""
        return self.current is not None

    @property
    def workerState(self) -> str:
        """ "stopped", "starting", "ready" or "busy"."""
        return self._session.state

    @property
    def workerHello(self) -> dict[str, Any] | None:
        """What the worker reported about device and versions; None while none is running."""
        return self._session.hello

    @property
    def workerLog(self) -> str:
        """What the worker printed, the latest 200 kB."""
        return self._session.log

    @property
    def workerPid(self) -> int | None:
        """Process number of the worker, None while none is running."""
        return self._session.worker_pid

    @property
    def workerIncarnation(self) -> int:
        """Number of the worker process, counted from 1."""
        return self._session.incarnation

    @property
    def pythonProgram(self) -> str:
        """The Python that the user chose for the computation, "" for Slicer's own."""
        return externalPython() or ""

    @pythonProgram.setter
    def pythonProgram(self, path: str) -> None:
        """Raises ValueError with a sentence for a path that cannot be a Python."""
        chooseExternalPython(path)
        if not self.isBusy:
            self.stopWorker()

    # --- the worker

    def startWorker(self) -> None:
        """Start the background process so that it is warm when work comes."""
        self._session.start()
        self._tick()

    def stopWorker(self) -> None:
        """Ask the background process to end; it frees its memory. A running job is cancelled."""
        self._session.stop()
        self._tick()

    def poll(self) -> None:
        """Deliver what the worker reported. Called by a timer where Qt is."""
        self._imports.advance()
        self._session.poll()
        self._cancelWithoutVolume()
        self.polled.emit()
        if not self._hasWork:
            self._timer.stop()

    def close(self) -> None:
        """End the background process and remove temporary files."""
        for job in self._imports.cancelAll():
            self.fail(job, CANCELLATION)
        self._session.close()
        self._timer.stop()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    # --- jobs

    def newJob(self, kind: str) -> Job:
        """A job that was not begun yet."""
        return Job(kind, self.application.scene, self.pump)

    def begin(self, job: Job, fields: Callable[[], dict[str, Any]]) -> None:
        """Send a job at once or after the present one. ``fields`` makes its request; what it raises fails the job."""
        request = self._requestOf(job, fields)
        if request is not None:
            self._send(job, request)

    def beginAlone(self, job: Job, fields: Callable[[], dict[str, Any]]) -> None:
        """The same for a job that no other one may accompany; it fails if one is under way."""
        if self.isBusy:
            failure = Failure("busy", _("Another job is running."), _("Wait for it to finish, or cancel it."))
            self.fail(job, failure)
            return
        if not self._handler(job).ofRadiograph and job.volumeNode is None:
            self.fail(job, Failure("no-volume", _("No pseudo-MRI is selected."), _("Generate one first.")))
            return
        request = self._requestOf(job, fields)
        if request is not None:
            self.current = job
            self.busyChanged.emit()
            self._send(job, request)

    def cancel(self, job: Job | None = None) -> None:
        """Stop a job, by default the one under way. It ends with the failure "cancelled"."""
        job = job if isinstance(job, Job) else self.current
        if job is None or job.request is None or job.isOver:
            return
        if self._imports.cancel(job):
            self.fail(job, CANCELLATION)
        else:
            self._session.cancel(job.request)
        self._tick()

    def fail(self, job: Job, failure: Failure) -> None:
        """End a job that cannot be carried out, and undo what it did in the scene."""
        job.failure = failure
        self._handler(job).undo(job)
        self.end(job, CANCELLED if failure.is_cancellation else FAILED)

    def end(self, job: Job, state: str = DONE) -> None:
        """End a job and tell its caller; no effect if it is over."""
        if job.isOver:
            return
        job.state = state
        if job.folder is not None and (state != DONE or not self._handler(job).keepsFiles):
            shutil.rmtree(job.folder, ignore_errors=True)
        if job is self.current:
            self.current = None
            self.busyChanged.emit()
        if state == DONE:
            job.signals.finished.emit(job)
        else:
            job.signals.failed.emit(job.failure or CANCELLATION)

    def _handler(self, job: Job) -> JobHandler:
        return self.handlers[job.kind]

    def _requestOf(self, job: Job, fields: Callable[[], dict[str, Any]]) -> Request | None:
        try:
            job.folder = self._newFolder()
            content = fields()
        except JobFailed as error:
            self.fail(job, error.failure)
            return None
        except (OSError, ValueError) as error:
            message = _("Temporary files could not be written ({reason}).").format(
                reason=getattr(error, "strerror", None) or error
            )
            self.fail(job, Failure("disk", message, _("Free some disk space.")))
            return None
        request = Request(job.kind, {name: value for name, value in content.items() if value is not None})
        request.signals.connect(
            onProgress=lambda report: self._onProgress(job, report),
            onSlice=lambda report: self._handler(job).takeSlice(job, report),
            onDone=lambda result: self._onResult(job, result),
            onError=lambda failure: self.fail(job, failure),
        )
        return request

    def _send(self, job: Job, request: Request) -> None:
        job.state, job.request = RUNNING, request
        self._session.submit(request)
        if not job.isOver:
            self._tick()

    def _onProgress(self, job: Job, report: dict[str, Any]) -> None:
        job.progress = Progress.of_report(report)
        job.signals.progress.emit(job.progress)

    def _onResult(self, job: Job, result: dict[str, Any]) -> None:
        job.result = result
        self._imports.begin(job, self._importSteps(job))
        self._tick()

    def _importSteps(self, job: Job) -> Steps:
        outcome = self._handler(job).finish(job)
        return (yield from outcome) if isgenerator(outcome) else outcome

    def _onImported(self, job: Job, failure: Failure | None) -> None:
        if failure is SENT_AGAIN:
            return
        if failure is not None:
            self.fail(job, failure)
        else:
            self.end(job)

    def _cancelWithoutVolume(self) -> None:
        """Cancel a job whose volume was deleted: the next slice, which would show it, may be minutes away."""
        job = self.current
        if job is None or job.request is None or job.request.cancelled_at is not None or job.result is not None:
            return
        if self._handler(job).needsVolume and job.hasLostVolume:
            self.cancel(job)

    def _newFolder(self) -> Path:
        """A new folder for one job. Its parent is made with the first one, for this user only."""
        if self._folder is None:
            parent = self.application.temporaryFolder()
            parent.mkdir(parents=True, exist_ok=True)
            self._folder = Path(tempfile.mkdtemp(prefix="Xray2MRI-", dir=parent))
        return Path(tempfile.mkdtemp(prefix="job-", dir=self._folder))

    @property
    def _hasWork(self) -> bool:
        return self._session.has_work or bool(self._imports)

    def _tick(self) -> None:
        if self._hasWork:
            self._timer.start()

    def pump(self) -> None:
        """Let the application work for a moment while a console waits."""
        self.application.processEvents()
        self.poll()
