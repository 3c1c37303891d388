"""Densities of one volume as a sequence, without a worker."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from slicer.util import arrayFromVolume
from Xray2MRIModule.scene import density_sequence
from Xray2MRIModule.scene.provenance_attributes import get_record, is_intact, is_synthetic, mark_synthetic, set_record
from Xray2MRIModule.scene.volume_nodes import remove, show_grey

from Xray2MRILib.volume.writing import voxels_sha256


def _volume(slices: int, name: str = "Volume"):
    voxels = np.full((slices, 8, 8), slices, np.int16)
    node = slicer.util.addVolumeFromArray(voxels, np.diag((-1, -1, 10.0 / slices, 1)), name)
    mark_synthetic(node, "A volume")
    set_record(node, {"sampling": {"num_slices": slices}, "volume": {"voxels_sha256": voxels_sha256(voxels)}})
    return node


def _add(volume, slices: int) -> None:
    other = _volume(slices, "Other")
    density_sequence.add(volume, other)
    remove(slicer.mrmlScene, other)


def test_one_node_for_all_densities(application):
    volume = _volume(5)
    show_grey(volume, 1, 7)
    display = volume.GetDisplayNode().GetID()
    volume.SetNodeReferenceID("other", "vtkMRMLSliceNodeRed")
    density_sequence.begin(application.scene, volume)
    for slices in (9, 3):
        _add(volume, slices)
    assert application.scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 1
    assert density_sequence.densities(volume) == [3, 5, 9]
    identifier = volume.GetID()
    for slices in (9, 3, 5, 9):
        assert density_sequence.select(volume, slices, application.moduleLogic("Sequences"))
        assert arrayFromVolume(volume).shape == (slices, 8, 8)
        assert (arrayFromVolume(volume) == slices).all()
        assert volume.GetSpacing()[2] == pytest.approx(10 / slices)
        assert get_record(volume)["sampling"]["num_slices"] == slices
        assert volume.GetAttribute("Xray2MRI.sampling.num_slices") == str(slices)
        assert is_intact(volume)
    assert (volume.GetID(), volume.GetName(), volume.GetDisplayNode().GetID()) == (identifier, "Volume", display)
    assert volume.GetDisplayNode().GetWindowLevelMax() == 7
    assert volume.GetNodeReferenceID("other") == "vtkMRMLSliceNodeRed"
    assert not density_sequence.select(volume, 4, application.moduleLogic("Sequences"))
    assert arrayFromVolume(volume).shape[0] == 9


def test_adding_does_not_change_what_is_shown(application):
    volume = _volume(5)
    density_sequence.begin(application.scene, volume)
    _add(volume, 3)
    application.moduleLogic("Sequences").UpdateAllProxyNodes()
    assert arrayFromVolume(volume).shape[0] == 5


@pytest.mark.parametrize("saved", [(5,), (5, 9)])
def test_densities_of_a_saved_scene(application, tmp_path, saved):
    volume = _volume(saved[0])
    density_sequence.begin(application.scene, volume)
    for slices in saved[1:]:
        _add(volume, slices)
    folder = tmp_path / "bundle"
    folder.mkdir()
    assert application.scene.SaveSceneToSlicerDataBundleDirectory(str(folder), None)
    from core_application import CoreApplication

    other = CoreApplication(tmp_path / "other")
    other.scene.SetURL(str(folder / "bundle.mrml"))
    other.scene.Connect()
    (volume,) = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode", other.scene)
    assert density_sequence.densities(volume) == list(saved)
    _add(volume, 7)
    for slices in (7, *saved):
        assert density_sequence.select(volume, slices, other.moduleLogic("Sequences"))
        assert (arrayFromVolume(volume) == slices).all()
        assert is_synthetic(volume)
        assert is_intact(volume)
        assert get_record(volume)["sampling"]["num_slices"] == slices


def test_a_volume_without_sequence(application):
    volume = _volume(5)
    assert density_sequence.densities(volume) == [5]
    assert density_sequence.select(volume, 5, None)
    assert not density_sequence.select(volume, 6, None)
    assert density_sequence.browser_of(None) is None
