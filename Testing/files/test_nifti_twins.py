"""knee.nii and knee.nii.gz in one folder are two radiographs, two volumes and two real MRIs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from random_volume import make_volume

from Xray2MRILib.comparison.reference_volume import read_reference
from Xray2MRILib.files.nifti_twins import without_twin
from Xray2MRILib.radiograph.reading import read_radiograph
from Xray2MRILib.volume.reading import read_volume
from Xray2MRILib.volume.writing import write_volume

ENDINGS = (".nii", ".nii.gz")


def pictures(*shape: int) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [generator.random(shape).astype(np.float32) for _ in ENDINGS]


def test_each_file_is_its_own_radiograph(tmp_path: Path) -> None:
    both = dict(zip(ENDINGS, pictures(60, 70), strict=True))
    for ending, picture in both.items():
        sitk.WriteImage(sitk.GetImageFromArray(picture), str(tmp_path / f"knee{ending}"))
    for ending, picture in both.items():
        np.testing.assert_array_equal(read_radiograph(tmp_path / f"knee{ending}").pixels, picture)


def test_each_file_is_its_own_real_mri(tmp_path: Path) -> None:
    both = dict(zip(ENDINGS, pictures(24, 26, 28), strict=True))
    for ending, volume in both.items():
        sitk.WriteImage(sitk.GetImageFromArray(volume), str(tmp_path / f"mri{ending}"))
    for ending, volume in both.items():
        found = sitk.GetArrayFromImage(read_reference(tmp_path / f"mri{ending}").image)
        np.testing.assert_array_equal(found, volume)


def test_a_volume_is_read_beside_a_foreign_twin(tmp_path: Path) -> None:
    volume = make_volume()
    write_volume(volume, tmp_path / "knee.nii.gz")
    sitk.WriteImage(sitk.GetImageFromArray(pictures(12, 20, 22)[0]), str(tmp_path / "knee.nii"))
    assert read_volume(tmp_path / "knee.nii.gz").array == pytest.approx(volume.array, abs=1 / 4095)


@pytest.mark.parametrize("neighbour", ["knee.json", "knee2.nii", "other.nii", "knee.nrrd"])
def test_other_neighbours_cost_nothing(tmp_path: Path, neighbour: str) -> None:
    for name in ("knee.nii.gz", neighbour):
        (tmp_path / name).write_bytes(b"")
    with without_twin(tmp_path / "knee.nii.gz") as path:
        assert path == tmp_path / "knee.nii.gz"
