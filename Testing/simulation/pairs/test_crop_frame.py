"""One place of the knee must come to one place of crop and slices, whatever the crop, its tilt and the bend."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from Xray2MRILib.simulation.anatomy.knee_parameters import KneeParameters
from Xray2MRILib.simulation.mr.flash_mri import FIRST_DEPTH_MM, JOINT_ROW, PITCH_MM, PIXEL_MM
from Xray2MRILib.simulation.pairs.crop_frame import (
    CropPlacement,
    coronal_bend,
    crop_in_frame,
    nominal_frame,
    volume_in_frame,
)
from Xray2MRILib.simulation.pairs.knee_pair import KneePair
from Xray2MRILib.simulation.radiograph.drr import RADIOGRAPH_MM

CENTRE_ROW, NOMINAL_SPAN_MM = 141.0, 91.0  # written out: the reference for volume.geometry.CROP_FRAME
POINT_MM = (6.0, 9.0, -14.0)  # (y, z, x) on the knee
OFFSET_MM = (1.5, 3.0, -4.0)  # where the knee lay in the scanner


def blob(shape: tuple[int, ...], centre: tuple[float, ...], sigma: float) -> np.ndarray:
    axes = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    return np.exp(-sum((a - c) ** 2 for a, c in zip(axes, centre, strict=True)) / (2 * sigma**2)).astype(np.float32)


def centre_of(picture: np.ndarray) -> np.ndarray:
    return np.array([(a * picture).sum() / picture.sum() for a in np.indices(picture.shape)])


@pytest.fixture(scope="module")
def pair() -> KneePair:
    """A radiograph and a scan of one small ball at POINT_MM."""
    y, z, x = POINT_MM
    oy, oz, ox = OFFSET_MM
    index = ((y - FIRST_DEPTH_MM - oy) / PITCH_MM, JOINT_ROW + (z + oz) / PIXEL_MM, 127.5 + (x + ox) / PIXEL_MM)
    pixel = RADIOGRAPH_MM / 288
    radiograph = blob((288, 288), (143.5 + z / pixel, 143.5 + x / pixel), 4.0)
    parameters = KneeParameters(seed=1, kl_grade=0, field_offset_mm=OFFSET_MM, crop_mm=86.0, crop_offset_mm=(-7.0, 2.0))
    return KneePair(parameters, blob((50, 256, 256), index, 3.0), radiograph, np.zeros_like(radiograph), {})


FRAMES = [
    CropPlacement(91.0, (-7.0, 2.0)),
    CropPlacement(84.0, (-3.0, -1.0)),
    CropPlacement(97.0, (-9.0, 3.0), 0.06),
]


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("bent", [False, True])
def test_crop_and_slices_show_one_place(pair, frame, bent):
    bend = coronal_bend(np.random.default_rng(3), 3.0) if bent else None
    crop = centre_of(crop_in_frame(pair.bone, frame, bend))
    _, row, column = centre_of(volume_in_frame(pair, frame, bend))
    scale = NOMINAL_SPAN_MM / PIXEL_MM / 256  # crop pixels to field pixels
    expected = (CENTRE_ROW + (crop[0] + 0.5 - 128) * scale - 0.5, 128 + (crop[1] + 0.5 - 128) * scale - 0.5)
    assert (row, column) == pytest.approx(expected, abs=0.35)


def test_place_in_the_nominal_frame_by_hand(pair):
    frame = nominal_frame(pair)
    assert frame.span_mm == pytest.approx(NOMINAL_SPAN_MM)
    depth, row, column = centre_of(volume_in_frame(pair, frame))
    y, z, x = POINT_MM
    assert row == pytest.approx(CENTRE_ROW - 0.5 + (z + 7.0) / PIXEL_MM, abs=0.02)
    assert column == pytest.approx(127.5 + (x - 2.0) / PIXEL_MM, abs=0.02)
    assert depth == pytest.approx((y - FIRST_DEPTH_MM) / PITCH_MM, abs=0.02)


def test_a_smaller_crop_enlarges_the_knee_alike_in_all_directions(pair):
    scale = NOMINAL_SPAN_MM / 84.0
    volume = volume_in_frame(pair, CropPlacement(84.0, (-7.0, 2.0)))
    depth, row, column = centre_of(volume)
    y, z, x = POINT_MM
    assert row == pytest.approx(CENTRE_ROW - 0.5 + (z + 7.0) * scale / PIXEL_MM, abs=0.05)
    assert column == pytest.approx(127.5 + (x - 2.0) * scale / PIXEL_MM, abs=0.05)
    assert depth == pytest.approx((y * scale - FIRST_DEPTH_MM) / PITCH_MM, abs=0.05)


@pytest.mark.parametrize("seed", range(8))
def test_bend_never_folds(seed):
    bend = coronal_bend(np.random.default_rng(seed), 5.0).numpy()
    step = 240.0 / (bend.shape[1] - 1)
    dz, dx = np.gradient(bend[0], step), np.gradient(bend[1], step)
    jacobian = (1 + dz[0]) * (1 + dx[1]) - dz[1] * dx[0]
    assert jacobian.min() > 0.15


def test_bend_of_no_size_is_affine():
    bend = coronal_bend(np.random.default_rng(0), 0.0)
    assert isinstance(bend, torch.Tensor)
    second = [np.diff(bend.numpy(), 2, axis=axis) for axis in (1, 2)]
    assert max(np.abs(part).max() for part in second) < 1e-4
