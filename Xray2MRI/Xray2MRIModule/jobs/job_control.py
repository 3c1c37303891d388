"""Jobs of the background worker from the scene's point of view: one at a time, beside quick looks at a radiograph."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Callable, Sequence
from inspect import isgenerator
from pathlib import Path
from typing import Any

from ..application import Application
from ..environment.interpreter import chooseExternalPython, externalPython
from ..translation import tr as _
from ..worker.launch_command import worker_command
from ..worker.poll_timer import PollTimer
from ..worker.process_runner import ProcessRunner, QProcessRunner, SubprocessRunner
from ..worker.session import WorkerSession
from .failure import CANCELLED as CANCELLATION
from .failure import Failure, JobFailed
from .result_import import Steps, TakeOvers
from .run import CANCELLED, DONE, FAILED, RUNNING, Progress, Run

# what an _xDone method returns when it sent the job once more
AGAIN = Failure("again", "")


def default_runner() -> ProcessRunner:
    """QProcess where Qt is, a standard subprocess elsewhere."""
    try:
        from qt import QProcess  # noqa: F401
    except ImportError:
        return SubprocessRunner()
    return QProcessRunner()


class JobControl:
    """Sends jobs to the worker, keeps their temporary files, and tells everybody who wants to know.

    A job of kind x that is done goes through the method ``_xDone(run)`` of the class, which puts the result into the
    scene and returns a Failure when it cannot. Where that takes its time, the method is a generator.
    """

    def __init__(
        self,
        application: Application,
        runnerFactory: Callable[[], ProcessRunner] | None = None,
        workerOptions: Sequence[str] = (),
    ) -> None:
        self.application = application
        self._observers: list[Callable[[str], None]] = []
        self._session = WorkerSession(
            runnerFactory or default_runner,
            lambda: worker_command(tuple(workerOptions)),
            on_change=lambda: self._tell("worker"),
        )
        self._timer = PollTimer(self.poll)
        self._folder: Path | None = None
        self._prepareRun: Run | None = None
        self._takeOvers = TakeOvers(self._takenOver)
        self.currentRun: Run | None = None

    @property
    def isBusy(self) -> bool:
        """Whether a generation, densification, comparison or export is under way."""
        return self.currentRun is not None

    @property
    def workerState(self) -> str:
        """ "stopped", "starting", "ready" or "busy"."""
        return self._session.state

    @property
    def workerHello(self) -> dict[str, Any] | None:
        """What the worker said about device and versions; None while none is running."""
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
    def pythonProgram(self) -> str:
        """The Python that the user chose for the computation, "" for Slicer's own."""
        return externalPython() or ""

    @pythonProgram.setter
    def pythonProgram(self, path: str) -> None:
        """Raises ValueError with a sentence for a path that cannot be a Python."""
        chooseExternalPython(path)
        if not self.isBusy:
            self.stopWorker()

    def addObserverFunction(self, function: Callable[[str], None]) -> None:
        """``function`` hears "busy", "worker" or "runs" when these change."""
        self._observers.append(function)

    def removeObserverFunction(self, function: Callable[[str], None]) -> None:
        """Stop telling; nothing happens when it was not told."""
        if function in self._observers:
            self._observers.remove(function)

    def startWorker(self) -> None:
        """Start the background process so that it is warm when work comes."""
        self._session.start()
        self._tick()

    def stopWorker(self) -> None:
        """Ask the background process to end; it frees its memory. A running job is cancelled."""
        self._session.stop()
        self._tick()

    def poll(self) -> None:
        """Deliver what the worker said. Called by a timer where Qt is."""
        self._takeOvers.proceed()
        self._session.poll()
        self._whilePolling()
        if not self._hasWork:
            self._timer.stop()

    def cancel(self, run: Run | None = None) -> None:
        """Stop a job, by default the one under way. It ends with the failure "cancelled"."""
        run = run if isinstance(run, Run) else self.currentRun
        if run is None or run.job is None or run.isOver:
            return
        if self._takeOvers.giveUp(run):
            self._failed(run, CANCELLATION)
        else:
            self._session.cancel(run.job)
        self._tick()

    def closeJobs(self) -> None:
        """End the background process and remove temporary files."""
        for run in self._takeOvers.giveUpAll():
            self._failed(run, CANCELLATION)
        self._session.close()
        self._timer.stop()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _slice(self, run: Run, report: dict[str, Any]) -> None:
        """A slice is final."""

    def _whilePolling(self) -> None:
        """Called at every poll."""

    def _takeBack(self, run: Run) -> None:
        """Remove what an unfinished run put into the scene."""

    def _failed(self, run: Run, failure: Failure) -> None:
        run.failure = failure
        self._takeBack(run)
        self._over(run, CANCELLED if failure.is_cancellation else FAILED)

    def _newRun(self, kind: str, **listeners: Callable[..., None] | None) -> Run:
        return Run(kind, self.application.scene, self._pump, listeners=listeners)

    def _begin(self, run: Run, fields: Callable[[], dict[str, Any]], after: Callable[[], None] = lambda: None) -> None:
        """Gather the fields of the request and send it; what goes wrong ends the run."""
        try:
            run.folder = self._newFolder()
            request = fields()
        except JobFailed as error:
            self._failed(run, error.failure)
            return
        except (OSError, ValueError) as error:
            message = _("Temporary files cannot be written ({reason}).").format(
                reason=getattr(error, "strerror", None) or error
            )
            self._failed(run, Failure("disk", message, _("Make room on the disk.")))
            return
        run.state = RUNNING
        after()
        run.job = self._session.submit(
            run.kind,
            {name: value for name, value in request.items() if value is not None},
            on_progress=lambda report: self._progress(run, report),
            on_slice=lambda report: self._slice(run, report),
            on_result=lambda result: self._result(run, result),
            on_error=lambda failure: self._failed(run, failure),
        )
        if not run.isOver:
            self._tick()

    def _beginAlone(
        self, run: Run, fields: Callable[[], dict[str, Any]], choices: dict[str, Any] | None = None
    ) -> None:
        if self.isBusy:
            self._failed(run, Failure("busy", _("Another job is under way."), _("Wait for it or cancel it.")))
            return
        volume = run.volumeNode
        if run.kind != "generate" and volume is None:
            self._failed(run, Failure("no-volume", _("No pseudo-MRI is chosen."), _("Generate one first.")))
            return

        def occupied() -> None:
            self.currentRun = run
            self._tell("busy")

        self._begin(run, fields, occupied)

    def _progress(self, run: Run, report: dict[str, Any]) -> None:
        run.progress = Progress.of_report(report)
        self._call(run, "onProgress", run.progress)

    def _result(self, run: Run, result: dict[str, Any]) -> None:
        run.result = result
        self._takeOvers.begin(run, self._stepsOf(run))
        self._tick()

    def _stepsOf(self, run: Run) -> Steps:
        outcome = getattr(self, f"_{run.kind}Done")(run)
        return (yield from outcome) if isgenerator(outcome) else outcome

    def _takenOver(self, run: Run, failure: Failure | None) -> None:
        if failure is AGAIN:
            return
        if failure is not None:
            self._failed(run, failure)
        else:
            self._over(run, DONE)

    def _over(self, run: Run, state: str) -> None:
        if run.isOver:
            return
        run.state = state
        if run.folder is not None and (state != DONE or run.kind == "prepare"):
            shutil.rmtree(run.folder, ignore_errors=True)
        if run is self._prepareRun:
            self._prepareRun = None
        if run is self.currentRun:
            self.currentRun = None
            self._tell("busy")
        if state != DONE:
            self._call(run, "onError", run.failure or CANCELLATION)
        else:
            self._call(run, "onDone", run.result if run.kind == "prepare" else run)

    def _newFolder(self) -> Path:
        """A new folder for one job. Its parent is made with the first one, for this user only."""
        if self._folder is None:
            parent = self.application.temporaryFolder()
            parent.mkdir(parents=True, exist_ok=True)
            self._folder = Path(tempfile.mkdtemp(prefix="Xray2MRI-", dir=parent))
        return Path(tempfile.mkdtemp(prefix="job-", dir=self._folder))

    @property
    def _hasWork(self) -> bool:
        return self._session.has_work or bool(self._takeOvers)

    def _tick(self) -> None:
        if self._hasWork:
            self._timer.start()

    def _pump(self) -> None:
        self.application.processEvents()
        self.poll()

    def _call(self, run: Run, listener: str, content: Any) -> None:
        function = run.listeners.get(listener)
        if function is None:
            return
        try:
            function(content)
        except Exception:  # a fault in the panel must not break the job
            logging.exception("Xray2MRI: a listener failed")

    def _tell(self, event: str) -> None:
        for function in list(self._observers):
            try:
                function(event)
            except Exception:  # as above
                logging.exception("Xray2MRI: an observer failed")
