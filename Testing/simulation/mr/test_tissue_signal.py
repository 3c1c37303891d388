"""Signal and attenuation tables against hand calculations."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from Xray2MRILib.simulation.anatomy.tissue_codes import CODE
from Xray2MRILib.simulation.mr.flash_mri import slice_averaged, to_unit_range
from Xray2MRILib.simulation.mr.property_tables import PLAIN_FAT, PLAIN_WATER, WATER_T1_MS, property_tables, saturation
from Xray2MRILib.simulation.mr.tissue_properties import FAT_T1_MS, attenuation_per_mm, spoiled_gradient_echo


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
    table = property_tables(1, 0.055, 1.0, marrow_t2star_ms=10.5, spread=0)
    signal = dict(zip(CODE, table.plain_water + table.plain_fat, strict=True))
    assert signal["cartilage"] > 3 * signal["femur"]
    assert signal["muscle"] > 3 * signal["subcutaneous"]
    assert signal["tendon"] < 0.3 * signal["muscle"]
    assert signal["outside"] == 0


def test_plain_signal_is_the_equation_of_both_parts() -> None:
    """Water of the class by its own T1 and T2*, and of its fat the share that water excitation leaves."""
    table = property_tables(1, 0.07, 1.0, marrow_t2star_ms=10.5, spread=0)
    for name in ("muscle", "cartilage", "synovium", "ligament", "tendon"):
        density, t2star = PLAIN_WATER[name]
        water = spoiled_gradient_echo(WATER_T1_MS[name], t2star, density)
        assert table.plain_water[CODE[name]] == pytest.approx(water, rel=1e-5)
        fat = 0.07 * spoiled_gradient_echo(FAT_T1_MS, 40.0, PLAIN_FAT.get(name, 0.0))
        assert table.plain_fat[CODE[name]] == pytest.approx(fat, rel=1e-5)
    assert saturation(1412.0) == pytest.approx(spoiled_gradient_echo(1412.0, 1e9))


def test_a_slice_averages_three_voxels() -> None:
    """A single bright section spreads 0.3, 0.4, 0.3; into memory of the caller's as well."""
    signal = torch.zeros(7, 2, 2)
    signal[3] = 1
    expected = torch.tensor((0, 0, 0.3, 0.4, 0.3, 0, 0))
    assert torch.allclose(slice_averaged(signal)[:, 0, 0], expected)
    out = torch.full((7, 2, 2), 9.0)
    assert slice_averaged(signal, out) is out
    assert torch.allclose(out[:, 1, 1], expected)


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
