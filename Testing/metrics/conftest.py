"""A simulated knee to measure on: real-like slices with a known joint, small enough to ship."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(scope="session")
def knee() -> np.ndarray:
    """[50, 256, 256] float32 in [0, 1], posterior first, with the noise of a scan."""
    from Xray2MRILib.comparison.controls import shipped_knee

    clean = shipped_knee()
    real, imaginary = 0.03 * np.random.default_rng(0).standard_normal((2, *clean.shape), dtype=np.float32)
    return np.clip(np.hypot(clean + real, imaginary), 0, 1)


@pytest.fixture(scope="session")
def region(knee):
    """The knee's joint region."""
    from Xray2MRILib.metrics.joint_region import find_joint_region

    return find_joint_region(knee)


@pytest.fixture(scope="session")
def edges(knee, region):
    """The knee's edges in its own box."""
    from Xray2MRILib.metrics.canny_edges import EdgeMap, canny_edges

    return EdgeMap(canny_edges(knee), region.box)
