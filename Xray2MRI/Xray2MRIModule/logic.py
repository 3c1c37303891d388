"""The module without its panel: radiographs in, pseudo-MRI volumes, comparisons and exports out.

Usable from Slicer's Python console::

    logic = slicer.util.getModuleLogic("Xray2MRI")
    radiograph = slicer.util.getNode("Radiograph")
    run = logic.generate(radiograph, {"slices": 50, "steps": 20}).wait()
    print(run.volumeNode.GetName(), run.result["koa"])
    logic.densify(run.volumeNode, 99).wait()

Every job returns a Run at once and computes in the background process; ``wait`` blocks while the window stays alive.
Without ``wait`` the callbacks tell how it goes. What is wrong with the input arrives at ``onError`` as a Failure.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Sequence
from typing import Any

import slicer

from .application import Application, SlicerApplication
from .evaluation_logic import VOLUME_GONE, EvaluationLogic
from .jobs import generation_job
from .jobs.failure import Failure
from .jobs.job_control import AGAIN
from .jobs.result_import import Steps
from .jobs.run import DONE, Progress, Run
from .scene import density_sequence, subject_folder
from .scene.radiograph_node import radiograph_size
from .scene.volume_file import VolumeFiles
from .scene.volume_nodes import slice_count, slices_inserted
from .translation import tr as _
from .views.view_control import ViewControl
from .worker.process_runner import ProcessRunner

# every new slice makes all views draw; more often than this nobody sees the difference
_SHOW_EVERY_S = 0.25
_NAME = _("Pseudo-MRI (synthetic)")
_AS_SHOWN = _("The file says that the picture lies turned; it was taken as it is shown. Check the side.")


class ModuleLogic(EvaluationLogic, ViewControl):
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
        application = application or SlicerApplication()
        EvaluationLogic.__init__(self, application, runnerFactory, workerOptions)
        ViewControl.__init__(self, application)
        self.startAnnotations()
        self._files = VolumeFiles()
        self._jobs: dict[str, tuple[str, int]] = {}  # volume ID -> job that made it, incarnation of the worker
        self._models: dict[str, dict[str, str]] = {}  # volume ID -> model and device
        self._pixelsOnly: set[str] = set()  # radiographs whose file shows them turned
        self._unshown: Run | None = None
        self._shownAt = 0.0
        self._finished: list[Run] = []
        scene = self.application.scene
        self._sceneObservers = [
            (scene, scene.AddObserver(slicer.vtkMRMLScene.StartCloseEvent, lambda *_: self.sceneStartClose()))
        ]

    # --- state

    @property
    def runs(self) -> list[Run]:
        """Finished generations, oldest first, whose volume is still in the scene."""
        return [run for run in self._finished if run.volumeNode is not None]

    def close(self) -> None:
        """End the background process, stop following the scene, remove temporary files. May be called again."""
        for node, tag in self._sceneObservers:
            node.RemoveObserver(tag)
        self._sceneObservers = []
        self.closeViews()
        self.closeJobs()

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
        """Look at a radiograph: knees, side, plausibility, grade, grey levels (see
        Xray2MRILib.generation.radiograph_check).

        ``roi`` is x, y, width, height in radiograph pixels, ``knee`` counts from 1 at the left edge. A new call
        replaces an unfinished one, which then calls nobody.
        """
        run = self._newRun("prepare", onDone=onDone, onError=onError)
        self._dropPrepare()
        self._prepareRun = run
        box = None if roi is None else [float(value) for value in roi]
        run.choices = {"side": side, "roi": box, "knee": knee or None}
        self._begin(run, lambda: self._radiographFields(run, radiographNode) | run.choices)
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
        """Make a pseudo-MRI from a radiograph; ``settings`` has the names of Xray2MRILib.worker.protocol.SETTINGS.

        A new volume in a new folder of the subject hierarchy; slices appear in it as they become final.
        """
        run = self._newRun("generate", onProgress=onProgress, onSlice=onSlice, onDone=onDone, onError=onError)
        run.name = name or _NAME
        chosen = dict(settings or {})

        def fields() -> dict[str, Any]:
            radiograph = self._radiographFields(run, radiographNode)
            output = {"output": str(run.folder / "volume.nrrd"), "slice_folder": str(run.folder / "slices")}
            return {**chosen, **radiograph, **output}

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
            radiograph = volumeNode.GetNodeReference(generation_job.RADIOGRAPH_ROLE)
            job, incarnation = self._jobs.get(volumeNode.GetID(), ("", -1))
            request = {"slices": slices, "output": str(run.folder / f"volume_{slices}.nrrd")}
            if self.workerState in ("ready", "busy") and incarnation == self._session.incarnation:
                return {**request, "of_job": job}
            return {
                **request, **self._radiographFields(run, radiograph), **self._models.get(volumeNode.GetID(), {}),
                "volume": str(volume),
            }  # fmt: skip

        self._beginAlone(run, fields)
        return run

    # --- scene

    def sceneStartClose(self) -> None:
        """The scene is about to go: nothing of a running job may come into the next one."""
        self._dropPrepare()
        if self.currentRun is not None:
            run = self.currentRun
            self._takeBack(run)
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

    def _whilePolling(self) -> None:
        run = self.currentRun
        asked = run is None or run.kind == "export" or run.job is None or run.job.cancelled_at is not None
        if not asked and run.result is None and run.hasLostVolume:
            self.cancel(run)  # nobody wants it any more, and the next slice may be minutes away
        if self._unshown is not None and time.monotonic() - self._shownAt >= _SHOW_EVERY_S:
            self._showSlices()

    def _showSlices(self) -> None:
        run, self._unshown = self._unshown, None
        self._shownAt = time.monotonic()
        volume = None if run is None or run.isOver else run.volumeNode
        if volume is not None:
            slices_inserted(volume)

    def _prepareDone(self, run: Run) -> Failure | None:
        radiograph, about = run.radiographNode, run.result["film"]
        if radiograph is None:
            return Failure("no-radiograph", _("The radiograph was deleted."), _("Choose another one."))
        if radiograph.GetID() in self._pixelsOnly:
            run.result["film_warnings"] = [*run.result["film_warnings"], _AS_SHOWN]
        elif about["turned_upright"] or (about["columns"], about["rows"]) != tuple(radiograph_size(radiograph)):
            # rectangles would not fit the picture that the user sees
            self._pixelsOnly.add(radiograph.GetID())
            shutil.rmtree(run.folder, ignore_errors=True)
            self._begin(run, lambda: self._radiographFields(run, radiograph) | run.choices)
            return AGAIN
        return None

    def _generateDone(self, run: Run) -> Steps:
        if not (yield from generation_job.finish(self.application, run)):
            return VOLUME_GONE
        volume = run.volumeNode
        self._files.remember(volume, slice_count(volume), run.result["volume"])
        self._jobs[volume.GetID()] = (run.job.identifier, self._session.incarnation)
        self._models[volume.GetID()] = run.choices
        self._finished.append(run)
        self._tell("runs")
        return None

    def _densifyDone(self, run: Run) -> Steps:
        if not (yield from generation_job.take_density(self.application, run)):
            return VOLUME_GONE
        volume = run.volumeNode
        self._files.remember(volume, slice_count(volume), run.result["volume"])
        run.remember("browser", density_sequence.browser_of(volume))
        self._jobs[volume.GetID()] = (run.job.identifier, self._session.incarnation)
        self._tell("runs")
        return None

    def _takeBack(self, run: Run) -> None:
        if run is self._unshown:
            self._unshown = None
        if run.kind == "generate":
            generation_job.take_back(self.application, run)

    def _dropPrepare(self) -> None:
        run, self._prepareRun = self._prepareRun, None
        if run is not None and run.job is not None:
            run.listeners.clear()
            self._session.cancel(run.job)
