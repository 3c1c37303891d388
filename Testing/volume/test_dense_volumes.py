"""Dense volumes are projected, noised and written some slices at a time: the parts must make the whole."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from Xray2MRILib.generation import scanner_noise
from Xray2MRILib.reprojection import bone_projection
from Xray2MRILib.volume import writing
from Xray2MRILib.volume.intensity_mapping import STANDARD_MAPPING
from Xray2MRILib.volume.pseudo_mri import PseudoMRI

SLICES = 31  # no multiple of the parts


@pytest.fixture
def slices() -> np.ndarray:
    """Every slice another, with edges, in [0, 1]."""
    rng = np.random.default_rng(4)
    field = rng.random((SLICES, 32, 32), dtype=np.float32)
    return np.kron(field, np.ones((1, 8, 8), np.float32))


@pytest.mark.parametrize("at_once", [1, 4, 7])
def test_bones_are_projected_in_parts_as_at_once(
    slices: np.ndarray, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts of unequal lengths have unequal weights in the mean."""
    whole = bone_projection.volume_edges(slices)
    monkeypatch.setattr(bone_projection, "_AT_ONCE", at_once)
    parts = bone_projection.volume_edges(slices)
    for name in ("gap", "femur", "tibia", "lateral", "medial"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), atol=2e-6, err_msg=name)
        assert getattr(whole, name).std() > 0.01


@pytest.mark.parametrize("at_once", [1, 4])
def test_noise_is_added_in_parts_as_at_once(slices: np.ndarray, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    provenance = {"acquisition": scanner_noise.acquisition_record(1.0, 0, "ab" * 32)}
    volumes = [PseudoMRI.from_depth_slices(slices.copy(), False, dict(provenance)) for _ in range(2)]
    scanner_noise.add_scanner_noise(volumes[0])
    monkeypatch.setattr(scanner_noise, "_AT_ONCE", at_once)
    scanner_noise.add_scanner_noise(volumes[1])
    assert np.array_equal(volumes[0].shown, volumes[1].shown)
    assert not np.array_equal(volumes[0].shown, volumes[0].array)


@pytest.mark.parametrize("at_once", [1, 4, 50])
def test_a_file_filled_in_parts_holds_every_voxel_at_its_place(
    slices: np.ndarray, at_once: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sitk = pytest.importorskip("SimpleITK")
    monkeypatch.setattr(writing, "_AT_ONCE", at_once)
    volume = PseudoMRI.from_depth_slices(slices, True, {})
    files = writing.write_volume(volume, tmp_path / "knee.nrrd")
    written = sitk.ReadImage(str(files.volume))
    stored = STANDARD_MAPPING.to_stored(volume.array)
    assert np.array_equal(sitk.GetArrayFromImage(written), stored)
    assert written.GetSpacing() == pytest.approx(volume.spacing)
    assert written.GetOrigin() == pytest.approx(volume.origin)
    about = writing.read_record(files.record)
    assert about is not None
    assert about["volume"]["voxels_sha256"] == hashlib.sha256(stored.astype("<i2").tobytes()).hexdigest()
