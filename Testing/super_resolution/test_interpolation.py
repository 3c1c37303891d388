"""Interpolation matrices against what they must reproduce, and against SciPy's splines."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from scipy import ndimage  # noqa: E402

from Xray2MRILib.acquisition.voxel_response import AxisSampling  # noqa: E402
from Xray2MRILib.super_resolution.interpolation import KINDS, interpolation_matrix  # noqa: E402


@pytest.mark.parametrize("kind", KINDS)
def test_measured_voxels_are_kept(kind: str) -> None:
    """A fine grid of three times the voxels passes through the coarse ones."""
    axis = AxisSampling.centred(12, 3.0)
    values = torch.randn(12, generator=torch.Generator().manual_seed(0))
    fine = interpolation_matrix(axis, kind) @ values
    assert torch.allclose(fine[1::3][2:-2], values[2:-2], atol=1e-4)


@pytest.mark.parametrize(("kind", "degree"), [("linear", 1), ("cubic", 2), ("b-spline", 3)])
def test_polynomials_are_reproduced_in_the_middle(kind: str, degree: int) -> None:
    axis = AxisSampling.centred(40, 2.4)
    coarse, fine = torch.arange(40.0), axis.fine_places().float()
    found = interpolation_matrix(axis, kind) @ ((coarse - 20) / 10) ** degree
    middle = (fine > 14) & (fine < 26)
    assert torch.allclose(found[middle], ((fine - 20) / 10)[middle] ** degree, atol=2e-3)


def test_the_spline_is_that_of_scipy() -> None:
    axis = AxisSampling.centred(60, 2.0)
    values = np.random.default_rng(1).normal(size=60)
    places = axis.fine_places().numpy()
    expected = ndimage.map_coordinates(values, places[None], order=3, mode="nearest")
    found = interpolation_matrix(axis, "b-spline").numpy() @ values.astype(np.float32)
    inner = (places > 12) & (places < 47)
    assert np.allclose(found[inner], expected[inner], atol=1e-3)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="no interpolation"):
        interpolation_matrix(AxisSampling.centred(4, 2.0), "guess")
