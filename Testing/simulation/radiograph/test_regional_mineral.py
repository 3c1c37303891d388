"""Regional bone density: no level leaves bone as it is, levels are logarithms, knees differ by the drawn spread."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from Xray2MRILib.simulation.radiograph.regional_mineral import drawn_levels, mineral_factor  # noqa: E402

Z, X = torch.meshgrid(torch.linspace(-70, 70, 57), torch.linspace(-70, 70, 57), indexing="ij")


@pytest.mark.parametrize("part", ["femur", "tibia", "patella"])
def test_a_constant_level_is_a_constant_factor(part: str) -> None:
    for level in (0.0, 0.3):
        factor = mineral_factor(part, np.full((4, 5), level, np.float32), Z, X)
        assert torch.allclose(factor, torch.full_like(factor, float(np.exp(level))), atol=1e-4)


def test_levels_stand_from_lateral_to_medial_and_from_above_to_below() -> None:
    levels = np.zeros((4, 5), np.float32)
    levels[-1, -1] = 0.5
    factor = mineral_factor("tibia", levels, Z, X)
    assert float(factor[-1, -1]) == pytest.approx(np.exp(0.5), rel=1e-3)
    assert float(factor[-1, 0]) == pytest.approx(1.0, abs=1e-3)
    assert float(factor[:28].max()) < 1.1


def test_knees_differ_by_the_spread() -> None:
    mean = np.full((4, 5), 0.1, np.float32)
    assert drawn_levels("femur", mean, 3, 0.0) == pytest.approx(mean)
    drawn = np.stack([drawn_levels("femur", mean, seed, 0.1) for seed in range(200)])
    assert drawn.mean() == pytest.approx(0.1, abs=0.01)
    assert drawn.std() == pytest.approx(0.1, rel=0.06)
    assert np.array_equal(drawn[7], drawn_levels("femur", mean, 7, 0.1))


def test_bones_of_one_knee_vary_by_themselves() -> None:
    mean = np.zeros((4, 5), np.float32)
    parts = [
        np.stack([drawn_levels(part, mean, seed, 0.1).ravel() for seed in range(200)]) for part in ("femur", "tibia")
    ]
    assert abs(np.corrcoef(parts[0].ravel(), parts[1].ravel())[0, 1]) < 0.05
