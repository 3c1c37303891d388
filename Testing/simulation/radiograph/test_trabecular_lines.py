"""Trabecular lines: drawn out along the leg, fixed to the bone, the same for one seed."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from Xray2MRILib.simulation.radiograph.trabecular_lines import lines_at  # noqa: E402

STEP_MM = 0.25


def grid(size: int = 240) -> tuple[torch.Tensor, torch.Tensor]:
    """Places (z, x) in mm about the joint, within the rows where lines do not fan out."""
    axis = (torch.arange(size) - size / 2) * STEP_MM
    z, x = torch.meshgrid(axis / 4, axis, indexing="ij")
    return z, x


def correlation(picture: torch.Tensor, axis: int, step: int) -> float:
    """Of ``picture`` with itself, ``step`` places on."""
    one, other = picture.movedim(axis, 0)[:-step], picture.movedim(axis, 0)[step:]
    return float(torch.corrcoef(torch.stack((one.reshape(-1), other.reshape(-1))))[0, 1])


def test_lines_run_along_the_leg() -> None:
    z, x = grid()
    picture = lines_at("tibia", z, x, seed=3)
    assert correlation(picture, 0, 16) > correlation(picture, 1, 4) + 0.15  # 1 mm along and across
    assert abs(float(picture.mean())) < 0.35
    assert 0.7 < float(picture.std()) < 1.3


def test_lines_fan_out_towards_the_joint() -> None:
    """What lies 10 mm from the axis at the joint lies nearer to it in the shaft."""
    at_joint = lines_at("tibia", torch.tensor(10.0), torch.tensor(10.0), seed=3)
    z = torch.tensor(10.0 + 160.0)  # one period on, so that only the fan differs
    nearer = 10.0 / (1 + 0.011 * 160.0)
    assert float(lines_at("tibia", z, torch.tensor(nearer), seed=3)) == pytest.approx(float(at_joint), abs=2e-3)


def test_lines_are_of_the_bone_and_of_the_seed() -> None:
    z, x = grid(64)
    picture = lines_at("femur", z, x, seed=3)
    assert torch.equal(picture, lines_at("femur", z, x, seed=3))
    assert (
        float(torch.corrcoef(torch.stack((picture.flatten(), lines_at("femur", z, x, seed=4).flatten())))[0, 1]) < 0.5
    )
    moved = lines_at("femur", z[:, 4:], x[:, 4:], seed=3)
    assert moved == pytest.approx(picture[:, 4:], abs=1e-4)
