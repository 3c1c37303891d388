"""The joint closes between the bones; muscle and skin beside them yield without a step."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from Xray2MRILib.simulation.anatomy.anatomy_template import AnatomyTemplate, template_axes  # noqa: E402
from Xray2MRILib.simulation.anatomy.deformation import KneeDeformation, keeping_width, random_warp  # noqa: E402
from Xray2MRILib.simulation.anatomy.knee_parameters import KneeParameters  # noqa: E402
from Xray2MRILib.simulation.anatomy.tissue_classes import TISSUE_ID  # noqa: E402


@pytest.fixture(scope="module")
def template() -> AnatomyTemplate:
    """Two blocks of bone, 76 mm wide, 5 mm apart."""
    y, z, x = template_axes()
    tissue = np.full((len(y), len(z), len(x)), TISSUE_ID["muscle"], np.uint8)
    box = (np.abs(y) < 26)[:, None, None] & (np.abs(x) < 38)[None, None]
    for bone, middle in (("femur", -32.5), ("tibia", 32.5)):
        tissue[np.broadcast_to(box & (np.abs(z - middle) < 30)[None, :, None], tissue.shape)] = TISSUE_ID[bone]
    plane = np.zeros((len(y), len(x)), np.float32)
    nothing = np.zeros(tissue.shape, np.float16)
    return AnatomyTemplate(
        "blocks", tissue, nothing, nothing, plane - 2.5, plane + 2.5, (-38.0, 38.0),
        {"medial": (0.0, 20.0), "lateral": (0.0, -20.0)}, {},
    )  # fmt: skip


@pytest.fixture(scope="module")
def deformation(template: AnatomyTemplate) -> KneeDeformation:
    """The joint space of 5 mm narrows to 1 mm."""
    return KneeDeformation(
        template, KneeParameters(seed=1, kl_grade=4, warp_mm=0.0, joint_space_mm={"medial": 1.0, "lateral": 1.0})
    )


def opened(deformation: KneeDeformation, y: float, x: float) -> tuple[np.ndarray, np.ndarray]:
    z = torch.arange(-60.0, 60.0, 0.25)
    points = torch.stack((torch.full_like(z, y), z, torch.full_like(z, x)), dim=-1)
    return z.numpy(), deformation.open_joint(points)[:, 1].numpy()


def test_between_the_bones_the_gap_takes_it_all(deformation: KneeDeformation) -> None:
    z, shown = opened(deformation, 0.0, 20.0)
    assert shown[z <= -2.6] == pytest.approx(z[z <= -2.6])
    assert shown[z >= -1.4] == pytest.approx(z[z >= -1.4] + 4.0, abs=1e-4)


@pytest.mark.parametrize("place", [(-50.0, 0.0), (-45.0, 20.0), (0.0, 60.0)])
def test_beside_the_bones_the_shift_spreads(deformation: KneeDeformation, place: tuple[float, float]) -> None:
    """Stretch between 1 and 1.25 everywhere, the whole shift 30 mm below, none 30 mm above."""
    z, shown = opened(deformation, *place)
    stretch = np.diff(shown) / np.diff(z)
    assert 0.99 < stretch.min()
    assert stretch.max() < 1.25
    assert shown[z < -30] == pytest.approx(z[z < -30], abs=1e-4)
    assert shown[z > 30] == pytest.approx(z[z > 30] + 4.0, abs=1e-4)


def test_random_shape_leaves_the_plateau_as_wide_as_it_was_drawn(template: AnatomyTemplate) -> None:
    """Where the plateau's edges are shown, 20 knees: 76 mm within one, spread below 0.8."""
    widths = []
    for seed in range(20):
        deformation = KneeDeformation(
            template,
            KneeParameters(seed=seed, kl_grade=0, warp_mm=2.4, joint_space_mm={"medial": 5.0, "lateral": 5.0}),
        )
        edges = torch.tensor([(y, 8.0, x) for y in (-8.0, 0.0, 8.0) for x in (-38.0, 38.0)])
        point = edges.clone()
        for _ in range(15):
            point = point + edges - deformation.shape(point)
        widths.append(float((point[1::2, 2] - point[::2, 2]).mean()))
    assert np.mean(widths) == pytest.approx(76.0, abs=1.0)
    assert np.std(widths) < 0.8
    field = random_warp(3, 2.0)
    once = keeping_width(field, template)
    assert torch.allclose(keeping_width(once, template), once, atol=0.01)
