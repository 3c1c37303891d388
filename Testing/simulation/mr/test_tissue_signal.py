"""Signal and attenuation tables against hand calculations."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from Xray2MRILib.simulation.mr.flash_mri import to_unit_range
from Xray2MRILib.simulation.mr.tissue_properties import (
    RELAXATION,
    attenuation_per_mm,
    spoiled_gradient_echo,
    tissue_signal,
)


def test_spoiled_gradient_echo_by_hand() -> None:
    # T1 = 1412 ms, T2* = 28 ms, TR 20 ms, TE 7.57 ms, 12 degrees: E1 = 0.985936, sin = 0.207912, cos = 0.978148
    expected = 0.207912 * (1 - 0.985936) / (1 - 0.978148 * 0.985936) * math.exp(-7.57 / 28)
    assert spoiled_gradient_echo(1412, 28) == pytest.approx(expected, rel=1e-4)


def test_ernst_angle_gives_the_most_signal() -> None:
    t1 = 1240.0
    ernst = math.degrees(math.acos(math.exp(-20 / t1)))
    best = spoiled_gradient_echo(t1, 24, flip_deg=ernst)
    assert best > spoiled_gradient_echo(t1, 24, flip_deg=ernst - 1)
    assert best > spoiled_gradient_echo(t1, 24, flip_deg=ernst + 1)


def test_contrast_of_water_excited_flash() -> None:
    signal = {name: tissue_signal(values) for name, values in RELAXATION.items()}
    assert signal["cartilage"] > 3 * signal["femur"]
    assert signal["muscle"] > 3 * signal["subcutaneous"]
    assert signal["tendon"] < 0.3 * signal["muscle"]
    assert signal["cortical bone"] < 0.01 * signal["muscle"]


def test_attenuation_at_tabulated_energies() -> None:
    # NIST/ICRU-44: 0.4242 cm2/g x 1.92 g/cm3 at 50 keV, 0.2048 x 1.06 at 60 keV
    assert attenuation_per_mm("cortical bone", 50) == pytest.approx(0.4242 * 1.92 / 10)
    assert attenuation_per_mm("soft tissue", 60) == pytest.approx(0.2048 * 1.06 / 10)


def test_one_mapping_per_volume() -> None:
    volume = np.linspace(2, 5, 4 * 32 * 32, dtype=np.float32).reshape(4, 32, 32)
    mapped = to_unit_range(torch.from_numpy(volume)).numpy()
    assert mapped.min() == 0
    assert mapped.max() == 1
    assert (np.diff(mapped.reshape(-1)) >= 0).all()
