"""The volume object: order of slices, mirrored knees, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from Xray2MRILib.errors import ProcessingError
from Xray2MRILib.volume.pseudo_mri import PseudoMRI


@pytest.fixture
def slices() -> np.ndarray:
    return np.random.default_rng(0).random((5, 6, 7), dtype=np.float32)


def test_most_anterior_slice_comes_first(slices: np.ndarray) -> None:
    volume = PseudoMRI.from_depth_slices(slices, mirrored=False, provenance={})
    assert np.array_equal(volume.array[0], slices[4])
    assert np.array_equal(volume.array[4], slices[0])
    assert volume.depth_positions.tolist() == [1, 0.5, 0, -0.5, -1]
    assert volume.side == "right"


def test_left_knee_is_mirrored_back_along_the_columns(slices: np.ndarray) -> None:
    volume = PseudoMRI.from_depth_slices(slices, mirrored=True, provenance={})
    assert np.array_equal(volume.array[0], slices[4, :, ::-1])
    assert volume.side == "left"


@pytest.mark.parametrize("mirrored", [False, True])
def test_round_trip(slices: np.ndarray, mirrored: bool) -> None:
    volume = PseudoMRI.from_depth_slices(slices, mirrored, {}, deviation=slices / 2)
    assert np.array_equal(volume.depth_slices(), slices)
    again = PseudoMRI.from_depth_slices(volume.depth_slices(), mirrored, {})
    assert np.array_equal(again.array, volume.array)
    assert np.array_equal(volume.deviation, volume.array / 2)


@pytest.mark.parametrize("mirrored", [False, True])
def test_shown_slices_have_the_noise_of_their_own_place(slices: np.ndarray, mirrored: bool) -> None:
    volume = PseudoMRI.from_depth_slices(slices, mirrored, {})
    assert np.array_equal(volume.depth_slices(shown=True), slices)
    volume.acquired = volume.array.copy()
    volume.acquired[0, 2, 1] = 1.0  # the most anterior slice is the last by depth
    expected = slices.copy()
    expected[-1, 2, -2 if mirrored else 1] = 1.0
    assert np.array_equal(volume.depth_slices(shown=True), expected)
    assert np.array_equal(volume.depth_slices(), slices)


def test_the_volume_owns_its_voxels(slices: np.ndarray) -> None:
    volume = PseudoMRI.from_depth_slices(slices, False, {})
    before = volume.array.copy()
    slices[:] = 0
    assert np.array_equal(volume.array, before)
    assert volume.array.dtype == np.float32
    assert volume.array.flags.c_contiguous


def test_rounding_beyond_the_range_is_clipped() -> None:
    volume = PseudoMRI(np.array([[[-1e-4]], [[1 + 1e-4]]]))
    assert volume.array.ravel().tolist() == [0.0, 1.0]


@pytest.mark.parametrize("shape", [(1, 4, 4), (4, 4), (2, 0, 4), (2, 2, 2, 2)])
def test_wrong_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="must be"):
        PseudoMRI(np.zeros(shape, np.float32))


def test_values_of_another_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        PseudoMRI(np.full((2, 2, 2), 255.0))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_a_failure(bad: float) -> None:
    with pytest.raises(ProcessingError, match="not finite") as caught:
        PseudoMRI(np.full((2, 2, 2), bad))
    assert caught.value.code == "non-finite-volume"


def test_deviation_of_another_shape_is_refused(slices: np.ndarray) -> None:
    with pytest.raises(ValueError, match="but the volume has the shape"):
        PseudoMRI(slices, deviation=slices[:3])
