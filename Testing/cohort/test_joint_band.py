"""The joint band of outlines whose height is known."""

from __future__ import annotations

import numpy as np
import pytest

from Xray2MRILib.cohort.joint_band import joint_band_mm
from Xray2MRILib.reprojection.knee_outline import KneeOutline


def edge(x: np.ndarray, z: np.ndarray | float) -> np.ndarray:
    return np.stack([x, np.broadcast_to(z, x.shape)], axis=1)


def test_flat_tilted_and_missing_edges():
    medial, lateral = np.arange(6, 27, 0.5), np.arange(-27, -6, 0.5)
    curves = {
        "femur medial joint": edge(medial, 4.0),
        "tibia medial joint": edge(medial + 0.2, 8.5),
        # parallel edges that run downwards, 3 mm apart
        "femur lateral joint": edge(lateral, 5.0 + 0.1 * lateral),
        "tibia lateral joint": edge(lateral[::-1], 8.0 + 0.1 * lateral[::-1]),
    }
    assert joint_band_mm(KneeOutline(curves)) == {"medial": pytest.approx(4.5), "lateral": pytest.approx(3.0)}
    del curves["tibia lateral joint"]
    curves["tibia medial joint"] = edge(np.arange(25, 30, 0.5), 8.5)  # too little in common
    assert joint_band_mm(KneeOutline(curves)) == {"medial": None, "lateral": None}


def test_of_the_shipped_outlines_the_band_has_the_height_of_a_joint():
    """Real radiographs: a joint space of a few millimetres."""
    from Xray2MRILib.reprojection.reference_outlines import reference_outlines

    found = [joint_band_mm(outline) for outline in reference_outlines()]
    heights = [height for bands in found for height in bands.values() if height is not None]
    assert len(heights) > len(found)
    assert 1.0 < float(np.median(heights)) < 8.0
