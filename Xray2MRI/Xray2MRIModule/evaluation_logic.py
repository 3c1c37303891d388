"""The part of the logic that measures and writes: comparison with a real MRI, export."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .jobs import comparison_job
from .jobs.failure import Failure, JobFailed
from .jobs.generation_job import RADIOGRAPH_ROLE
from .jobs.job_control import JobControl
from .jobs.result_import import Steps
from .jobs.run import Progress, Run
from .scene import subject_folder
from .scene.comparison_nodes import comparison_steps
from .scene.provenance_attributes import NOT_FOR_DIAGNOSIS
from .scene.radiograph_node import is_radiograph, radiograph_file, write_pixels
from .scene.volume_file import VolumeFiles
from .translation import tr as _
from .views.comparison_chart import create_chart

VOLUME_GONE = Failure("volume-deleted", _("The volume was deleted while it was worked on."), _("Generate it again."))
_FIGURES = ("per_slice", "summary", "verdict", "warnings")


class EvaluationLogic(JobControl):
    """Comparisons and exports; both work on the density that a volume shows."""

    _files: VolumeFiles
    _pixelsOnly: set[str]  # IDs of radiographs whose file shows them turned

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
        keepIdentifiers: bool = False,
        onProgress: Callable[[Progress], None] | None = None,
        onDone: Callable[[Run], None] | None = None,
        onError: Callable[[Failure], None] | None = None,
    ) -> Run:
        """Write a pseudo-MRI: ``format`` "file" (.nrrd, .nii.gz, .mha), "dicom" (a new or empty folder), "report"
        (.html) or "table" (.csv).

        ``comparison`` adds its figures to report and table. ``keepIdentifiers`` puts patient and study of a DICOM
        radiograph into a DICOM series. ``run.result["files"]`` lists what was written.
        """
        run = self._newRun("export", onProgress=onProgress, onDone=onDone, onError=onError)
        run.remember("volume", volumeNode)

        def fields() -> dict[str, Any]:
            request = {
                "volume": str(self._files.path(volumeNode, run.folder)),
                "output": str(output),
                "format": format,
                "keep_identifiers": keepIdentifiers or None,
            }
            radiograph = volumeNode.GetNodeReference(RADIOGRAPH_ROLE)
            if radiograph is not None and is_radiograph(radiograph) is None:
                request |= self._radiographFields(run, radiograph)
            if comparison is not None:
                figures = run.folder / "comparison.json"
                figures.write_text(json.dumps({name: comparison.result.get(name) for name in _FIGURES}), "ascii")
                request["comparison"] = str(figures)
            return request

        self._beginAlone(run, fields)
        return run

    def writeComparisonCsv(self, comparison: Any, path: str | Path) -> None:
        """Write the figures per slice to a place of the user's. Raises OSError."""
        if comparison.csvPath is not None and Path(comparison.csvPath).is_file():
            shutil.copyfile(comparison.csvPath, path)
            return
        # of a saved scene; as the worker writes it, in English, because other programs read it
        from Xray2MRILib.reports.per_slice_table import COMPARISON_COLUMNS

        with open(path, "w", newline="", encoding="utf-8") as file:
            file.write(f"# pseudo-MRI: {NOT_FOR_DIAGNOSIS}\n")
            table = csv.writer(file, lineterminator="\n")
            table.writerow(COMPARISON_COLUMNS.values())
            for row in comparison.result.get("per_slice") or []:
                table.writerow(["" if row.get(name) is None else row[name] for name in COMPARISON_COLUMNS])

    def _compareDone(self, run: Run) -> Steps:
        volume = run.volumeNode
        if volume is None:
            return VOLUME_GONE
        scene = self.application.scene
        run.comparison = yield from comparison_steps(scene, volume, run.node("reference"), run.result)
        create_chart(scene, run.comparison)
        folder = subject_folder.run_folder(scene, volume)
        if folder is not None:
            roles = ("aligned", "difference", "paper", "transform", "summary", "chart")
            nodes = [run.comparison.tableNode, *(run.comparison.node(role) for role in roles)]
            subject_folder.put(scene, folder, *nodes)
        return None

    def _exportDone(self, run: Run) -> Failure | None:
        return None

    def _radiographFields(self, run: Run, radiograph: Any) -> dict[str, Any]:
        failure = is_radiograph(radiograph)
        if failure is not None:
            raise JobFailed(failure)
        run.remember("radiograph", radiograph)
        if radiograph.GetID() in self._pixelsOnly:
            run.folder.mkdir(parents=True, exist_ok=True)
            return {"radiograph": str(write_pixels(radiograph, run.folder))}
        return {"radiograph": str(radiograph_file(self.application, radiograph, run.folder))}
