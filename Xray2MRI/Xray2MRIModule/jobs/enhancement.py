"""Enhancement of a volume of the scene: finer voxels for a real MRI or a pseudo-MRI."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..application import Application
from ..failure import Failure, JobFailed
from ..scene import subject_folder
from ..scene.provenance_attributes import (
    ENHANCED_CONTENT,
    get_record,
    is_enhanced,
    is_synthetic,
    mark_synthetic,
    set_record,
)
from ..scene.volume_file import VolumeFiles
from ..scene.volume_nodes import copy_window, load_volume, write_volume
from ..translation import tr as _
from .generation import VOLUME_GONE
from .job import Job, Progress
from .job_control import JobControl

MEASURED_ROLE = "Xray2MRI.measured"  # from the enhanced volume to the one that it was computed from


class Enhancement:
    """Sends a volume to the worker and brings its finer voxels back as a new node."""

    def __init__(self, application: Application, jobs: JobControl, files: VolumeFiles) -> None:
        self._application = application
        self._jobs = jobs
        self._files = files

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
        """See ModuleLogic.enhance."""
        job = self._jobs.newJob("enhance")
        job.signals.connect(onProgress=onProgress, onDone=onDone, onError=onError)
        job.remember("volume", volumeNode)

        def fields() -> dict[str, Any]:
            return {
                "volume": str(self._file(volumeNode, job.folder)),
                "output": str(job.folder / "enhanced.nrrd"),
                "spacing": float(spacing),
                "model": model,
                "teacher": teacher or None,
                "device": device,
            }

        self._jobs.beginAlone(job, fields)
        return job

    def finish(self, job: Job) -> Failure | None:
        """Add the enhanced volume next to the one that it was computed from."""
        measured = job.volumeNode
        if measured is None:
            return VOLUME_GONE
        scene = self._application.scene
        name = _("{name}, enhanced").format(name=measured.GetName())
        node = load_volume(scene, job.result["volume"], name)
        mark_synthetic(node, ENHANCED_CONTENT)
        set_record(node, json.loads(Path(job.result["record"]).read_text(encoding="ascii")))
        node.SetNodeReferenceID(MEASURED_ROLE, measured.GetID())
        node.SetAndObserveTransformNodeID(measured.GetTransformNodeID())
        if measured.GetScalarVolumeDisplayNode() is not None:
            copy_window(measured, node)
        subject_folder.put(scene, subject_folder.run_folder(scene, measured), node)
        job.remember("enhanced", node)
        return None

    def _file(self, volume: Any, folder: Path) -> Path:
        """The volume as a file under a neutral name. Raises JobFailed for what cannot be enhanced, OSError."""
        if is_enhanced(volume):
            raise JobFailed(Failure(
                "enhanced-already", _("“{name}” is enhanced already.").format(name=volume.GetName()),
                _("Select the volume that it was computed from."),
            ))  # fmt: skip
        if is_synthetic(volume) and get_record(volume) is not None:
            return self._files.path(volume, folder)
        image = volume.GetImageData()
        if volume.GetClassName() != "vtkMRMLScalarVolumeNode" or image is None or min(image.GetDimensions()) < 3:
            raise JobFailed(Failure(
                "not-a-volume", _("“{name}” is not a greyscale volume with several slices.").format(
                    name=volume.GetName()), _("Select an MRI of a knee."),
            ))  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "measured.nrrd"
        write_volume(volume, path)
        return path
