"""Grey-level distribution of a prepared crop against numpy, with and without collimation."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.io import imread

from Xray2MRILib.conditions.intensity_histogram import intensity_histogram
from Xray2MRILib.files.resources import resource_path
from Xray2MRILib.preparation.joint_crop import normalise_crop


def crop(name="kl2_right.webp"):
    radiograph = imread(resource_path(f"samples/{name}")).astype(np.float32)[..., 0]
    return normalise_crop(radiograph[10:150, 60:200])


def test_form_and_sum():
    histogram = intensity_histogram(crop()[None])
    assert histogram.shape == (64,)
    assert histogram.dtype == np.float32
    assert histogram.sum() == pytest.approx(1.0, abs=1e-6)
    assert (histogram >= 0).all()
    assert intensity_histogram(crop(), bins=16).shape == (16,)


def test_counts_by_hand():
    image = np.random.default_rng(0).uniform(-0.9, 0.9, (1, 64, 64)).astype(np.float32)
    image[0, 5, 5] = 1.0
    expected = [((image >= low) & (image < low + 0.5)).sum() for low in (-1, -0.5, 0, 0.5)]
    expected[-1] += 1  # the last bin holds +1 itself
    np.testing.assert_allclose(intensity_histogram(image, bins=4) * 4096, expected, atol=1e-3)


def test_collimation_is_left_out():
    image = crop()
    covered = image.copy()
    covered[:, :100] = -1.0
    shown = image[:, 100:]
    expected, _ = np.histogram(shown, 64, (-1, 1))
    np.testing.assert_allclose(intensity_histogram(covered[None]), expected / shown.size, atol=0.01)
    assert intensity_histogram(covered[None])[0] < 0.05


def test_mirroring_changes_nothing_and_exposure_does():
    image = crop()
    np.testing.assert_allclose(intensity_histogram(image[:, ::-1]), intensity_histogram(image), atol=1e-6)
    darker = 2 * ((image + 1) / 2) ** 1.5 - 1
    assert np.abs(intensity_histogram(darker) - intensity_histogram(image)).sum() > 0.1


def test_black_image_still_has_a_distribution():
    histogram = intensity_histogram(np.full((1, 32, 32), -1.0))
    assert histogram[0] == pytest.approx(1.0)


@pytest.mark.parametrize("shape", [(2, 8, 8), (8,), (1, 0, 8)])
def test_other_shapes(shape):
    with pytest.raises(ValueError, match="must have the shape"):
        intensity_histogram(np.zeros(shape))
