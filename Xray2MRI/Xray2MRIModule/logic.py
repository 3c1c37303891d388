"""The module without its panel: radiographs in; pseudo-MRI volumes, comparisons and exports out.

Usable from Slicer's Python console::

    logic = slicer.util.getModuleLogic("Xray2MRI")
    radiograph = slicer.util.getNode("Radiograph")
    job = logic.generate(radiograph, {"slices": 50, "steps": 20}).wait()
    print(job.volumeNode.GetName(), job.result["koa"])
    logic.densify(job.volumeNode, 99).wait()

Each call returns a Job at once and computes in the background process; ``wait`` blocks the console while the window
stays responsive. Without ``wait`` the callbacks report progress. What is wrong with the input arrives at ``onError`` as
a Failure.

``ModuleLogic`` holds the parts together; ``JobCalls`` has the calls that scripts start jobs with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import slicer

from .application import Application, SlicerApplication
from .job_calls import JobCalls
from .jobs.all_radiographs import AllRadiographs
from .jobs.early_osteoarthritis import EarlyOsteoarthritis
from .jobs.enhancement import Enhancement
from .jobs.evaluation import Evaluation
from .jobs.generation import Generation
from .jobs.job_control import JobControl, JobHandler
from .jobs.preparation import Preparation
from .jobs.progression import Progression
from .jobs.radiograph_input import RadiographInput
from .scene import synthetic_course
from .scene.comparison_nodes import Comparison
from .scene.scene_volumes import SceneVolumes
from .scene.volume_file import VolumeFiles
from .views.view_control import ViewControl
from .worker.process_runner import ProcessRunner


class ModuleLogic(JobCalls):
    """Jobs, their results in the scene, and the views.

    ``JobCalls`` has the calls that start jobs.

    Parameters
    ----------
    application
        Default: Slicer itself.
    runnerFactory
        Makes the ProcessRunner of a worker; default: a QProcess.
    workerOptions
        Further arguments for the worker, e.g. ``("--idle-shutdown", "600")``.

    Attributes
    ----------
    volumes
        SceneVolumes: which volumes and comparisons there are, and with how many slices.
    views
        ViewControl: layout, overlays, volume rendering, charts.
    """

    def __init__(
        self,
        application: Application | None = None,
        runnerFactory: Callable[[], ProcessRunner] | None = None,
        workerOptions: Sequence[str] = (),
    ) -> None:
        self.application = application or SlicerApplication()
        self._files = VolumeFiles()
        self._radiographs = RadiographInput(self.application)
        shared = (self._radiographs, self._files)
        self.volumes = SceneVolumes(self.application)
        self.views = ViewControl(self.application)
        self.jobs = JobControl(self.application, runnerFactory, workerOptions)
        self.preparation = Preparation(self.jobs, self._radiographs)
        self.generation = Generation(self.application, self.jobs, *shared)
        self.evaluation = Evaluation(self.application, self.jobs, *shared)
        self.enhancement = Enhancement(self.application, self.jobs, self._files)
        self.progression = Progression(self.application, self.jobs, self._radiographs)
        self.earlyOsteoarthritis = EarlyOsteoarthritis(self.application, self.jobs, self._radiographs)
        self.allRadiographs = AllRadiographs(self.application, self.jobs, self.generation)
        self.jobs.handlers = {
            "prepare": JobHandler(self.preparation.finish, keepsFiles=False),
            "generate": JobHandler(
                self.generation.finishVolume,
                takeSlice=self.generation.takeSlice,
                undo=self.generation.undo,
                ofRadiograph=True,
            ),
            "densify": JobHandler(self.generation.finishDensity),
            "compare": JobHandler(self.evaluation.finishComparison),
            "export": JobHandler(needsVolume=False),
            "enhance": JobHandler(self.enhancement.finish, keepsFiles=False),
            "progress": JobHandler(self.progression.finish, needsVolume=False, keepsFiles=False, ofRadiograph=True),
            "early-oa": JobHandler(
                self.earlyOsteoarthritis.finish, needsVolume=False, keepsFiles=False, ofRadiograph=True
            ),
        }
        self.views.startAnnotations()
        scene = self.application.scene
        event = slicer.vtkMRMLScene.StartCloseEvent
        self._sceneObservers = [(scene, scene.AddObserver(event, lambda *_: self.sceneStartClose()))]

    def close(self) -> None:
        """End the background process, stop following the scene, remove temporary files. May be called again."""
        for node, tag in self._sceneObservers:
            node.RemoveObserver(tag)
        self._sceneObservers = []
        self.views.close()
        self.jobs.close()

    def sceneStartClose(self) -> None:
        """The scene is about to close: nothing of a running job may enter the next one."""
        self.preparation.drop()
        self.allRadiographs.drop()
        job = self.jobs.current
        if job is not None:
            self.jobs.handlers[job.kind].undo(job)
            job.nodeIds.clear()
            self.jobs.cancel(job)
        for part in (self.generation, self._files, self._radiographs, self.views):
            part.forgetAll()

    def syntheticVolumes(self) -> list[Any]:
        """See SceneVolumes.synthetic."""
        return self.volumes.synthetic()

    def comparisons(self, volumeNode: Any = None) -> list[Comparison]:
        """See SceneVolumes.comparisons."""
        return self.volumes.comparisons(volumeNode)

    def densities(self, volumeNode: Any) -> list[int]:
        """See SceneVolumes.densities."""
        return self.volumes.densities(volumeNode)

    def selectDensity(self, volumeNode: Any, slices: int) -> bool:
        """See SceneVolumes.selectDensity."""
        return self.volumes.selectDensity(volumeNode, slices)

    def showLayout(self, radiographNode: Any = None, volumeNode: Any = None, referenceNode: Any = None) -> None:
        """See ViewControl.showLayout."""
        self.views.showLayout(radiographNode, volumeNode, referenceNode)

    def restoreLayout(self) -> None:
        """See ViewControl.restoreLayout."""
        self.views.restoreLayout()

    def courses(self, radiographNode: Any = None) -> list[Any]:
        """The sequence browsers of the courses of the scene, or of those of one radiograph, oldest first."""
        return synthetic_course.courses(self.application.scene, radiographNode)

    def selectFrame(self, browserNode: Any, index: int) -> None:
        """Show a frame of a course, counted from 0."""
        synthetic_course.select_frame(browserNode, index, self.application.moduleLogic("Sequences"))

    def showComparison(self, comparison: Comparison) -> None:
        """See ViewControl.showComparison."""
        self.views.showComparison(comparison)
