"""A patella of another size: an ellipsoid grows by the drawn factors from its rear surface, in closed form."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from Xray2MRILib.simulation.anatomy.anatomy_template import AnatomyTemplate, template_axes  # noqa: E402
from Xray2MRILib.simulation.anatomy.deformation import KneeDeformation  # noqa: E402
from Xray2MRILib.simulation.anatomy.knee_parameters import KneeParameters  # noqa: E402
from Xray2MRILib.simulation.anatomy.tissue_classes import TISSUE_ID  # noqa: E402

CENTRE_MM, HALF_MM = np.array((46.0, -36.0, -4.0)), np.array((10.0, 19.0, 19.0))


@pytest.fixture(scope="module")
def template() -> AnatomyTemplate:
    y, z, x = (a.reshape(s) for a, s in zip(template_axes(), ((-1, 1, 1), (1, -1, 1), (1, 1, -1)), strict=True))
    away = [((axis - c) / h) ** 2 for axis, c, h in zip((y, z, x), CENTRE_MM, HALF_MM, strict=True)]
    tissue = np.where(away[0] + away[1] + away[2] < 1, TISSUE_ID["patella"], 0).astype(np.uint8)
    plane = np.zeros((y.size, x.size), np.float32)
    empty = np.zeros(tissue.shape, np.float16)
    return AnatomyTemplate(
        "ball", tissue, empty, empty, plane - 3, plane + 3, (-36.0, 36.0),
        {"medial": (0.0, 20.0), "lateral": (0.0, -20.0)}, {},
    )  # fmt: skip


@pytest.mark.parametrize("factors", [(1.15, 1.06, 0.92), (0.95, 0.95, 1.08)])
def test_it_has_the_drawn_size(template: AnatomyTemplate, factors: tuple[float, float, float]) -> None:
    space = {"medial": 6.0, "lateral": 6.0}
    knee = KneeParameters(seed=0, kl_grade=0, warp_mm=0.0, joint_space_mm=space, patella_size=factors)
    deformation = KneeDeformation(template, knee)
    ends = np.concatenate([CENTRE_MM + sign * np.diag(HALF_MM) for sign in (-1, 1)])
    target = torch.from_numpy(ends.astype(np.float32))
    point = target.clone()
    for _ in range(20):
        point = point + target - deformation.shape(point)
    size = np.diag(point.numpy()[3:] - point.numpy()[:3])
    assert size == pytest.approx(2 * HALF_MM * np.array(factors), rel=0.04)
    # the joint surface stays where it is
    assert float(point[0, 0]) == pytest.approx(CENTRE_MM[0] - HALF_MM[0], abs=0.5)
    # the joint itself is left alone
    below = torch.tensor([[30.0, 0.0, 0.0], [0.0, 5.0, 20.0]])
    assert float((deformation.shape(below) - below).abs().max()) < 0.1
