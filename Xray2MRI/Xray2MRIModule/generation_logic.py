"""The module without its panel: films in, pseudo-MRI volumes, comparisons and exports out.

Usable from Slicer's Python console::

    logic = slicer.util.getModuleLogic("Xray2MRI")
    film = slicer.util.getNode("Radiograph")
    run = logic.generate(film, {"slices": 50, "steps": 20}).wait()
    print(run.volumeNode.GetName(), run.result["koa"])
    logic.densify(run.volumeNode, 99).wait()

Every job returns a Run at once and computes in the background process; ``wait`` blocks while the window stays alive.
Without ``wait`` the callbacks tell how it goes. What is wrong with the input arrives at ``onError`` as a Failure.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import slicer

from . import comparison_job, density_sequence, generation_job, subject_folder
from .application import Application, SlicerApplication
from .comparison_chart import create_chart
from .comparison_nodes import create_comparison
from .failure import CANCELLED as CANCELLATION
from .failure import Failure, JobFailed
from .interpreter import chooseExternalPython, externalPython
from .poll_timer import PollTimer
from .process_runner import ProcessRunner, QProcessRunner, SubprocessRunner
from .radiograph_image import film_file, film_size, is_radiograph, write_pixels
from .run import CANCELLED, DONE, FAILED, RUNNING, Progress, Run
from .view_control import ViewControl
from .volume_file import VolumeFiles
from .volume_nodes import slice_count, slices_inserted
from .worker_command import worker_command
from .worker_session import WorkerSession

# every new slice makes all views draw; more often than this nobody sees the difference
_SHOW_EVERY_S = 0.25
_NAME = "Pseudo-MRI (synthetic)"
_VOLUME_GONE = Failure("volume-deleted", "The volume was deleted while it was being made.", "Generate it again.")


def default_runner() -> ProcessRunner:
    """QProcess where Qt is, a standard subprocess elsewhere."""
    try:
        from qt import QProcess  # noqa: F401
    except ImportError:
        return SubprocessRunner()
    return QProcessRunner()


class ModuleLogic(ViewControl):
    """Jobs and their results in the scene.

    Parameters
    ----------
    application
        Default: Slicer itself.
    runnerFactory
        Makes the ProcessRunner of a worker.
    workerOptions
        Further arguments for the worker, e.g. ``("--idle-shutdown", "600")``.
    """

    def __init__(
        self,
        application: Application | None = None,
        runnerFactory: Callable[[], ProcessRunner] | None = None,
        workerOptions: Sequence[str] = (),
    ) -> None:
        ViewControl.__init__(self, application or SlicerApplication())
        self._observers: list[Callable[[str], None]] = []
        self._session = WorkerSession(
            runnerFactory or default_runner,
            lambda: worker_command(tuple(workerOptions)),
            on_change=lambda: self._tell("worker"),
        )
        self._timer = PollTimer(self.poll)
        self._folder: Path | None = None
        self._files = VolumeFiles()
        self._jobs: dict[str, tuple[str, int]] = {}  # volume ID -> job that made it, incarnation of the worker
        self._models: dict[str, dict[str, str]] = {}  # volume ID -> model and device
        self._pixelsOnly: set[str] = set()  # films whose file shows them turned
        self._unshown: Run | None = None
        self._shownAt = 0.0
        self._prepareRun: Run | None = None
        self.currentRun: Run | None = None
        self._finished: list[Run] = []
        scene = self.application.scene
        self._sceneObservers = [
            (scene, scene.AddObserver(slicer.vtkMRMLScene.StartCloseEvent, lambda *_: self.sceneStartClose()))
        ]

    # --- state

    @property
    def isBusy(self) -> bool:
        """Whether a generation, densification, comparison or export is under way."""
        return self.currentRun is not None

    @property
    def runs(self) -> list[Run]:
        """Finished generations of this session whose volume is still in the scene."""
        return [run for run in self._finished if run.volumeNode is not None]

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
        self._session.poll()
        if self._unshown is not None and time.monotonic() - self._shownAt >= _SHOW_EVERY_S:
            self._showSlices()
        if not self._session.has_work and self._unshown is None:
            self._timer.stop()

    def close(self) -> None:
        """End the background process, stop following the scene, remove temporary files. May be called again."""
        for node, tag in self._sceneObservers:
            node.RemoveObserver(tag)
        self._sceneObservers = []
        self.closeViews()
        self._session.close()
        self._timer.stop()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    # --- jobs

    def prepare(
        self,
        radiographNode: Any,
        *,
        side: str = "auto",
        roi: Sequence[float] | None = None,
        knee: int | None = None,
        onDone: Callable[[dict[str, Any]], None] | None = None,
        onError: Callable[[Failure], None] | None = None,
    ) -> Run:
        """Look at a film: knees, side, plausibility, grade, grey levels (see Xray2MRILib.film_appraisal).

        ``roi`` is x, y, width, height in film pixels, ``knee`` counts from 1 at the left edge. A new call replaces an
        unfinished one, which then calls nobody.
        """
        run = self._newRun("prepare", onDone=onDone, onError=onError)
        self._dropPrepare()
        self._prepareRun = run
        choices = {"side": side, "roi": None if roi is None else [float(value) for value in roi], "knee": knee or None}
        self._begin(run, lambda: self._filmFields(run, radiographNode) | choices)
        return run

    def generate(
        self,
        radiographNode: Any,
        settings: dict[str, Any] | None = None,
        *,
        name: str | None = None,
        onProgress: Callable[[Progress], None] | None = None,
        onSlice: Callable[[dict[str, Any]], None] | None = None,
        onDone: Callable[[Run], None] | None = None,
        onError: Callable[[Failure], None] | None = None,
    ) -> Run:
        """Make a pseudo-MRI from a film; ``settings`` has the names of Xray2MRILib.protocol.SETTINGS.

        A new volume in a new folder of the subject hierarchy; slices appear in it as they become final.
        """
        run = self._newRun("generate", onProgress=onProgress, onSlice=onSlice, onDone=onDone, onError=onError)
        run.name = name or _NAME
        chosen = dict(settings or {})

        def fields() -> dict[str, Any]:
            film = self._filmFields(run, radiographNode)
            output = {"output": str(run.folder / "volume.nrrd"), "slice_folder": str(run.folder / "slices")}
            return {**chosen, **film, **output}

        run.choices = {key: chosen[key] for key in ("model", "device") if chosen.get(key)}
        self._beginAlone(run, fields)
        return run

    def densify(
        self,
        volumeNode: Any,
        slices: int,
        *,
        onProgress: Callable[[Progress], None] | None = None,
        onDone: Callable[[Run], None] | None = None,
        onError: Callable[[Failure], None] | None = None,
    ) -> Run:
        """The same volume at another number of slices (2 to 500). Depths that exist are kept; one that was made before
        is shown at once."""
        run = self._newRun("densify", onProgress=onProgress, onDone=onDone, onError=onError)
        run.remember("volume", volumeNode)
        run.remember("browser", density_sequence.browser_of(volumeNode))
        slices = int(slices)
        if slices in self.densities(volumeNode) and self.selectDensity(volumeNode, slices):
            run.folderItem = subject_folder.run_folder(self.application.scene, volumeNode)
            self._over(run, DONE)
            return run

        def fields() -> dict[str, Any]:
            volume = self._files.path(volumeNode, run.folder)
            film = volumeNode.GetNodeReference(generation_job.RADIOGRAPH_ROLE)
            job, incarnation = self._jobs.get(volumeNode.GetID(), ("", -1))
            request = {"slices": slices, "output": str(run.folder / f"volume_{slices}.nrrd")}
            if self.workerState in ("ready", "busy") and incarnation == self._session.incarnation:
                return {**request, "of_job": job}
            return {
                **request, **self._filmFields(run, film), **self._models.get(volumeNode.GetID(), {}),
                "volume": str(volume),
            }  # fmt: skip

        self._beginAlone(run, fields)
        return run

    def compare(
        self,
        volumeNode: Any,
        referenceNode: Any,
        *,
        align: str = "rigid",
        initial: Any = None,
        onProgress: Callable[[Progress], None] | None = None,
        onDone: Callable[[Run], None] | None = None,
        onError: Callable[[Failure], None] | None = None,
    ) -> Run:
        """Measure a pseudo-MRI against a real MRI; ``run.comparison`` holds the result.

        ``align`` is "rigid", "similarity" or "none". ``initial`` is where the user put the real MRI: a linear transform
        node or 16 numbers (LPS mm, row by row); transforms that the volumes lie under count in any case.
        """
        run = self._newRun("compare", onProgress=onProgress, onDone=onDone, onError=onError)
        run.remember("volume", volumeNode)
        run.remember("reference", referenceNode)

        def fields() -> dict[str, Any]:
            comparison_job.check_reference(volumeNode, referenceNode)
            matrix = comparison_job.initial_matrix(volumeNode, referenceNode, initial)
            (run.folder / "comparison").mkdir(parents=True, exist_ok=True)
            return {
                "volume": str(self._files.path(volumeNode, run.folder)),
                "reference": str(comparison_job.write_reference(referenceNode, run.folder)),
                "align": align,
                "initial": matrix,
                "output_folder": str(run.folder / "comparison"),
            }

        self._beginAlone(run, fields)
        return run

    def export(
        self,
        volumeNode: Any,
        output: str | Path,
        format: str = "file",
        *,
        comparison: Any = None,
        onProgress: Callable[[Progress], None] | None = None,
        onDone: Callable[[Run], None] | None = None,
        onError: Callable[[Failure], None] | None = None,
    ) -> Run:
        """Write a pseudo-MRI: ``format`` "file" (.nrrd, .nii.gz, .mha), "dicom" (folder) or "report".

        ``run.result["files"]`` lists what was written.
        """
        run = self._newRun("export", onProgress=onProgress, onDone=onDone, onError=onError)
        run.remember("volume", volumeNode)

        def fields() -> dict[str, Any]:
            request = {
                "volume": str(self._files.path(volumeNode, run.folder)),
                "output": str(output),
                "format": format,
            }
            film = volumeNode.GetNodeReference(generation_job.RADIOGRAPH_ROLE)
            if film is not None and is_radiograph(film) is None:
                request |= self._filmFields(run, film)
            record = None if comparison is None else comparison.result.get("json")
            return request | ({} if record is None else {"comparison": str(record)})

        self._beginAlone(run, fields)
        return run

    def writeComparisonCsv(self, comparison: Any, path: str | Path) -> None:
        """Copy the table of a comparison to a place of the user's. Raises OSError."""
        if comparison.csvPath is None:
            raise FileNotFoundError("The table of this comparison is not on disk any more. Compare again.")
        shutil.copyfile(comparison.csvPath, path)

    def cancel(self, run: Run | None = None) -> None:
        """Stop a job, by default the one under way. It ends with the failure "cancelled"."""
        run = run if isinstance(run, Run) else self.currentRun
        if run is not None and run.job is not None and not run.isOver:
            self._session.cancel(run.job)
            self._tick()

    # --- scene

    def sceneStartClose(self) -> None:
        """The scene is about to go: nothing of a running job may come into the next one."""
        self._dropPrepare()
        if self.currentRun is not None:
            run = self.currentRun
            generation_job.take_back(self.application, run) if run.kind == "generate" else None
            run.nodeIds.clear()
            self.cancel(run)
        self._unshown = None
        self._finished.clear()
        self._files.forget_all()
        self._jobs.clear()
        self._models.clear()
        self._pixelsOnly.clear()
        self._chosen = None
        self._tell("runs")

    def sceneEndClose(self) -> None:
        """The scene is empty now."""
        self._tell("runs")

    # --- how a job goes

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
            message = f"Temporary files cannot be written ({getattr(error, 'strerror', None) or error})."
            self._failed(run, Failure("disk", message, "Make room on the disk."))
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
            self._failed(run, Failure("busy", "Another job is under way.", "Wait for it or cancel it."))
            return
        volume = run.volumeNode
        if run.kind != "generate" and volume is None:
            self._failed(run, Failure("no-volume", "No pseudo-MRI is chosen.", "Generate one first."))
            return

        def occupied() -> None:
            self.currentRun = run
            self._tell("busy")

        self._begin(run, fields, occupied)

    def _filmFields(self, run: Run, film: Any) -> dict[str, Any]:
        failure = is_radiograph(film)
        if failure is not None:
            raise JobFailed(failure)
        run.remember("radiograph", film)
        if film.GetID() in self._pixelsOnly:
            run.folder.mkdir(parents=True, exist_ok=True)
            return {"radiograph": str(write_pixels(film, run.folder))}
        return {"radiograph": str(film_file(self.application, film, run.folder))}

    def _progress(self, run: Run, report: dict[str, Any]) -> None:
        run.progress = Progress.of_report(report)
        self._call(run, "onProgress", run.progress)

    def _slice(self, run: Run, report: dict[str, Any]) -> None:
        if run.kind != "generate" or run.isOver:
            return
        try:
            present = generation_job.take_slice(self.application, run, report)
        except (OSError, ValueError):
            logging.exception("Xray2MRI: a slice could not be shown")
            return  # the finished file holds it all the same
        if not present:
            self._session.cancel(run.job)
            return
        if self._unshown is None and time.monotonic() - self._shownAt >= _SHOW_EVERY_S:
            self._unshown = run
            self._showSlices()
        else:
            self._unshown = run
        self._call(run, "onSlice", report)

    def _showSlices(self) -> None:
        run, self._unshown = self._unshown, None
        self._shownAt = time.monotonic()
        volume = None if run is None or run.isOver else run.volumeNode
        if volume is not None:
            slices_inserted(volume)

    def _result(self, run: Run, result: dict[str, Any]) -> None:
        run.result = result
        try:
            failure = getattr(self, f"_{run.kind}Done")(run)
        except (OSError, ValueError, KeyError, TypeError) as error:
            logging.exception("Xray2MRI: a result could not be taken over")
            failure = Failure("result-unreadable", f"The result cannot be taken over: {error}", "Try again.")
        if failure is not None:
            self._failed(run, failure)
        else:
            self._over(run, DONE)

    def _prepareDone(self, run: Run) -> Failure | None:
        film = run.radiographNode
        about = run.result["film"]
        turned = film is not None and (
            bool(about["turned_upright"]) or (about["columns"], about["rows"]) != tuple(film_size(film))
        )
        if turned and film.GetID() not in self._pixelsOnly:
            # rectangles would not fit the picture that the user sees
            self._pixelsOnly.add(film.GetID())
        return None

    def _generateDone(self, run: Run) -> Failure | None:
        if not generation_job.finish(self.application, run):
            return _VOLUME_GONE
        volume = run.volumeNode
        self._files.remember(volume, slice_count(volume), run.result["volume"])
        self._jobs[volume.GetID()] = (run.job.identifier, self._session.incarnation)
        self._models[volume.GetID()] = run.choices
        self._finished.append(run)
        self._tell("runs")
        return None

    def _densifyDone(self, run: Run) -> Failure | None:
        if not generation_job.take_density(self.application, run):
            return _VOLUME_GONE
        volume = run.volumeNode
        self._files.remember(volume, slice_count(volume), run.result["volume"])
        run.remember("browser", density_sequence.browser_of(volume))
        self._jobs[volume.GetID()] = (run.job.identifier, self._session.incarnation)
        self._tell("runs")
        return None

    def _compareDone(self, run: Run) -> Failure | None:
        volume = run.volumeNode
        if volume is None:
            return _VOLUME_GONE
        scene = self.application.scene
        run.comparison = create_comparison(scene, volume, run.node("reference"), run.result)
        create_chart(scene, run.comparison)
        folder = subject_folder.run_folder(scene, volume)
        if folder is not None:
            roles = ("aligned", "difference", "paper", "transform", "summary", "chart")
            nodes = [run.comparison.tableNode, *(run.comparison.node(role) for role in roles)]
            subject_folder.put(scene, folder, *nodes)
        return None

    def _exportDone(self, run: Run) -> Failure | None:
        return None

    def _failed(self, run: Run, failure: Failure) -> None:
        run.failure = failure
        if run.kind == "generate":
            generation_job.take_back(self.application, run)
        self._over(run, CANCELLED if failure.is_cancellation else FAILED)

    def _over(self, run: Run, state: str) -> None:
        if run.isOver:
            return
        run.state = state
        if run is self._unshown:
            self._unshown = None
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

    def _dropPrepare(self) -> None:
        run, self._prepareRun = self._prepareRun, None
        if run is not None and run.job is not None:
            run.listeners.clear()
            self._session.cancel(run.job)

    def _newFolder(self) -> Path:
        """A new folder for one job. Its parent is made with the first one, for this user only."""
        if self._folder is None:
            parent = self.application.temporaryFolder()
            parent.mkdir(parents=True, exist_ok=True)
            self._folder = Path(tempfile.mkdtemp(prefix="Xray2MRI-", dir=parent))
        return Path(tempfile.mkdtemp(prefix="job-", dir=self._folder))

    def _tick(self) -> None:
        if self._session.has_work:
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
