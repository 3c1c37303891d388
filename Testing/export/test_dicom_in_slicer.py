"""The DICOM series as 3D Slicer's own reader places it (slicer-core)."""

from __future__ import annotations

import numpy as np
import pytest
from volumes import asymmetric_volume

from Xray2MRILib.export.dicom_series import write_dicom_series
from Xray2MRILib.volume import geometry
from Xray2MRILib.volume.intensity_mapping import STANDARD_MAPPING


def test_slicer_reads_the_volume_in_its_place(tmp_path):
    slicer = pytest.importorskip("slicer", reason="pip install slicer-core")
    volume = asymmetric_volume(6)
    files = write_dicom_series(volume, tmp_path / "series")
    scene = slicer.vtkMRMLScene()
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    storage = scene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.SetFileName(str(files[0]))
    storage.ResetFileNameList()
    for path in files:
        storage.AddFileName(str(path))
    storage.SetSingleFile(False)
    assert storage.ReadData(node) == 1

    matrix = slicer.vtkMRMLSliceNode().GetSliceToRAS().__class__()
    node.GetIJKToRASMatrix(matrix)
    found = np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])
    np.testing.assert_allclose(found, geometry.affine_ras(6, 32, 48), rtol=0, atol=1e-6)
    assert node.IsIJKCoordinateSystemRightHanded(matrix)
    array = slicer.util.arrayFromVolume(node)
    np.testing.assert_array_equal(array, STANDARD_MAPPING.to_stored(volume.array))
