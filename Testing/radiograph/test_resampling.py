"""Scaling against Pillow and block means; beyond the picture edges repeat."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from radiograph_files import sample_pixels

from Xray2MRILib.radiograph.resampling import resample, shrink


def test_whole_factors_are_block_means():
    radiograph = sample_pixels()[:160, :300].astype(np.float32)
    expected = radiograph.reshape(40, 4, 60, 5).mean(axis=(1, 3))
    np.testing.assert_allclose(resample(radiograph, (0, 0), radiograph.shape, (40, 60)), expected, rtol=1e-5)


@pytest.mark.parametrize("shape", [(100, 101), (37, 250), (161, 7)])
def test_downward_like_pillow_box(shape):
    radiograph = sample_pixels().astype(np.float32)
    expected = np.asarray(Image.fromarray(radiograph).resize(shape[::-1], Image.Resampling.BOX))
    assert np.abs(resample(radiograph, (0, 0), radiograph.shape, shape) - expected).mean() < 1.0


def test_upward_like_pillow_bilinear():
    radiograph = sample_pixels().astype(np.float32)
    expected = np.asarray(Image.fromarray(radiograph).resize((450, 400), Image.Resampling.BILINEAR))
    np.testing.assert_allclose(resample(radiograph, (0, 0), radiograph.shape, (400, 450)), expected, atol=1e-2)


@pytest.mark.parametrize("size", [16, 64, 300])
def test_beyond_the_picture_the_edge_repeats(size):
    radiograph = sample_pixels()[:, :162].astype(np.float32)
    padded = np.pad(radiograph, 100, mode="edge")
    outside = resample(radiograph, (-60.5, -80.25), (250, 300), (size, size))
    np.testing.assert_allclose(outside, resample(padded, (39.5, 19.75), (250, 300), (size, size)), rtol=1e-4, atol=1e-3)
    far = resample(radiograph, (500, 500), (50, 50), (8, 8))
    np.testing.assert_allclose(far, np.full((8, 8), radiograph[-1, -1]), rtol=1e-5)


def test_mean_is_kept_and_types_are_converted():
    radiograph = sample_pixels(bits=16)
    assert resample(radiograph, (0, 0), radiograph.shape, (50, 70)).mean() == pytest.approx(radiograph.mean(), rel=1e-4)
    assert resample(radiograph, (0, 0), radiograph.shape, (50, 70)).dtype == np.float32


def test_shrink():
    radiograph = sample_pixels()
    assert shrink(radiograph, 128).shape == (69, 128)
    np.testing.assert_array_equal(shrink(radiograph, 300), radiograph)
    assert shrink(np.ones((4000, 8)), 100).shape == (100, 1)
