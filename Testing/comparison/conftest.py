"""A pseudo-MRI that is a degraded copy of a simulated knee, and that knee elsewhere in space as its reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mri_series import MriSeries, mri_series

SLICES = slice(10, 50, 2)


@pytest.fixture(scope="session")
def truth() -> np.ndarray:
    """[20, 128, 128] float32: every second slice of a knee, posterior first, half as many pixels."""
    from Xray2MRILib.comparison.controls import shipped_knee

    return np.ascontiguousarray(shipped_knee()[SLICES].reshape(20, 128, 2, 128, 2).mean(axis=(2, 4)))


@pytest.fixture(scope="session")
def pseudo(truth):
    """A pseudo-MRI close to the truth: smoothed, with a standard deviation."""
    from scipy.ndimage import gaussian_filter

    from Xray2MRILib.volume.pseudo_mri import PseudoMRI

    smooth = gaussian_filter(truth, (0, 0.8, 0.8))
    deviation = np.clip(np.abs(smooth - truth) + 0.02, 0, 1)
    return PseudoMRI.from_depth_slices(smooth, False, {"model": {"name": "test"}}, deviation)


@pytest.fixture
def pseudo_file(pseudo, tmp_path) -> Path:
    """The pseudo-MRI on disk with its side-car."""
    return pseudo.save(tmp_path / "pseudo.nrrd").volume


@pytest.fixture
def reference_file(truth, pseudo, tmp_path) -> Path:
    """The truth in other units at its own place, written as a scanner's volume would be."""
    import SimpleITK as sitk

    image = pseudo.to_sitk(np.rint(truth[::-1] * 900 + 40).astype(np.int16))
    path = tmp_path / "scan.nii.gz"
    sitk.WriteImage(image, str(path))
    return path


@pytest.fixture
def series(tmp_path: Path) -> MriSeries:
    """A whole series in the folder ``scan``."""
    whole = mri_series(1)
    whole.write(tmp_path / "scan")
    return whole
