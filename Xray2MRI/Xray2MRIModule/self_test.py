"""The main flows with the real worker: the checks of the module's self test.

Slicer runs them through ``Xray2MRITest`` in Xray2MRI.py. They need torch and take about three minutes on a CPU.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk

from Xray2MRILib.volume.geometry import slice_pitch_mm

from .failure import JobFailed
from .jobs.job import Job
from .logic import ModuleLogic
from .scene.sample_data import loadSample
from .worker.process_runner import kill_process

# the first slices arrive soon, and the job is far from its end then
_LONG = {"slices": 300, "steps": 4}


def checkAll(logic: ModuleLogic) -> None:
    """One flow after the other; each works on what the one before left in the scene. Raises AssertionError."""
    radiograph = checkRadiograph(logic)
    volume = checkGeneration(logic, radiograph)
    checkDensities(logic, volume)
    checkViews(logic, radiograph, volume)
    checkComparison(logic, volume)
    checkExport(logic, volume)
    checkCancelling(logic, radiograph)
    checkKilledWorker(logic, radiograph)
    checkSceneClose(logic, radiograph)


def checkRadiograph(logic: ModuleLogic) -> Any:
    """A sample radiograph is loaded and analysed."""
    radiograph = loadSample("single")
    found = logic.prepare(radiograph).wait(300).result
    assert len(found["probabilities"]) == 5
    assert found["plausible"]
    return radiograph


def checkGeneration(logic: ModuleLogic, radiograph: Any) -> Any:
    """A small volume is made; its geometry is that of the file."""
    reports: list[dict[str, Any]] = []
    job = logic.generate(radiograph, {"slices": 4, "steps": 2}, onSlice=reports.append).wait(600)
    volume = job.volumeNode
    assert len(reports) == 4
    assert volume.GetImageData().GetDimensions() == (256, 256, 4)
    assert logic.volumes.isSynthetic(volume)
    assert abs(volume.GetSpacing()[2] - slice_pitch_mm(4)) < 1e-4
    return volume


def checkDensities(logic: ModuleLogic, volume: Any) -> None:
    """More slices keep those that exist; both densities can be shown."""
    coarse = slicer.util.arrayFromVolume(volume).copy()
    logic.densify(volume, 7).wait(600)
    assert logic.densities(volume) == [4, 7]
    assert np.array_equal(slicer.util.arrayFromVolume(volume)[::2], coarse)
    assert logic.selectDensity(volume, 4)


def checkViews(logic: ModuleLogic, radiograph: Any, volume: Any) -> None:
    """The layout, the caution in the views, volume rendering."""
    logic.showLayout(radiograph, volume)
    assert logic.views.isLayoutShown
    assert "vtkMRMLSliceNodeXray2MRISynthetic" in logic.views.annotatedViews()
    assert logic.views.setVolumeRendering(volume, True)
    slicer.app.processEvents()


def checkComparison(logic: ModuleLogic, volume: Any) -> None:
    """The volume itself, moved by 6 mm and noisy, replaces a real MRI: measures, chart and difference map appear."""
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    matrix.SetElement(0, 3, matrix.GetElement(0, 3) + 6.0)
    voxels = slicer.util.arrayFromVolume(volume).astype(np.float32)
    voxels += np.random.default_rng(0).normal(0, 0.05 * voxels.max(), voxels.shape)  # an exact copy is refused
    reference = slicer.util.addVolumeFromArray(voxels, matrix, name="MRI")
    comparison = logic.compare(volume, reference).wait(600).comparison
    assert comparison.verdict
    assert comparison.tableNode.GetTable().GetNumberOfRows() == logic.volumes.density(volume)
    logic.showComparison(comparison)
    assert logic.views.setDifferenceVisible(comparison, True)
    logic.views.setDifferenceVisible(comparison, False)


def checkExport(logic: ModuleLogic, volume: Any) -> None:
    """A file with its record is written."""
    with tempfile.TemporaryDirectory() as folder:
        files = logic.export(volume, Path(folder) / "knee.nii.gz").wait(600).result["files"]
        assert {"knee.nii.gz", "knee.json"} <= {Path(name).name for name in files}
        assert all(Path(name).stat().st_size > 0 for name in files)


def checkCancelling(logic: ModuleLogic, radiograph: Any) -> None:
    """A cancelled job leaves nothing in the scene."""
    before = _countVolumes()
    job = logic.generate(radiograph, _LONG, onSlice=lambda _report: logic.cancel())
    _waitForEnd(job)
    assert job.state == "cancelled"
    assert _countVolumes() == before


def checkKilledWorker(logic: ModuleLogic, radiograph: Any) -> None:
    """A worker that dies fails its job; the next job starts another worker."""
    before = _countVolumes()
    job = logic.generate(radiograph, _LONG, onSlice=lambda _report: kill_process(logic.jobs.workerPid))
    _waitForEnd(job)
    assert job.state == "failed"
    assert job.failure.code == "worker-died"
    assert _countVolumes() == before
    assert logic.generate(radiograph, {"slices": 2, "steps": 1}).wait(600).state == "done"


def checkSceneClose(logic: ModuleLogic, radiograph: Any) -> None:
    """Closing the scene cancels a running job."""
    job = logic.generate(radiograph, _LONG, onSlice=lambda _report: slicer.mrmlScene.Clear())
    _waitForEnd(job)
    assert job.state == "cancelled"
    assert not logic.isBusy
    logging.info("Xray2MRI: the scene was closed during a job")


def _countVolumes() -> int:
    return slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")


def _waitForEnd(job: Job) -> None:
    try:
        job.wait(600)
    except JobFailed:
        pass
