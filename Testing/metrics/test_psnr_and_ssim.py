"""PSNR and SSIM against scikit-image and hand calculation, and the 8-bit artefact against both."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from Xray2MRILib.metrics.intensity_range import unit_range
from Xray2MRILib.metrics.psnr import IDENTICAL_DB, paper_psnr_db, psnr_db
from Xray2MRILib.metrics.ssim import ssim


@pytest.fixture
def noise():
    """Two volumes of independent noise."""
    rng = np.random.default_rng(1)
    return rng.random((3, 64, 64)), rng.random((3, 64, 64))


def test_psnr_by_hand():
    reference = np.zeros((2, 8, 8))
    image = np.full((2, 8, 8), 0.1)
    image[1] = 0.0
    assert psnr_db(reference, image) == pytest.approx([20.0, IDENTICAL_DB])


def test_eight_bit_arithmetic_does_not_wrap():
    """60 - 190 is -130, not 126: a PSNR in wrapped arithmetic would be far higher."""
    dark, bright = np.full((1, 16, 16), 60, np.uint8), np.full((1, 16, 16), 190, np.uint8)
    expected = 10 * np.log10(255**2 / 130**2)
    assert psnr_db(dark / 255, bright / 255)[0] == pytest.approx(expected)
    for measure in (psnr_db, ssim):
        with pytest.raises(TypeError, match="uint8"):
            measure(dark, bright)
    wrapped = 10 * np.log10(255**2 / ((60 - 190) ** 2 % 256))
    assert paper_psnr_db(dark / 255, bright / 255)[0] == pytest.approx(wrapped)
    assert wrapped > expected + 20


def test_the_artefact_gives_noise_the_published_figures(noise):
    assert psnr_db(*noise) == pytest.approx([7.78] * 3, abs=0.3)
    assert paper_psnr_db(*noise) == pytest.approx([27.9] * 3, abs=0.3)


def test_ssim_is_that_of_scikit_image(noise):
    options = {"data_range": 1.0, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    expected = [structural_similarity(a, b, **options) for a, b in zip(*noise, strict=True)]
    assert ssim(*noise) == pytest.approx(expected)
    assert ssim(noise[0], noise[0]) == pytest.approx(1)


def test_a_mask_leaves_voxels_out(noise):
    reference, image = noise
    mask = np.zeros(reference.shape, bool)
    mask[:2, :, :40] = True
    values = psnr_db(reference, image, mask)
    assert values[0] == pytest.approx(-10 * np.log10(np.mean((reference[0, :, :40] - image[0, :, :40]) ** 2)))
    assert np.isnan(values[2])
    spoilt = np.where(mask, image, 0.5)
    # windows wholly inside the mask see nothing of what is outside
    assert ssim(reference, spoilt, mask)[:2] == pytest.approx(ssim(reference, image, mask)[:2])
    assert np.isnan(ssim(reference, image, mask)[2])


def test_one_mapping_for_the_volume():
    volume = np.arange(3 * 40 * 40).reshape(3, 40, 40).astype(np.int16)
    mapped = unit_range(volume)
    low, high = np.percentile(volume, (0.5, 99.5))
    assert mapped == pytest.approx(np.clip((volume - low) / (high - low), 0, 1), abs=1e-6)
    assert mapped[0].max() < mapped[2].min()
    with pytest.raises(ValueError, match="same value"):
        unit_range(np.ones((2, 4, 4)))
