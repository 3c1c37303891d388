"""Comparisons with a real MRI, and exports; both use the density that a volume shows."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..application import Application
from ..failure import Failure
from ..scene import subject_folder
from ..scene.comparison_nodes import comparison_steps
from ..scene.provenance_attributes import NOT_FOR_DIAGNOSIS
from ..scene.radiograph_node import is_radiograph
from ..scene.volume_file import VolumeFiles
from ..views.comparison_chart import create_chart
from . import comparison_input
from .generation import VOLUME_GONE
from .generation_nodes import RADIOGRAPH_ROLE
from .job import Job, Progress
from .job_control import JobControl
from .radiograph_input import RadiographInput
from .result_import import Steps

_FIGURES = ("per_slice", "summary", "verdict", "warnings")


class Evaluation:
    """Measures pseudo-MRI volumes and writes them for other programs."""

    def __init__(
        self, application: Application, jobs: JobControl, radiographs: RadiographInput, files: VolumeFiles
    ) -> None:
        self._application = application
        self._jobs = jobs
        self._radiographs = radiographs
        self._files = files

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
        """See ModuleLogic.compare."""
        job = self._jobs.newJob("compare")
        job.signals.connect(onProgress=onProgress, onDone=onDone, onError=onError)
        job.remember("volume", volumeNode)
        job.remember("reference", referenceNode)

        def fields() -> dict[str, Any]:
            comparison_input.check_reference(volumeNode, referenceNode)
            matrix = comparison_input.initial_matrix(volumeNode, referenceNode, initial)
            (job.folder / "comparison").mkdir(parents=True, exist_ok=True)
            return {
                "volume": str(self._files.path(volumeNode, job.folder)),
                "reference": str(comparison_input.write_reference(referenceNode, job.folder)),
                "align": align,
                "initial": matrix,
                "output_folder": str(job.folder / "comparison"),
            }

        self._jobs.beginAlone(job, fields)
        return job

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
        """See ModuleLogic.export."""
        job = self._jobs.newJob("export")
        job.signals.connect(onProgress=onProgress, onDone=onDone, onError=onError)
        job.remember("volume", volumeNode)

        def fields() -> dict[str, Any]:
            request = {
                "volume": str(self._files.path(volumeNode, job.folder)),
                "output": str(output),
                "format": format,
                "keep_identifiers": keepIdentifiers or None,
            }
            radiograph = volumeNode.GetNodeReference(RADIOGRAPH_ROLE)
            if radiograph is not None and is_radiograph(radiograph) is None:
                request |= self._radiographs.fields(job, radiograph)
            if comparison is not None:
                figures = job.folder / "comparison.json"
                figures.write_text(json.dumps({name: comparison.result.get(name) for name in _FIGURES}), "ascii")
                request["comparison"] = str(figures)
            return request

        self._jobs.beginAlone(job, fields)
        return job

    def writeComparisonCsv(self, comparison: Any, path: str | Path) -> None:
        """See ModuleLogic.writeComparisonCsv."""
        if comparison.csvPath is not None and Path(comparison.csvPath).is_file():
            shutil.copyfile(comparison.csvPath, path)
            return
        # of a saved scene; in English as the worker writes it, because other programs read it
        from Xray2MRILib.reports.per_slice_table import COMPARISON_COLUMNS

        with open(path, "w", newline="", encoding="utf-8") as file:
            file.write(f"# pseudo-MRI: {NOT_FOR_DIAGNOSIS}\n")
            table = csv.writer(file, lineterminator="\n")
            table.writerow(COMPARISON_COLUMNS.values())
            for row in comparison.result.get("per_slice") or []:
                table.writerow(["" if row.get(name) is None else row[name] for name in COMPARISON_COLUMNS])

    def finishComparison(self, job: Job) -> Steps:
        """Turn the result into nodes and put them into the folder of the volume."""
        volume = job.volumeNode
        if volume is None:
            return VOLUME_GONE
        scene = self._application.scene
        job.comparison = yield from comparison_steps(scene, volume, job.node("reference"), job.result)
        create_chart(scene, job.comparison)
        folder = subject_folder.run_folder(scene, volume)
        if folder is not None:
            roles = ("aligned", "difference", "paper", "transform", "summary", "chart")
            nodes = [job.comparison.tableNode, *(job.comparison.node(role) for role in roles)]
            subject_folder.put(scene, folder, *nodes)
        return None
