"""The nominal frame, against closed forms, SimpleITK and the numbers a NIfTI header holds."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from Xray2MRILib.volume import geometry
from Xray2MRILib.volume.pseudo_mri import PseudoMRI


@pytest.mark.parametrize(("num_slices", "pitch"), [(2, 73.5), (30, 2.534), (50, 1.5), (100, 0.742), (500, 0.147)])
def test_pitch_keeps_the_extent(num_slices: int, pitch: float) -> None:
    assert geometry.slice_pitch_mm(num_slices) == pytest.approx(pitch, abs=5e-4)
    assert geometry.slice_pitch_mm(num_slices) * (num_slices - 1) == pytest.approx(73.5)


def test_one_slice_has_no_pitch() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        geometry.slice_pitch_mm(1)


def test_pixel_is_that_of_the_protocol() -> None:
    assert geometry.spacing_mm(50) == (0.625, 0.625, 1.5)
    assert geometry.spacing_mm(50, 64, 64)[:2] == (2.5, 2.5)


def test_frame_is_right_handed_with_the_axes_of_the_notes() -> None:
    direction = np.reshape(geometry.DIRECTION_LPS, (3, 3))
    assert np.linalg.det(direction) == 1.0
    assert direction.T.tolist() == [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
    assert np.cross(direction[:, 0], direction[:, 1]).tolist() == direction[:, 2].tolist()


def test_corners_lie_where_a_hand_calculation_puts_them() -> None:
    affine = geometry.affine_lps(50)
    right_superior_anterior = affine @ (0, 0, 0, 1)
    left_inferior_posterior = affine @ (255, 255, 49, 1)
    assert right_superior_anterior[:3] == pytest.approx((-79.6875, -36.75, 79.6875))
    assert left_inferior_posterior[:3] == pytest.approx((79.6875, 36.75, -79.6875))


@pytest.mark.parametrize("num_slices", [2, 50, 99])
def test_simpleitk_agrees_with_the_matrix(num_slices: int) -> None:
    image = PseudoMRI(np.zeros((num_slices, 8, 16), np.float32)).to_sitk()
    affine = geometry.affine_lps(num_slices, 8, 16)
    for index in ((0, 0, 0), (15, 0, 0), (0, 7, 0), (0, 0, num_slices - 1), (15, 7, num_slices - 1)):
        assert image.TransformIndexToPhysicalPoint(index) == pytest.approx((affine @ (*index, 1))[:3])
    centre = image.TransformContinuousIndexToPhysicalPoint((7.5, 3.5, (num_slices - 1) / 2))
    assert centre == pytest.approx((0, 0, 0), abs=1e-9)


def test_simpleitk_calls_the_orientation_by_its_name() -> None:
    sitk = pytest.importorskip("SimpleITK")
    name = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(geometry.DIRECTION_LPS)
    # towards the left, the inferior and the posterior
    assert name == "LIP"


def test_nifti_header_holds_the_ras_matrix(tmp_path: Path) -> None:
    PseudoMRI(np.zeros((30, 16, 16), np.float32)).save(tmp_path / "knee.nii.gz")
    header = gzip.decompress((tmp_path / "knee.nii.gz").read_bytes())[:348]
    assert struct.unpack("<i", header[:4]) == (348,)
    expected = geometry.affine_ras(30, 16, 16)
    by_rows = np.reshape(struct.unpack("<12f", header[280:328]), (3, 4))
    assert by_rows == pytest.approx(expected[:3], abs=1e-4)
    # the same from the quaternion, by the formula of the NIfTI standard
    pixdim = struct.unpack("<8f", header[76:108])
    b, c, d, *offset = struct.unpack("<6f", header[256:280])
    rest = 1 - b * b - c * c - d * d
    # single precision: a half turn, by the rule of the reference reader
    a, norm = (np.sqrt(rest), 1.0) if rest > 1e-7 else (0.0, np.sqrt(b * b + c * c + d * d))
    b, c, d = b / norm, c / norm, d / norm
    turn = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - c * c - b * b],
        ]
    )
    factor = -1.0 if pixdim[0] < 0 else 1.0
    assert turn * (pixdim[1], pixdim[2], factor * pixdim[3]) == pytest.approx(expected[:3, :3], abs=1e-4)
    assert offset == pytest.approx(expected[:3, 3], abs=1e-4)


@pytest.mark.parametrize("num_slices", [2, 50, 500])
def test_depth_index_and_millimetres_lead_back(num_slices: int) -> None:
    depths = geometry.depth_positions(num_slices)
    assert (depths[0], depths[-1]) == (-1.0, 1.0)
    for index in (0, num_slices // 3, num_slices - 1):
        assert geometry.index_to_depth(index, num_slices) == pytest.approx(depths[index])
        assert geometry.depth_to_index(depths[index], num_slices) == pytest.approx(index)
        assert geometry.mm_to_depth(geometry.depth_to_mm(depths[index])) == pytest.approx(depths[index])
        k = geometry.file_index(index, num_slices)
        assert geometry.file_index(k, num_slices) == index
        y = (geometry.affine_lps(num_slices) @ (0, 0, k, 1))[1]
        assert y == pytest.approx(geometry.depth_to_mm(depths[index]))


def test_depths_of_50_are_among_those_of_99() -> None:
    assert geometry.depth_positions(99)[::2] == pytest.approx(geometry.depth_positions(50))
