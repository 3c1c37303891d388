"""From a radiograph in the scene to volumes in the scene, with the real worker and the shipped model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import vtk
from scene_content import nodes_and_items
from slicer.util import arrayFromVolume
from subprocess_runner import SubprocessRunner
from Xray2MRIModule.scene import subject_folder
from Xray2MRIModule.scene.volume_nodes import reading_window

QUICK = {"slices": 5, "steps": 2, "device": "cpu", "seed": 3}


def test_the_node_is_the_file(finished):
    run, heard = finished
    assert heard["done"] == [run]
    assert sorted(heard["slices"]) == list(range(5))
    assert heard["progress"][-1].fraction == 1.0
    assert heard["saved"] == [False] * 5
    volume = run.volumeNode
    image = sitk.ReadImage(run.result["volume"])
    np.testing.assert_array_equal(arrayFromVolume(volume), sitk.GetArrayFromImage(image))
    assert arrayFromVolume(volume).dtype == np.int16
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    for index in ((0, 0, 0), (255, 0, 0), (0, 255, 0), (3, 7, 4)):
        lps = image.TransformIndexToPhysicalPoint(index)
        ras = matrix.MultiplyPoint((*index, 1.0))[:3]
        np.testing.assert_allclose(ras, (-lps[0], -lps[1], lps[2]), atol=1e-6)
    assert volume.IsIJKCoordinateSystemRightHanded(matrix)
    display = volume.GetDisplayNode()
    shown = display.GetWindowLevelMin(), display.GetWindowLevelMax()
    assert shown == pytest.approx(reading_window(volume), rel=1e-3)
    assert volume.GetSaveWithScene()
    assert volume.GetStorageNode() is None


def test_what_it_is_and_where_it_comes_from(finished):
    run, _ = finished
    volume = run.volumeNode
    assert "synthetic" in volume.GetName()
    assert "not for diagnosis" in volume.GetDescription()
    assert volume.GetAttribute("Xray2MRI.synthetic") == "true"
    assert volume.GetAttribute("Xray2MRI.sampling.seed") == "3"
    assert volume.GetAttribute("Xray2MRI.sampling.num_slices") == "5"
    record = json.loads(Path(run.result["provenance"]).read_text(encoding="utf-8"))
    assert json.loads(volume.GetAttribute("Xray2MRI.record")) == record
    assert volume.GetNodeReference("Xray2MRI.radiograph") is run.radiographNode
    assert "Film" not in volume.GetAttribute("Xray2MRI.record")
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    inside = vtk.vtkIdList()
    hierarchy.GetItemChildren(run.folderItem, inside)
    classes = {hierarchy.GetItemDataNode(inside.GetId(n)).GetClassName() for n in range(inside.GetNumberOfIds())}
    assert classes == {"vtkMRMLScalarVolumeNode", "vtkMRMLSequenceNode", "vtkMRMLSequenceBrowserNode"}
    assert hierarchy.GetItemParent(run.folderItem) == hierarchy.GetItemParent(
        hierarchy.GetItemByDataNode(run.radiographNode)
    )


def test_more_depths_and_back_again(warm, finished):
    run, _ = finished
    volume = run.volumeNode
    identifier, coarse = volume.GetID(), arrayFromVolume(volume).copy()
    before = nodes_and_items(warm.application.scene)
    dense = warm.densify(volume, 9).wait(300)
    assert dense.volumeNode.GetID() == identifier
    assert warm.densities(volume) == [5, 9]
    assert warm.volumes.density(volume) == 9
    np.testing.assert_array_equal(arrayFromVolume(volume)[::2], coarse)
    assert volume.GetSpacing()[2] == pytest.approx(73.5 / 8)
    assert volume.GetAttribute("Xray2MRI.sampling.num_slices") == "9"
    assert volume.GetNodeReference("Xray2MRI.radiograph") is run.radiographNode
    assert nodes_and_items(warm.application.scene) == before
    pid, done = warm.jobs.workerPid, []
    again = warm.densify(volume, 5, onDone=done.append)
    assert again.state == "done"
    assert done == [again]
    np.testing.assert_array_equal(arrayFromVolume(volume), coarse)
    assert volume.GetAttribute("Xray2MRI.sampling.num_slices") == "5"
    assert warm.jobs.workerPid == pid
    assert not warm.selectDensity(volume, 77)


def test_a_saved_scene_comes_back_whole(warm, finished, tmp_path):
    run, _ = finished
    scene = warm.application.scene
    assert warm.selectDensity(run.volumeNode, 5)
    voxels, record = arrayFromVolume(run.volumeNode).copy(), run.volumeNode.GetAttribute("Xray2MRI.record")
    densities = warm.densities(run.volumeNode)
    folder = tmp_path / "bundle"
    folder.mkdir()
    assert scene.SaveSceneToSlicerDataBundleDirectory(str(folder), None)
    from core_application import CoreApplication
    from Xray2MRIModule.logic import ModuleLogic

    application = CoreApplication(tmp_path / "temporary")
    other = ModuleLogic(application, SubprocessRunner)
    try:
        application.scene.SetURL(str(next(folder.rglob("*.mrml"))))
        application.scene.Connect()
        volumes = other.syntheticVolumes()
        assert len(volumes) == 1
        volume = volumes[0]
        assert volume.GetAttribute("Xray2MRI.record") == record
        assert "not for diagnosis" in volume.GetDescription()
        assert volume.GetNodeReference("Xray2MRI.radiograph").GetName() == "Film"
        assert other.densities(volume) == densities
        np.testing.assert_array_equal(arrayFromVolume(volume), voxels)
        assert subject_folder.run_folder(application.scene, volume) is not None
        # and the work can go on: more depths from what the scene holds
        dense = other.densify(volume, 3).wait(300)
        assert dense.result["slices"] == 3
        np.testing.assert_array_equal(arrayFromVolume(volume), voxels[::2])
    finally:
        other.close()
        slicer.mrmlScene = scene


def test_a_second_run_gets_nodes_of_its_own(warm, finished):
    run, _ = finished
    radiograph, first = run.radiographNode, arrayFromVolume(run.volumeNode).copy()
    busy = []
    second = warm.generate(radiograph, {**QUICK, "slices": 3, "seed": 9}, name="Second")
    refused = warm.generate(radiograph, QUICK, onError=busy.append)
    assert (busy[0].code, refused.state) == ("busy", "failed")
    second.wait(300)
    assert second.volumeNode.GetID() != run.volumeNode.GetID()
    assert second.folderItem != run.folderItem
    np.testing.assert_array_equal(arrayFromVolume(run.volumeNode), first)
    assert [item.volumeNode.GetName() for item in warm.runs][-1] == "Second"


def test_several_samples_and_their_deviation(warm, finished):
    run, _ = finished
    several = warm.generate(run.radiographNode, {**QUICK, "slices": 3, "samples": 2}).wait(300)
    deviation = several.deviationNode
    assert deviation is not None
    np.testing.assert_array_equal(
        arrayFromVolume(deviation), sitk.GetArrayFromImage(sitk.ReadImage(several.result["deviation"]))
    )
    assert warm.volumes.isSynthetic(deviation)
    assert deviation not in warm.syntheticVolumes()
    warm.showLayout(several.radiographNode, several.volumeNode)
    assert warm.views.setUncertaintyVisible(several.volumeNode, True)
    composite = warm.views.layout.compositeNode("Xray2MRISynthetic")
    assert composite.GetForegroundVolumeID() == deviation.GetID()
    assert deviation.GetDisplayNode().GetApplyThreshold()
    warm.views.setUncertaintyVisible(several.volumeNode, False)
    assert not composite.GetForegroundVolumeID()
    assert not warm.views.setUncertaintyVisible(run.volumeNode, True)


def test_what_cannot_be_a_radiograph_or_is_changed(warm, finished):
    run, _ = finished
    failures = []
    warm.generate(run.volumeNode, QUICK, onError=failures.append)
    warm.generate(None, QUICK, onError=failures.append)
    warm.prepare(run.volumeNode, onError=failures.append)
    warm.densify(None, 7, onError=failures.append)
    warm.compare(run.volumeNode, run.volumeNode, onError=failures.append)
    warm.compare(run.volumeNode, run.radiographNode, onError=failures.append)
    copy = slicer.util.addVolumeFromArray(arrayFromVolume(run.volumeNode).copy(), name="Changed")
    for name in run.volumeNode.GetAttributeNames():
        copy.SetAttribute(name, run.volumeNode.GetAttribute(name))
    arrayFromVolume(copy)[0, 0, 0] += 1
    warm.densify(copy, 7, onError=failures.append)
    slicer.mrmlScene.RemoveNode(copy)
    codes = ["volume-not-radiograph", "no-radiograph", "volume-not-radiograph", "no-volume", "reference-synthetic",
             "reference-not-volume", "volume-changed"]  # fmt: skip
    assert [failure.code for failure in failures] == codes
    assert all(failure.sentence().endswith(".") for failure in failures)
    assert not warm.isBusy


def test_two_looks_at_once_answer_once(warm, finished, until):
    run, _ = finished
    answers, failures = [], []
    for side in ("left", "right"):
        warm.prepare(run.radiographNode, side=side, onDone=answers.append, onError=failures.append)
    until(warm, lambda: answers)
    assert [answer["side"] for answer in answers] == ["right"]
    assert failures == []


def test_a_radiograph_whose_file_lies_turned(warm, finished, knee_radiograph, tmp_path, until):
    """Slicer shows the file as it is stored; boxes must fit what is shown."""
    from PIL import Image

    upright = np.asarray(Image.open(knee_radiograph).convert("L")).astype(np.int16)
    image = sitk.GetImageFromArray(np.ascontiguousarray(upright.T)[np.newaxis])
    # columns of the file run down the leg, rows to the left
    image.SetDirection((0.0, 1.0, 0.0, 0.0, 0.0, -1.0, -1.0, 0.0, 0.0))
    sitk.WriteImage(image, str(tmp_path / "turned.nrrd"))
    radiograph = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Turned")
    storage = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.SetFileName(str(tmp_path / "turned.nrrd"))
    radiograph.SetAndObserveStorageNodeID(storage.GetID())
    assert storage.ReadData(radiograph)
    answers = []
    warm.prepare(radiograph, onDone=answers.append)
    until(warm, lambda: answers)
    # the library would have turned it: 300 columns
    assert (answers[0]["film"]["columns"], answers[0]["film"]["rows"]) == (162, 300)
    assert any("is rotated" in sentence for sentence in answers[0]["film_warnings"])
    slicer.mrmlScene.RemoveNode(radiograph)
    slicer.mrmlScene.RemoveNode(storage)
