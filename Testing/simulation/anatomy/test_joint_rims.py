"""Where osteophytes grow: the corner next to the joint of a bone that flares below it, against its closed form."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from Xray2MRILib.simulation.anatomy.anatomy_template import AnatomyTemplate, template_axes
from Xray2MRILib.simulation.anatomy.joint_rims import joint_rims
from Xray2MRILib.simulation.anatomy.tissue_classes import SPACING_MM, TISSUE_ID

WIDE_AT_MM, WIDE_MM = 10.0, 40.0


def flared(per_mm: float) -> AnatomyTemplate:
    """A tibia from z = 2 mm on whose medial edge moves outwards by ``per_mm`` a millimetre until z = 10 mm."""
    y, z, x = (a.reshape(s) for a, s in zip(template_axes(), ((-1, 1, 1), (1, -1, 1), (1, 1, -1)), strict=True))
    edge = WIDE_MM - per_mm * np.clip(WIDE_AT_MM - z, 0, None)
    tissue = np.where((np.abs(y) < 25) & (z > 2) & (np.abs(x) < edge), TISSUE_ID["tibia"], 0).astype(np.uint8)
    plane = np.zeros((y.size, x.size), np.float32)
    margin = np.array([(at, WIDE_AT_MM, WIDE_MM) for at in np.arange(-20.0, 20.0, 4.0)], np.float32)
    return AnatomyTemplate(
        "flared", tissue, np.zeros(tissue.shape, np.float16), np.zeros(tissue.shape, np.float16), plane, plane,
        (-WIDE_MM, WIDE_MM), {"medial": (0.0, 20.0), "lateral": (0.0, -20.0)}, {"tibia_medial": margin},
    )  # fmt: skip


@pytest.mark.parametrize(("per_mm", "row_mm"), [(0.1, 2.0), (0.5, 6.0), (2.0, 9.0)])
def test_the_rim_is_the_first_row_that_is_hardly_narrower(per_mm: float, row_mm: float) -> None:
    """Two millimetres narrower than the widest place: 2 / ``per_mm`` above it, but no higher than the bone."""
    rim = joint_rims(flared(per_mm))["tibia_medial"]
    assert np.abs(rim[:, 1] - row_mm).max() < 1.5 * SPACING_MM
    expected = WIDE_MM - per_mm * (WIDE_AT_MM - rim[:, 1])
    assert np.abs(rim[:, 2] - expected).max() < 1.5 * SPACING_MM


def test_a_margin_without_bone_stays() -> None:
    template = flared(0.1)
    template.tissue[:] = 0
    assert np.array_equal(joint_rims(template)["tibia_medial"], template.margins_mm["tibia_medial"])
