"""Menisci that a wider tibia brought along end a little beyond the tibia that is there."""

from __future__ import annotations

import numpy as np

from Xray2MRILib.simulation.anatomy.multi_echo_joint import _STAND_OUT_MM, JointParts, seated_menisci

SPACING_MM = (0.5, 0.5, 1.0)
Z, X = (np.arange(n) * s for n, s in ((60, 0.5), (90, 1.0)))


def box(low: float, high: float, top: float, bottom: float, sections: int = 80) -> np.ndarray:
    """Signed distance [Y, Z, X] in mm, roughly, of a beam along y."""
    across = np.maximum(low - X, X - high)[None]
    along = np.maximum(top - Z, Z - bottom)[:, None]
    return np.repeat(np.maximum(across, along)[None], sections, axis=0).astype(np.float32)


def edges(distance: np.ndarray) -> tuple[float, float]:
    columns = np.flatnonzero((distance < 0).any(axis=(0, 1)))
    return float(X[columns[0]]), float(X[columns[-1]])


def test_a_meniscus_that_stands_out_is_moved_and_another_is_not() -> None:
    tibia = box(10.0, 70.0, 20.0, 29.0)
    medial, lateral = box(66.0, 78.0, 14.0, 19.0), box(9.5, 22.0, 14.0, 19.0)
    parts = JointParts({"tibia": tibia}, {"medial_meniscus": medial, "lateral_meniscus": lateral, "other": medial})
    found = seated_menisci(parts, SPACING_MM)
    low, high = edges(found["medial_meniscus"])
    assert abs(high - (edges(tibia)[1] + _STAND_OUT_MM)) <= 1.0
    assert abs((high - low) - np.subtract(*edges(medial)[::-1])) <= 1.0
    assert np.allclose(found["lateral_meniscus"], lateral, atol=0.01)
    assert found["other"] is medial
