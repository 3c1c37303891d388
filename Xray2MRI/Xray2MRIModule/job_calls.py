"""The calls that start jobs, as scripts use them; ``ModuleLogic`` inherits them.

Each returns a Job at once and computes in the background process. Callbacks report progress, result and Failure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .failure import Failure
from .jobs.all_radiographs import AllRadiographs, QueueProgress, RadiographQueue
from .jobs.early_osteoarthritis import EarlyOsteoarthritis
from .jobs.enhancement import Enhancement
from .jobs.evaluation import Evaluation
from .jobs.generation import Generation
from .jobs.job import Job, Progress
from .jobs.job_control import JobControl
from .jobs.preparation import Preparation
from .jobs.progression import Progression
from .scene.comparison_nodes import Comparison


class JobCalls:
    """Forwards each call to its kind of job. The parts are made by whoever inherits.

    Attributes
    ----------
    jobs
        JobControl: the worker's state, the job under way, cancellation.
    preparation, generation, evaluation, enhancement, progression, earlyOsteoarthritis
        The kinds of jobs.
    allRadiographs
        AllRadiographs: generations of all radiographs of the scene.
    """

    jobs: JobControl
    preparation: Preparation
    generation: Generation
    evaluation: Evaluation
    enhancement: Enhancement
    progression: Progression
    earlyOsteoarthritis: EarlyOsteoarthritis
    allRadiographs: AllRadiographs

    def prepare(
        self,
        radiographNode: Any,
        *,
        side: str = "auto",
        roi: Sequence[float] | None = None,
        knee: int | None = None,
        photometric: str = "auto",
        onDone: Callable[[dict[str, Any]], None] | None = None,
        onError: Callable[[Failure], None] | None = None,
    ) -> Job:
        """Analyse a radiograph: knees, side, plausibility, grade, grey levels (see
        Xray2MRILib.generation.radiograph_check).

        ``roi`` is x, y, width, height in radiograph pixels, ``knee`` counts from 1 at the left edge,
        ``photometric`` says whether bone is bright ("normal") or dark ("inverted") in the file. A new call replaces an
        unfinished one, whose callbacks are not called.
        """
        return self.preparation.prepare(
            radiographNode, side=side, roi=roi, knee=knee, photometric=photometric, onDone=onDone, onError=onError
        )

    def generate(
        self,
        radiographNode: Any,
        settings: dict[str, Any] | None = None,
        *,
        name: str | None = None,
        onProgress: Callable[[Progress], None] | None = None,
        onSlice: Callable[[dict[str, Any]], None] | None = None,
        onDone: Callable[[Job], None] | None = None,
        onError: Callable[[Failure], None] | None = None,
    ) -> Job:
        """Make a pseudo-MRI from a radiograph; ``settings`` has the names of Xray2MRILib.worker.protocol.SETTINGS.

        The volume is a new node in a new folder of the subject hierarchy; slices appear in it as they become final.
        """
        return self.generation.generate(
            radiographNode, settings, name=name, onProgress=onProgress, onSlice=onSlice, onDone=onDone, onError=onError
        )

    def generateAll(
        self,
        settings: dict[str, Any] | None = None,
        radiographNodes: Sequence[Any] | None = None,
        *,
        onProgress: Callable[[QueueProgress], None] | None = None,
        onDone: Callable[[RadiographQueue], None] | None = None,
    ) -> RadiographQueue:
        """Make a pseudo-MRI of each radiograph, one after another; None takes all radiographs of the scene.

        Of ``settings``, side, rectangle, grade and the like are left out: they belong to one radiograph. All results
        come into one folder of the subject hierarchy. A radiograph that cannot be used does not stop the others; its
        Failure is in ``failures`` of the queue. ``cancel`` of the queue's job, or ``allRadiographs.cancel``, stops.
        """
        return self.allRadiographs.generate(settings, radiographNodes, onProgress=onProgress, onDone=onDone)

    def densify(
        self,
        volumeNode: Any,
        slices: int,
        *,
        onProgress: Callable[[Progress], None] | None = None,
        onDone: Callable[[Job], None] | None = None,
        onError: Callable[[Failure], None] | None = None,
    ) -> Job:
        """The same volume with another number of slices (2 to 500).

        Existing depths are kept. A number that was made before is shown at once.
        """
        return self.generation.densify(volumeNode, slices, onProgress=onProgress, onDone=onDone, onError=onError)

    def compare(
        self,
        volumeNode: Any,
        referenceNode: Any,
        *,
        align: str = "rigid",
        initial: Any = None,
        onProgress: Callable[[Progress], None] | None = None,
        onDone: Callable[[Job], None] | None = None,
        onError: Callable[[Failure], None] | None = None,
    ) -> Job:
        """Measure a pseudo-MRI against a real MRI; ``job.comparison`` holds the result.

        ``align`` is "rigid", "similarity" or "none". ``initial`` is the user's own placement of the real MRI: a linear
        transform node or 16 numbers (LPS mm, row by row). Parent transforms of the volumes count in any case.
        """
        return self.evaluation.compare(
            volumeNode, referenceNode, align=align, initial=initial,
            onProgress=onProgress, onDone=onDone, onError=onError,
        )  # fmt: skip

    def export(
        self,
        volumeNode: Any,
        output: str | Path,
        format: str = "file",
        *,
        comparison: Any = None,
        keepIdentifiers: bool = False,
        onProgress: Callable[[Progress], None] | None = None,
        onDone: Callable[[Job], None] | None = None,
        onError: Callable[[Failure], None] | None = None,
    ) -> Job:
        """Write a pseudo-MRI: ``format`` "file" (.nrrd, .nii.gz, .mha), "dicom" (a new or empty folder), "report"
        (.html) or "table" (.csv).

        ``comparison`` adds its measures to report and table. ``keepIdentifiers`` copies patient and study of a DICOM
        radiograph into a DICOM series. ``job.result["files"]`` lists what was written.
        """
        return self.evaluation.export(
            volumeNode, output, format, comparison=comparison, keepIdentifiers=keepIdentifiers,
            onProgress=onProgress, onDone=onDone, onError=onError,
        )  # fmt: skip

    def writeComparisonCsv(self, comparison: Comparison, path: str | Path) -> None:
        """Write the measures of each slice to a CSV file. Raises OSError."""
        self.evaluation.writeComparisonCsv(comparison, path)

    def enhance(
        self,
        volumeNode: Any,
        spacing: float,
        *,
        model: str = "enhance-compact",
        teacher: bool = False,
        device: str = "auto",
        onProgress: Callable[[Progress], None] | None = None,
        onDone: Callable[[Job], None] | None = None,
        onError: Callable[[Failure], None] | None = None,
    ) -> Job:
        """Compute voxels of at most ``spacing`` mm for an MRI or a pseudo-MRI; ``job.node("enhanced")`` is the result.

        ``model`` is a name, the folder of a network, or "interpolation"; ``teacher`` takes its diffusion model.
        """
        return self.enhancement.enhance(
            volumeNode, spacing, model=model, teacher=teacher, device=device,
            onProgress=onProgress, onDone=onDone, onError=onError,
        )  # fmt: skip

    def progress(
        self,
        radiographNode: Any,
        *,
        toGrade: int = 4,
        course: str = "",
        frames: int = 8,
        volumes: bool = False,
        morphingModel: str = "",
        settings: dict[str, Any] | None = None,
        onProgress: Callable[[Progress], None] | None = None,
        onDone: Callable[[Job], None] | None = None,
        onError: Callable[[Failure], None] | None = None,
    ) -> Job:
        """A synthetic course, not a forecast: radiographs from this one to grade ``toGrade`` (1 to 4) as a sequence.

        ``course`` is one of the model's courses of the disease, such as "lateral"; "" is its usual one.
        ``volumes`` adds a pseudo-MRI of each. ``morphingModel`` is the folder of a model; "" takes the one that ships.
        ``settings`` are those of ``generate``. The browser of the sequence is ``job.node("course")``.
        """
        return self.progression.progress(
            radiographNode, toGrade=toGrade, course=course, frames=frames, volumes=volumes,
            morphingModel=morphingModel, settings=settings, onProgress=onProgress, onDone=onDone, onError=onError,
        )  # fmt: skip

    def explainEarlyOsteoarthritis(
        self,
        radiographNode: Any,
        *,
        network: str = "",
        side: str = "auto",
        roi: Sequence[float] | None = None,
        knee: int | None = None,
        photometric: str = "auto",
        onDone: Callable[[Job], None] | None = None,
        onError: Callable[[Failure], None] | None = None,
    ) -> Job:
        """Which places of a radiograph speak for KL-2 rather than KL-0: ``job.node("map")`` lies over the radiograph.

        ``network`` is the folder of a Siamese-GAP network; "" takes the one that ships. The rest is as in ``prepare``.
        """
        return self.earlyOsteoarthritis.explain(
            radiographNode, network=network, side=side, roi=roi, knee=knee, photometric=photometric,
            onDone=onDone, onError=onError,
        )  # fmt: skip

    def cancel(self, job: Job | None = None) -> None:
        """Stop a job, by default the one under way. It ends with the failure "cancelled"."""
        self.jobs.cancel(job)

    @property
    def isBusy(self) -> bool:
        """Whether a generation, densification, comparison or export is under way."""
        return self.jobs.isBusy

    @property
    def currentRun(self) -> Job | None:
        """The job under way."""
        return self.jobs.current

    @property
    def runs(self) -> list[Job]:
        """Finished generations, oldest first, whose volume is still in the scene."""
        return self.generation.finished
