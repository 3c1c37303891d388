"""Pseudo-MRI of all radiographs of a scene, with real MRML and the real worker."""

from __future__ import annotations

import numpy as np
import pytest
import vtk
from slicer.util import arrayFromVolume
from Xray2MRIModule.scene.radiograph_node import loaded_radiographs
from Xray2MRIModule.worker.process_runner import kill_process

QUICK = {"slices": 4, "steps": 1, "device": "cpu", "side": "left", "kl": [1, 0, 0, 0, 0], "roi": [1, 1, 9, 9]}


@pytest.fixture
def three(application, knee_radiograph, two_knee_radiograph):
    """Three radiographs as nodes."""
    paths = (knee_radiograph, two_knee_radiograph, two_knee_radiograph)
    return [application.loadVolume(str(path), "Doe^John") for path in paths]


def items_below(scene, folder: int) -> list[int]:
    items = vtk.vtkIdList()
    scene.GetSubjectHierarchyNode().GetItemChildren(folder, items, False)
    return [items.GetId(place) for place in range(items.GetNumberOfIds())]


def test_what_counts_as_a_loaded_radiograph(application, three):
    scene = application.scene
    stack = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "MRI")
    image = vtk.vtkImageData()
    image.SetDimensions(64, 64, 5)
    image.AllocateScalars(vtk.VTK_SHORT, 1)
    stack.SetAndObserveImageData(image)
    assert loaded_radiographs(scene) == three
    three[2].SetHideFromEditors(1)
    three[0].SetAttribute("Xray2MRI.synthetic", "true")
    assert loaded_radiographs(scene) == [three[1]]


@pytest.mark.slow
def test_all_are_made_in_one_folder_and_a_bad_one_stops_nothing(logic, three):
    scene, heard, done = logic.application.scene, [], []
    three[1].SetAndObserveImageData(None)
    queue = logic.generateAll(QUICK, three, onProgress=heard.append, onDone=done.append)
    assert logic.isBusy
    queue.wait(400)
    assert done == [queue]
    good = [three[0].GetID(), three[2].GetID()]
    assert list(queue.volumes) == good
    assert list(queue.failures) == [three[1].GetID()]
    assert queue.failures[three[1].GetID()].code == "volume-not-radiograph"
    assert not logic.isBusy

    volumes = [scene.GetNodeByID(queue.volumes[identifier]) for identifier in good]
    for volume, radiograph in zip(volumes, (three[0], three[2]), strict=True):
        assert arrayFromVolume(volume).shape[0] == 4
        assert volume.GetNodeReference("Xray2MRI.radiograph") is radiograph
        assert "synthetic" in volume.GetName()
        assert "Doe" not in volume.GetName()
        assert volume.GetAttribute("Xray2MRI.koa.source") == "classifier", "the grade of one radiograph is not for all"
    assert volumes[0].GetAttribute("Xray2MRI.radiograph.side") == "right", "nor is its side"
    hierarchy = scene.GetSubjectHierarchyNode()
    runs = items_below(scene, queue.folderItem)
    assert len(runs) == 2
    assert "synthetic" in hierarchy.GetItemName(queue.folderItem)
    inside = {hierarchy.GetItemDataNode(item) for run in runs for item in items_below(scene, run)}
    assert set(volumes) <= inside

    numbers = [progress.number for progress in heard]
    assert numbers == sorted(numbers)
    assert {progress.count for progress in heard} == {3}
    fractions = [progress.fraction for progress in heard]
    assert fractions == sorted(fractions)
    # the same settings for one radiograph give the same volume
    alone = logic.generate(three[0], {name: QUICK[name] for name in ("slices", "steps", "device")}).wait(300)
    np.testing.assert_array_equal(arrayFromVolume(alone.volumeNode), arrayFromVolume(volumes[0]))


@pytest.mark.slow
def test_a_dead_worker_is_replaced_and_its_radiograph_tried_again(logic, three):
    killed = []

    def kill_once(progress) -> None:
        if progress.ofRadiograph.stage == "sample" and not killed:
            killed.append(logic.jobs.workerPid)
            kill_process(logic.jobs.workerPid)

    queue = logic.generateAll({**QUICK, "steps": 8}, [three[0], three[2]], onProgress=kill_once).wait(400)
    assert killed
    assert len(queue.volumes) == 2
    assert queue.failures == {}
    assert len(items_below(logic.application.scene, queue.folderItem)) == 2


@pytest.mark.slow
def test_cancelling_keeps_what_is_finished(logic, three):
    def cancel_second(progress) -> None:
        if progress.number == 2 and progress.ofRadiograph.stage == "sample":
            logic.allRadiographs.cancel()

    queue = logic.generateAll({**QUICK, "slices": 30, "steps": 4}, [three[0], three[2]], onProgress=cancel_second).wait(
        400
    )
    assert queue.isCancelled
    assert list(queue.volumes) == [three[0].GetID()]
    assert queue.failures[three[2].GetID()].is_cancellation
    assert len(items_below(logic.application.scene, queue.folderItem)) == 1
    assert not logic.isBusy


def test_nothing_loaded_leaves_no_folder(logic):
    queue = logic.generateAll(QUICK)
    assert queue.isOver
    hierarchy = logic.application.scene.GetSubjectHierarchyNode()
    assert hierarchy.GetNumberOfItemChildren(hierarchy.GetSceneItemID(), True) == 0
