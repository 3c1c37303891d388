"""The difference of outlines against a noisy scan."""

from __future__ import annotations

import numpy as np
import pytest

from Xray2MRILib.metrics.sobel_difference import (
    matched_sobel_difference,
    noise_level,
    one_sided_sobel_difference,
    signed_sobel_difference,
)

PIXEL_MM = 0.55
ROWS, COLUMNS = np.mgrid[:160, :160] - 80
DISTANCE = np.hypot(ROWS, COLUMNS)
LEG = DISTANCE < 65
BONE = DISTANCE < 30


def _scan(sigma: float, *, bone: bool = True, seed: int = 0) -> np.ndarray:
    """[4, 160, 160]: a leg of 0.5 with a bone of 0.2, and Rician noise as of a magnitude image."""
    clean = np.repeat(np.where(BONE & bone, 0.2, np.where(LEG, 0.5, 0.0))[None], 4, axis=0)
    generator = np.random.default_rng(seed)
    real, imaginary = (generator.normal(0, sigma, clean.shape) for _ in range(2))
    return np.clip(np.hypot(clean + real, imaginary), 0, 1).astype(np.float32)


@pytest.mark.parametrize("sigma", [0.02, 0.05, 0.1])
def test_noise_of_a_scan_is_no_outline(sigma):
    reference, image = _scan(sigma), _scan(0)
    flat = ((DISTANCE > 38) & (DISTANCE < 57)) | (DISTANCE < 22)
    difference = matched_sobel_difference(reference, image, PIXEL_MM)
    level = noise_level(difference, image)
    shown = np.abs(difference) > level
    assert shown[:, flat].mean() < 0.005
    # without either step, nearly every voxel of flat tissue answers
    plain = np.abs(signed_sobel_difference(reference, image))
    assert plain[:, flat].mean() > 3 * np.abs(difference[:, flat]).mean()


@pytest.mark.parametrize("sigma", [0.0, 0.02, 0.05])
def test_outlines_of_one_volume_alone_stand_out_with_their_sign(sigma):
    rim = np.abs(DISTANCE - 30) < 1
    for reference, image, sign in ((_scan(sigma), _scan(0, bone=False), -1), (_scan(sigma, bone=False), _scan(0), 1)):
        difference = matched_sobel_difference(reference, image, PIXEL_MM)
        level = noise_level(difference, image)
        assert (sign * difference[:, rim] > level).mean() > 0.95
        assert sign * np.median(difference[:, rim]) > 1.5 * level


def test_scale_is_that_of_the_plain_operator_for_wide_steps():
    """Smoothing lowers a step's magnitude but keeps the place of its maximum."""
    reference, image = _scan(0, bone=False), _scan(0)
    plain, matched = (
        signed_sobel_difference(reference, image)[0],
        matched_sobel_difference(reference, image, PIXEL_MM)[0],
    )
    assert abs(plain[80, 80:].argmax() - matched[80, 80:].argmax()) <= 1
    assert 0.2 * plain.max() < matched.max() < plain.max()
    # a coarser grid needs fewer pixels for the same millimetres
    assert matched_sobel_difference(reference, image, 1.1).max() > matched.max()


def test_the_papers_form_is_the_plain_operators_positive_part():
    reference, image = _scan(0.05), _scan(0)
    np.testing.assert_array_equal(
        one_sided_sobel_difference(reference, image), np.maximum(signed_sobel_difference(reference, image), 0)
    )


def test_without_air_no_noise_is_claimed():
    full = np.full((2, 40, 40), 0.5, np.float32)
    assert noise_level(full, full) == 0.0
    assert noise_level(full, np.zeros_like(full), np.zeros(full.shape, bool)) == 0.0
