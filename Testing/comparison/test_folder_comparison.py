"""A folder of volumes against a folder of references: own knees are found again, and faults are named."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from Xray2MRILib.cli.evaluate import specificity_lines
from Xray2MRILib.comparison.folder_comparison import compare_folders, matched_pairs
from Xray2MRILib.errors import Cancelled, InputError
from Xray2MRILib.volume.pseudo_mri import PseudoMRI


@pytest.fixture
def folders(truth, tmp_path) -> tuple[Path, Path]:
    """Three knees (proportions stretched), the second a left one; each reference has noise of its own."""
    from scipy.ndimage import affine_transform

    made, real = tmp_path / "made", tmp_path / "real"
    made.mkdir()
    real.mkdir()
    slices, noise = truth[::3], np.random.default_rng(5)
    for name, width, left in (("a", 0.85, False), ("b", 1.0, True), ("c", 1.15, False)):
        knee = np.stack([affine_transform(one, (1, 1 / width), (0, 64 - 64 / width), order=1) for one in slices])
        pseudo = PseudoMRI.from_depth_slices(np.clip(knee * 0.9, 0, 1), left, {"model": {"name": "test"}})
        pseudo.save(made / f"{name}.nrrd")
        scan = np.rint(pseudo.array * 700 + noise.normal(0, 15, pseudo.array.shape)).astype(np.int16)
        sitk.WriteImage(pseudo.to_sitk(scan), str(real / f"{name}.nii.gz"))
    return made, real


def test_each_volume_is_closest_to_its_own_knee(folders):
    events = []
    result = compare_folders(*folders, method="none", on_progress=events.append)
    assert result["pairs"] == ["a", "b", "c"]
    edges = result["measures"]["edge_mm"]
    # the left knee was compared in right-knee space, or it would not be found again
    assert (edges["rank_1"], edges["auc"], edges["auc_interval"]) == (1.0, 1.0, [1.0, 1.0])
    assert edges["own"] < 0.5 < edges["others"]
    assert result["verdict"].endswith("the volumes follow their own knee.")
    assert "paper_psnr_db_artefact" not in result["measures"]
    lines = specificity_lines(result)
    assert "100%" in lines[1]
    assert "33%" in lines[-1]
    fractions = [event["fraction"] for event in events]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_volumes_that_ignore_the_radiograph_are_not_called_specific(folders):
    made, real = folders
    for name in ("b", "c"):  # one and the same right knee everywhere
        PseudoMRI.load(made / "a.nrrd").save(made / f"{name}.nrrd")
    result = compare_folders(made, real, method="none")
    assert result["measures"]["edge_mm"]["rank_1"] == pytest.approx(1 / 3)
    assert result["verdict"].endswith("is not shown.")


def test_a_copy_of_a_volume_is_no_reference(folders):
    made, real = folders
    copy = sitk.Cast(sitk.ReadImage(str(made / "b.nrrd")), sitk.sitkFloat32)
    for key in copy.GetMetaDataKeys():
        copy.EraseMetaData(key)
    sitk.WriteImage(sitk.Flip(copy, (True, False, False)), str(real / "b.nii.gz"))
    with pytest.raises(InputError, match=r"b\.nii\.gz shows the same picture"):
        compare_folders(made, real, method="none")


def test_pairs_by_name(folders):
    made, real = folders
    shutil.copy(made / "a.nrrd", made / "alone.nrrd")
    shutil.copy(made / "a.nrrd", made / "a_deviation.nrrd")
    pairs, unmatched = matched_pairs(made, real)
    assert {name: (one.name, other.name) for name, (one, other) in pairs.items()} == {
        name: (f"{name}.nrrd", f"{name}.nii.gz") for name in "abc"
    }
    assert unmatched == ["alone"]


def test_refusals(folders, tmp_path):
    made, real = folders
    with pytest.raises(InputError, match="no folder nowhere"):
        compare_folders(made, tmp_path / "nowhere")
    with pytest.raises(Cancelled):
        compare_folders(made, real, should_cancel=lambda: True)
    shutil.copy(real / "a.nii.gz", real / "a.nrrd")
    with pytest.raises(InputError, match="contains a twice"):
        compare_folders(made, real)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="0 names in common"):
        compare_folders(made, tmp_path / "empty")
