"""Photometric sense: shipped radiographs under many exposures, each as it is and inverted; header and user come
first."""

from __future__ import annotations

import numpy as np
import pytest
from radiograph_files import sample_path, sample_pixels
from skimage import exposure

from Xray2MRILib.errors import InputError
from Xray2MRILib.radiograph.photometric import inversion_evidence, looks_inverted, with_bright_bone

RADIOGRAPHS = sorted(path.name for path in sample_path().parent.glob("*.webp"))
APPEARANCES = {
    "as it is": lambda radiograph: radiograph,
    "dark": lambda radiograph: radiograph**2.2,
    "light": lambda radiograph: radiograph**0.5,
    "local contrast": lambda radiograph: exposure.equalize_adapthist(radiograph),
    "noisy": lambda radiograph: radiograph + np.random.default_rng(0).normal(0, 0.05, radiograph.shape),
    "large": lambda radiograph: np.kron(radiograph, np.ones((5, 5))),
    "joint only": lambda radiograph: radiograph[:, radiograph.shape[1] // 6 : -radiograph.shape[1] // 6],
    "in a black frame": lambda radiograph: np.pad(radiograph, 20),
    "in a white frame": lambda radiograph: np.pad(radiograph, 20, constant_values=1.0),
    "with a marker": lambda radiograph: np.where(
        (np.indices(radiograph.shape) // 15 == 1).all(axis=0), 1.0, radiograph
    ),
}


@pytest.mark.parametrize("appearance", APPEARANCES)
def test_sense_is_seen(appearance):
    """All but one of the radiographs, seen as they are and inverted, in every appearance."""
    right = 0
    for name in RADIOGRAPHS:
        radiograph = APPEARANCES[appearance](sample_pixels(name) / 255.0).astype(np.float32)
        right += not looks_inverted(radiograph)
        right += looks_inverted(radiograph.max() - radiograph)
    assert right >= 2 * len(RADIOGRAPHS) - 1


def test_evidence_is_antisymmetric():
    radiograph = sample_pixels().astype(np.float32)
    assert inversion_evidence(radiograph) == pytest.approx(-inversion_evidence(255 - radiograph), abs=0.05)
    assert inversion_evidence(np.ones((50, 50), np.float32)) == 0.0


def test_inversion_is_its_own_inverse():
    radiograph = sample_pixels().astype(np.float32)
    bright, record, warnings = with_bright_bone(radiograph.max() - radiograph)
    np.testing.assert_allclose(bright - bright.min(), radiograph - radiograph.min(), atol=1e-4)
    assert (record["inverted"], record["inversion_source"], warnings) == (True, "picture", [])


@pytest.mark.parametrize(
    ("header", "choice", "inverted", "source"),
    [
        (None, "auto", False, "picture"),
        ("MONOCHROME1", "auto", True, "header"),
        ("MONOCHROME2", "auto", False, "header"),
        ("MONOCHROME1", "normal", False, "user"),
        ("MONOCHROME2", "inverted", True, "user"),
    ],
)
def test_user_before_header_before_picture(header, choice, inverted, source):
    _, record, _ = with_bright_bone(sample_pixels().astype(np.float32), header, choice)
    assert (record["inverted"], record["inversion_source"]) == (inverted, source)


def test_header_against_picture_is_a_warning():
    radiograph = sample_pixels().astype(np.float32)
    assert with_bright_bone(radiograph, "MONOCHROME1")[2]
    assert not with_bright_bone(radiograph, "MONOCHROME2")[2]


def test_unclear_picture_is_a_warning_and_not_inverted():
    noise = np.random.default_rng(1).normal(size=(128, 128)).astype(np.float32)
    _, record, warnings = with_bright_bone(noise)
    assert not record["inverted"]
    assert warnings


def test_unknown_choice():
    with pytest.raises(InputError):
        with_bright_bone(sample_pixels().astype(np.float32), choice="negative")
